// The entries that all contestants look up and store. In JavaScript, because Node
// and Bun run some of them.

/** How many entries there are. */
export const count = 100_000;

/** @param {number} number */
export function key(number) {
  return `user${number}@example.com`;
}

/**
 * 20 bytes, without the letter D: the bare scripts count replies by it.
 *
 * @param {number} number
 */
export function value(number) {
  return `alias-of-user-${String(number).padStart(6, "0")}`;
}

/** The keys of the table, without the prefix that key_format adds. */
export const keys = Array.from({ length: count }, (_, number) => key(number));

/** Their values. */
export const values = keys.map((_, number) => value(number));
