// What all contestants look up and store. Plain JavaScript, for Node and Bun run
// some of them.

/** How many entries there are. */
export const count = 100_000;

/** @param {number} number */
export function key(number) {
  return `user${number}@example.com`;
}

/**
 * 20 bytes, without the letter D, by which the bare scripts count replies.
 *
 * @param {number} number
 */
export function value(number) {
  return `alias-of-user-${String(number).padStart(6, "0")}`;
}

/** The table's keys, without what key_format puts in front. */
export const keys = Array.from({ length: count }, (_, number) => key(number));

/** Their values. */
export const values = keys.map((_, number) => value(number));
