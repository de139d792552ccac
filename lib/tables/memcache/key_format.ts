// Formats, keys and what becomes of them are byte strings here, one character for
// each byte: a format may have any bytes, as in Postfix.

/** A key_format taken apart, as {@linkcode parseKeyFormat} returns it. */
export interface KeyFormat {
  /** Literal text, or the letter or digit that followed a `%`. */
  readonly parts: readonly ({ literal: string } | { expand: string })[];
  /** Uses the local part: a key with `@` and nothing before it is skipped. */
  readonly usesLocalPart: boolean;
  /** Uses the domain: a key without one is skipped. */
  readonly usesDomain: boolean;
  /** The highest of `%1` to `%9`; 0 when there is none. */
  readonly labels: number;
}

/**
 * Takes a key_format, a byte string, apart. Throws a `RangeError` that says what
 * is wrong with it: a letter that has no meaning, or a `%` at the end. The
 * message shows the format as `shown`.
 *
 * Implements "key_format" of memcache_table(5).
 */
export function parseKeyFormat(format: string, shown = format): KeyFormat {
  const parts: ({ literal: string } | { expand: string })[] = [];
  let literal = "";
  let usesLocalPart = false;
  let usesDomain = false;
  let labels = 0;
  for (let at = 0; at < format.length; at++) {
    const character = format[at];
    if (character !== "%") {
      literal += character;
      continue;
    }
    const letter = format[++at]?.toLowerCase();
    if (letter === undefined) {
      throw new RangeError(
        `"%" at the end of "${shown}": write "%%" for a percent sign`,
      );
    }
    if (letter === "%") {
      literal += "%";
      continue;
    }
    if (letter === "u") usesLocalPart = true;
    else if (letter === "d") usesDomain = true;
    else if (letter >= "1" && letter <= "9") {
      usesDomain = true;
      labels = Math.max(labels, Number(letter));
    } else if (letter !== "s") {
      throw new RangeError(
        `"%${letter > "~" ? "…" : format[at]}" in "${shown}" means nothing: ` +
          `use %s, %u, %d, %1 to %9, or "%%" for a percent sign`,
      );
    }
    if (literal !== "") parts.push({ literal });
    literal = "";
    parts.push({ expand: letter });
  }
  if (literal !== "") parts.push({ literal });
  return { parts, usesLocalPart, usesDomain, labels };
}
