import { shownText } from "../errors.ts";
import { beginsWithMark, markWarning } from "./logical_lines.ts";
import { keyLength, trimSpace } from "./name_value.ts";

/** A line of postmap's input. */
export interface EntryLine {
  /** The key, with its quotes. */
  readonly key: string;
  readonly value: string;
  /** What looks wrong about it, although it can be used. */
  readonly doubt?: string;
}

/**
 * Parses a logical line of postmap's input: `key white-space value`. A key with white
 * space needs double quotes, which stay part of the key, as in Postfix. Throws a
 * `RangeError` that says what is missing.
 *
 * Implements "INPUT FILE FORMAT" of postmap(1).
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { parseEntryLine } from "./entry_line.ts";
 *
 * assertEquals(parseEntryLine("joe  joe@example.com"), {
 *   key: "joe",
 *   value: "joe@example.com",
 * });
 * ```
 */
export function parseEntryLine(text: string): EntryLine {
  const end = keyLength(text);
  const key = text.slice(0, end);
  const value = trimSpace(text.slice(end));
  if (key === "" || value === "") {
    throw new RangeError(
      `need "key white-space value" instead of "${shownText(trimSpace(text))}"`,
    );
  }
  const doubt = doubtOf(key);
  return { key, value, ...(doubt !== undefined && { doubt }) };
}

function doubtOf(key: string): string | undefined {
  if (beginsWithMark(key)) return markWarning("key", key);
  return key.endsWith(":")
    ? `"${shownText(key)}" ends in a colon: is this an alias file?`
    : undefined;
}
