import { ConfigError, shownText } from "../errors.ts";
import {
  ignoredLine,
  isBlankOrComment,
  type LogicalLine,
  logicalLines,
} from "./logical_lines.ts";
import type { Setting } from "./main_cf.ts";
import {
  shownLine,
  splitItems,
  splitNameValue,
  withoutBraces,
} from "./name_value.ts";

/** A service of master.cf. */
export interface Service {
  /** Its name: for `inet`, the address or port at which it listens. */
  readonly name: string;
  /** `inet`, `unix`, `fifo`, `pass` or `unix-dgram`. */
  readonly type: string;
  /** The program that serves it, such as `smtpd`. */
  readonly program: string;
  /** `y` or `n`; `-` for the default of this Postfix. */
  readonly chroot: string;
  /** The parameters that `-o` sets for this service alone; the last one wins. */
  readonly overrides: ReadonlyMap<string, Setting>;
  /** The fields, options apart and without braces, as `postconf -M` prints them. */
  readonly fields: readonly string[];
  /** The number of its first line, counted from 1. */
  readonly line: number;
}

/** Callbacks of {@linkcode parseMasterCf}. */
export interface MasterCfListeners {
  /**
   * Called with each service that is left out, since Postfix does not start with its
   * line: fewer than eight fields, or a wrong type, flag, number or brace.
   */
  readonly onFlaw: (error: ConfigError) => void;
  /** Called with a warning about a line that Postfix ignores. */
  readonly onWarning: (message: string) => void;
}

/**
 * Parses master.cf: a service a line, with continuation lines and comments as in
 * main.cf. Reads options as `-o name=value`, `-oname=value`,
 * `-o { name = value with spaces }`, and behind other letters, as in `-vo name=value`.
 *
 * Implements master(5).
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { parseMasterCf } from "./master_cf.ts";
 *
 * const [smtp] = parseMasterCf(
 *   "smtp inet n - y - - smtpd\n  -o { a = b c }\n",
 *   "master.cf",
 *   { onFlaw: console.error, onWarning: console.warn },
 * );
 * assertEquals([smtp.program, smtp.line], ["smtpd", 1]);
 * assertEquals(smtp.overrides.get("a"), {
 *   value: "b c",
 *   file: "master.cf",
 *   line: 2,
 * });
 * ```
 */
export function parseMasterCf(
  text: string,
  file: string,
  { onFlaw, onWarning }: MasterCfListeners,
): Service[] {
  const physical = text.split("\n");
  const lines = logicalLines(
    physical.map((text) => ({ text })),
    ({ line, text }) => onWarning(ignoredLine(file, line, text)),
  );
  return [...lines].flatMap((line) => {
    try {
      return [parseService(line, physical, file)];
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      onFlaw(error);
      return [];
    }
  });
}

/** The error for a line with which master(8) and postconf(1) end. */
function flaw(
  reason: string,
  where: { file: string; line: number },
): ConfigError {
  return new ConfigError(
    `${reason}: Postfix does not start with such a line`,
    where,
  );
}

const separators = " \t\r\n";

const flag = /^[yn-]$/;

/** What the fields before the program may be, as master(5) names them. */
const fieldRules: [name: string, pattern: RegExp][] = [
  ["service name", /./s],
  ["service type", /^(?:inet|unix|fifo|pass|unix-dgram)$/],
  ["private", flag],
  ["unprivileged", flag],
  ["chroot", flag],
  ["wake-up time", /^(?:\d*\??|-\??)$/],
  ["process limit", /^(?:\d*|-)$/],
];
const chrootField = 4;
const programField = fieldRules.length;

function parseService(
  { text, line }: LogicalLine,
  physical: readonly string[],
  file: string,
): Service {
  const items = splitItems(text, separators);
  if (items.length <= programField) {
    throw flaw(
      `a service has at least ${
        programField + 1
      } fields, not ${items.length}: ` +
        `"${shownLine(text)}"`,
      { file, line },
    );
  }
  for (const [at, [field, pattern]] of fieldRules.entries()) {
    if (pattern.test(items[at])) continue;
    throw flaw(
      `"${shownText(items[at])}" is no ${field}: "${shownLine(text)}"`,
      { file, line },
    );
  }
  const fields = items.slice(0, programField + 1);
  const overrides = new Map<string, Setting>();
  const lineOf = itemLines(text, items, line, physical);
  const where = (at: number) => ({ file, line: lineOf[at] });
  let isOption = true;
  for (let at = programField + 1; at < items.length; at++) {
    const item = items[at];
    isOption &&= item.startsWith("-") && item !== "--";
    const letter = item.indexOf("o", 1);
    if (!isOption) fields.push(unbraced(item, where(at)));
    else if (letter < 0) fields.push(item);
    else {
      if (letter > 1) fields.push(item.slice(0, letter));
      fields.push("-o");
      let value = item.slice(letter + 1);
      if (value === "") value = items[++at] ?? "";
      if (at === items.length) break;
      fields.push(override(value, where(at), overrides));
    }
  }
  return {
    name: items[0],
    type: items[1],
    program: items[programField].replace(/^.*\//s, ""),
    chroot: items[chrootField],
    overrides,
    fields,
    line,
  };
}

function unbraced(item: string, where: { file: string; line: number }): string {
  if (!item.startsWith("{")) return item;
  try {
    return withoutBraces(item);
  } catch (cause) {
    throw flaw((cause as RangeError).message, where);
  }
}

/** Adds an override. Returns it as `name=value` where it was in braces. */
function override(
  item: string,
  where: { file: string; line: number },
  overrides: Map<string, Setting>,
): string {
  const text = unbraced(item, where);
  let name: string;
  let value: string;
  try {
    [name, value] = splitNameValue(text);
  } catch {
    // Only the service itself does not start; Postfix does.
    return text;
  }
  overrides.set(name, { value, ...where });
  return text === item ? text : `${name}=${value}`;
}

/** The lines of a file on which the items of a logical line begin. */
function itemLines(
  text: string,
  items: readonly string[],
  first: number,
  physical: readonly string[],
): number[] {
  let line = first;
  let end = physical[line - 1].length;
  let at = 0;
  return items.map((item) => {
    while (separators.includes(text[at])) at++;
    while (at >= end) {
      const next = physical[line++];
      if (!isBlankOrComment(next)) end += next.length;
    }
    at += item.length;
    return line;
  });
}
