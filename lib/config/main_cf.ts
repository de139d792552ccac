import { ConfigError, shownText } from "../errors.ts";
import {
  beforeNull,
  beginsWithMark,
  ignoredLine,
  isUtf16,
  logicalLines,
  markWarning,
  nullByteWarning,
  utf16Warning,
} from "./logical_lines.ts";
import { isSecretName, splitNameValue } from "./name_value.ts";

/** The value of a parameter, and its source. */
export interface Setting {
  /** The value, a `configText` without white space around it. */
  readonly value: string;
  /** The file that sets it, if any. */
  readonly file?: string;
  /** The line in that file, counted from 1. */
  readonly line?: number;
}

/**
 * Parses main.cf syntax: `name = value`, continuation lines, comments. The last value
 * of a name wins. Calls `onWarning` for a name with two different values, for a null
 * byte, where the line ends as in Postfix, and for a name with a byte order mark.
 *
 * Throws {@linkcode ConfigError}, with file and line, for a line without a name or
 * without `=`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { parseMainCf } from "./main_cf.ts";
 *
 * const settings = parseMainCf("ttl = 60\nflags=1\n", "t.cf", () => {});
 * assertEquals(settings.get("ttl"), { value: "60", file: "t.cf", line: 1 });
 * ```
 */
export function parseMainCf(
  text: string,
  file: string,
  onWarning: (message: string) => void,
): Map<string, Setting> {
  const settings = new Map<string, Setting>();
  const warn = (line: number, message: string) =>
    onWarning(`${file}, line ${line}: ${message}`);
  const physical = text.split("\n").map((text) => ({ text }));
  const lines = logicalLines(
    physical,
    ({ line, text }) => onWarning(ignoredLine(file, line, text)),
  );
  // A password that was put below its name, without white space before it.
  let mayBeSecret = false;
  for (const { text: whole, line } of lines) {
    const used = beforeNull(whole);
    if (used !== whole) warn(line, nullByteWarning);
    const [name, value] = nameAndValue(used, { file, line }, mayBeSecret);
    mayBeSecret = value === "" && isSecretName(name);
    if (beginsWithMark(name)) {
      warn(line, markWarning("name", name));
    }
    const earlier = settings.get(name);
    if (earlier !== undefined && earlier.value !== value) {
      const shown = isSecretName(name) ? () => "(not shown)" : shownText;
      warn(
        line,
        `"${shownText(name)} = ${shown(value)}" replaces ` +
          `"${shown(earlier.value)}" of line ${earlier.line}`,
      );
    }
    settings.set(name, { value, file, line });
  }
  return settings;
}

function nameAndValue(
  text: string,
  where: { file: string; line: number },
  mayBeSecret: boolean,
): [name: string, value: string] {
  try {
    return splitNameValue(text);
  } catch (cause) {
    const message = mayBeSecret
      ? 'no "=" after a name: put a password behind the "=" of its name'
      : (cause as RangeError).message;
    const doubt = beginsWithMark(text)
      ? `; ${markWarning("line", text)}`
      : isUtf16(text)
      ? `; ${utf16Warning}`
      : "";
    throw new ConfigError(message + doubt, where);
  }
}
