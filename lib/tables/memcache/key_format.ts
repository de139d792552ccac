// As in Postfix, a format may have any bytes. So formats and keys are byte strings
// here, with one character for each byte.

/** A parsed key_format. */
export interface KeyFormat {
  /** Literal text, or the lower-case letter or digit after a `%`. */
  readonly parts: readonly ({ literal: string } | { expand: string })[];
  /** Whether it uses the local part. Then a key that begins with `@` is skipped. */
  readonly usesLocalPart: boolean;
  /** Whether it uses the domain. Then a key without a domain is skipped. */
  readonly usesDomain: boolean;
  /** The highest of `%1` to `%9`; 0 when there is none. */
  readonly labels: number;
}

/**
 * Parses a key_format, a byte string. Throws a `RangeError` on an unknown letter
 * after a `%`, or a `%` at the end. Its message shows the format as `shown`.
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
