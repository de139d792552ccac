// memcached: the text protocol, a pool of ten connections.
import { inPieces } from "../workers/serve.mjs";

const prefix = "a:";

/**
 * @param {any} Memcached
 * @param {string} server
 */
export function connect(Memcached, server) {
  const client = new Memcached(server, { timeout: 60_000, idle: 60_000 });
  const asked = (method, ...args) =>
    new Promise((resolve, reject) =>
      client[method](
        ...args,
        (error, answer) => error ? reject(error) : resolve(answer),
      )
    );
  return {
    get: (key) => asked("get", prefix + key),
    getAll: (keys) =>
      inPieces(keys, 100, 10, async (piece) => {
        const found = await asked("getMulti", piece.map((key) => prefix + key));
        return Object.keys(found).length;
      }),
    setAll: (keys, values) =>
      inPieces(
        keys,
        1,
        1000,
        async ([key], at) =>
          await asked("set", prefix + key, values[at], 0) ? 1 : 0,
      ),
    close: () => client.end(),
  };
}
