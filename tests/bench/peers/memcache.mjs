// memcache: the text protocol, one connection.
import { inPieces } from "../workers/serve.mjs";

const prefix = "a:";

/**
 * @param {any} memcache
 * @param {string} server
 */
export async function connect({ Memcache }, server) {
  const client = new Memcache({ nodes: [server], timeout: 60_000 });
  await client.connect();
  return {
    get: (key) => client.get(prefix + key),
    getAll: (keys) =>
      inPieces(
        keys,
        100,
        10,
        async (piece) =>
          (await client.gets(piece.map((key) => prefix + key))).size,
      ),
    setAll: (keys, values) =>
      inPieces(
        keys,
        1,
        1000,
        async ([key], at) => await client.set(prefix + key, values[at]) ? 1 : 0,
      ),
    close: () => client.disconnect(),
  };
}
