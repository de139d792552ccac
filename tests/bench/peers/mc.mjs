// mc: the text protocol, one connection, a command in several writes.
import { inPieces } from "../workers/serve.mjs";

const prefix = "a:";

/**
 * @param {any} mc
 * @param {string} server
 */
export async function connect({ Client }, server) {
  const client = new Client(server);
  await new Promise((resolve) => client.connect(resolve));
  const asked = (method, ...args) =>
    new Promise((resolve, reject) =>
      client[method](
        ...args,
        (error, answer) =>
          error ? reject(new Error(error.type)) : resolve(answer),
      )
    );
  return {
    get: async (key) => (await asked("get", prefix + key))[prefix + key],
    getAll: (keys) =>
      inPieces(keys, 100, 10, async (piece) => {
        const found = await asked("get", piece.map((key) => prefix + key));
        return Object.keys(found).length;
      }),
    setAll: (keys, values) =>
      inPieces(
        keys,
        1,
        1000,
        async ([key], at) =>
          await asked("set", prefix + key, values[at], {}) ? 1 : 0,
      ),
    close: () => client.disconnect(),
  };
}
