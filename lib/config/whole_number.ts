/**
 * Parses a whole number of a configuration; `NaN` for other text, and for what has
 * more than 32 bits. As in Postfix, white space may be before it, such as that of
 * `${name? 60}`, but nothing behind it.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { parseWholeNumber } from "./whole_number.ts";
 *
 * assertEquals(parseWholeNumber(" +60"), 60);
 * assertEquals(parseWholeNumber("1h"), NaN);
 * ```
 */
export function parseWholeNumber(text: string): number {
  const number = Number(text);
  const isWhole = /^[ \t-\r]*[+-]?\d+$/.test(text);
  return isWhole && number === (number | 0) ? number : NaN;
}
