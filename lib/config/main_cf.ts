import { ConfigError } from "../errors.ts";
import { logicalLines } from "./logical_lines.ts";
import { splitNameValue } from "./name_value.ts";

/** The value of a parameter, and where it was given. */
export interface Setting {
  /** The value, white space around it dropped. */
  readonly value: string;
  /** The file that gives it, where there is one. */
  readonly file?: string;
  /** The line in that file, counted from 1. */
  readonly line?: number;
}

/**
 * The settings of a text in main.cf syntax: `name = value`, continuation
 * lines, comments. Of a name given twice the last counts, with a warning.
 * Throws {@linkcode ConfigError} with file and line on a line without `=`.
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
  const physical = text.split("\n").map((text) => ({ text }));
  const lines = logicalLines(physical, (orphan) =>
    onWarning(
      `${file}, line ${orphan.line}: ` +
        `ignoring a line that continues nothing: "${orphan.text.trim()}"`,
    ));
  for (const { text, line } of lines) {
    let pair: [string, string];
    try {
      pair = splitNameValue(text);
    } catch (cause) {
      throw new ConfigError((cause as Error).message, { file, line });
    }
    const [name, value] = pair;
    const earlier = settings.get(name);
    if (earlier !== undefined && earlier.value !== value) {
      onWarning(
        `${file}, line ${line}: "${name} = ${value}" replaces ` +
          `"${earlier.value}" of line ${earlier.line}`,
      );
    }
    settings.set(name, { value, file, line });
  }
  return settings;
}
