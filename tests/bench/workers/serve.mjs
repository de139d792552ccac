// The common part of all contestants: waits for a turn, and measures it.
import { createInterface } from "node:readline";
import process from "node:process";
import { keys, values } from "../data.mjs";

/**
 * A connection to a table or to memcached. `get` and `set` are for one entry,
 * `getAll` and `setAll` for many; these return the number of entries.
 *
 * @typedef {object} Client
 * @property {(key: string, at: number) => Promise<unknown>} [get]
 * @property {(keys: string[]) => Promise<number>} [getAll]
 * @property {(keys: string[], values: string[]) => Promise<number>} [setAll]
 * @property {() => unknown} close
 */

const one = 5000;
const wave = 1000;
const waves = 20;

/** How many requests a turn of each kind makes. */
export const requests = {
  sequential: one,
  concurrent: wave * waves,
  bulk: keys.length,
  update: keys.length,
  served: wave * waves,
};

/** @type {Record<string, (client: Client) => Promise<number>>} */
const kinds = {
  async sequential({ get }) {
    let found = 0;
    for (let at = 0; at < one; at++) {
      if (await get(keys[at], at) !== undefined) found++;
    }
    return found;
  },
  async concurrent({ get }) {
    let found = 0;
    for (let start = 0; start < wave * waves; start += wave) {
      const asked = keys.slice(start, start + wave);
      const got = await Promise.all(asked.map((key, at) => get(key, at)));
      found += got.filter((value) => value !== undefined).length;
    }
    return found;
  },
  bulk: ({ getAll }) => getAll(keys),
  served: ({ getAll }) => getAll(keys.slice(0, wave * waves)),
  update: ({ setAll }) => setAll(keys, values),
};

/**
 * For each line of standard input, opens a client, does the work of a kind once,
 * and prints the milliseconds that this took, without the opening.
 *
 * @param {string} kind
 * @param {() => Client | Promise<Client>} open
 */
export async function serve(kind, open) {
  for await (const _turn of createInterface({ input: process.stdin })) {
    const client = await open();
    // Before the measurement, because the first request waits for the connection.
    await client.get?.(keys[0], 0);
    const started = performance.now();
    const done = await kinds[kind](client);
    const took = performance.now() - started;
    await client.close();
    if (done !== requests[kind]) {
      throw new Error(`${done} of ${requests[kind]} were answered`);
    }
    process.stdout.write(`${took}\n`);
  }
  process.exit(0);
}

/**
 * Processes items in pieces, `atOnce` pieces at a time.
 *
 * @template T
 * @param {T[]} items
 * @param {number} size of a piece
 * @param {number} atOnce
 * @param {(piece: T[], start: number) => Promise<number>} work returns a number of items
 */
export async function inPieces(items, size, atOnce, work) {
  let next = 0;
  let done = 0;
  const worker = async () => {
    while (next < items.length) {
      const start = next;
      next += size;
      const more = await work(items.slice(start, start + size), start);
      done += more;
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return done;
}
