// memcache-client: the text protocol, one connection, with TLS if there is an authority.
import { readFileSync } from "node:fs";
import { inPieces } from "../workers/serve.mjs";

const prefix = "a:";

/**
 * @param {any} memcacheClient
 * @param {string} server
 * @param {string} [authority] the path of its certificate
 */
export function connect({ MemcacheClient }, server, authority) {
  const tls = authority && { ca: readFileSync(authority, "utf8") };
  const client = new MemcacheClient({
    server: { server, maxConnections: 1 },
    cmdTimeout: 60_000,
    ...(tls && { tls }),
  });
  return {
    get: async (key) => (await client.get(prefix + key))?.value,
    getAll: (keys) =>
      inPieces(keys, 100, 10, async (piece) => {
        const found = await client.get(piece.map((key) => prefix + key));
        return Object.keys(found).length;
      }),
    setAll: (keys, values) =>
      inPieces(keys, 1, 1000, async ([key], at) => {
        await client.set(prefix + key, values[at]);
        return 1;
      }),
    close: () => client.shutdown(),
  };
}
