// memjs: the binary protocol, one connection, no multi-get. Each request is sent at
// once.
import { inPieces } from "../workers/serve.mjs";

const prefix = "a:";

/**
 * @param {any} memjs
 * @param {string} server
 */
export function connect(memjs, server) {
  // Its default of half a second is too short if many requests wait.
  const client = memjs.Client.create(server, { timeout: 60, retries: 1 });
  const get = async (key) => (await client.get(prefix + key)).value?.toString();
  return {
    get,
    getAll: (keys) =>
      inPieces(
        keys,
        1,
        1000,
        async ([key]) => await get(key) === undefined ? 0 : 1,
      ),
    setAll: (keys, values) =>
      inPieces(
        keys,
        1,
        1000,
        async ([key], at) =>
          await client.set(prefix + key, values[at], {}) ? 1 : 0,
      ),
    close: () => client.quit(),
  };
}
