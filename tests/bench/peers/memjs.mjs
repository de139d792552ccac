// memjs: the binary protocol, one connection, no multi-get. What is asked for at
// once is sent at once.
import { inPieces } from "../workers/serve.mjs";

const prefix = "a:";

/**
 * @param {any} memjs
 * @param {string} server
 */
export function connect(memjs, server) {
  // Its own half second is too short for what waits behind many others.
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
