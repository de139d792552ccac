import {
  accessNames,
  type AccessParameters,
  allParameterNames,
  defaultParameters,
  type MemcacheParameters,
  parameterNames,
  type ParameterSource,
  readAccess,
  readParameters,
  shownValue,
} from "../tables/memcache/parameters.ts";
import { beginsWithMark } from "../config/logical_lines.ts";
import type { Setting } from "../config/main_cf.ts";
import { configByteString, isUtf8 } from "../bytes/text.ts";
import { nearestName } from "../bytes/nearest_name.ts";
import { ConfigError } from "../errors.ts";
import { loadDigest } from "../tables/memcache/key_digest.ts";
import {
  type KeyFormat,
  parseKeyFormat,
} from "../tables/memcache/key_format.ts";
import { longestKey } from "../memcached/protocol.ts";

/** A problem of a table. */
export interface Problem {
  /**
   * `error`: the table does not work, or not as intended. `warning`: it works, but
   * should be looked at. `note`: it is well to know.
   */
  readonly severity: "error" | "warning" | "note";
  /** What is wrong and how to fix it; begins with the file and line, if any. */
  readonly message: string;
  /** The file to change, if there is one. */
  readonly file?: string;
  /** The line in that file, counted from 1. */
  readonly line?: number;
}

/** A parameter as the table reads it. */
export interface CheckedParameter {
  /** Its name in memcache_table(5), or in the README. */
  readonly name: keyof MemcacheParameters | keyof AccessParameters;
  /** Its name in the configuration: in main.cf it begins with the table's name. */
  readonly written: string;
  /** Its value; a number for a numeric parameter with a valid value. */
  readonly value: string | number;
  /** Whether it is not set, and this is the default. */
  readonly default: boolean;
  /** The file that sets it, if there is one. */
  readonly file?: string;
  /** The line in that file, counted from 1. */
  readonly line?: number;
}

/** The parameters of a table, each read on its own. */
export interface CheckedParameters {
  /**
   * All of them, in the order of the manual page, and then those of this package
   * that are set; a password is not shown.
   */
  readonly list: CheckedParameter[];
  /** The same, with defaults in place of invalid values. */
  readonly usable: MemcacheParameters;
  /** The errors of invalid values. */
  readonly errors: ConfigError[];
}

/** Reads each parameter on its own, so that all errors are found. */
export function readEach(source: ParameterSource): CheckedParameters {
  const list: CheckedParameter[] = [];
  const usable: Record<string, string | number> = {};
  const errors: ConfigError[] = [];
  for (const name of parameterNames) {
    const setting = source.setting(name);
    let value: string | number | undefined;
    try {
      const alone = (other: string) => other === name ? setting : undefined;
      const { written } = source;
      value = readParameters({ setting: alone, written })[name];
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      errors.push(error);
    }
    usable[name] = value ?? defaultParameters[name];
    list.push({
      name,
      written: source.written(name),
      value: value ?? setting!.value,
      default: setting === undefined,
      ...placeOf(setting),
    });
  }
  const access = readAccess(source);
  for (const name of accessNames) {
    const setting = source.setting(name);
    if (setting === undefined) continue;
    const value = shownValue(name, access[name]);
    const written = source.written(name);
    list.push({ name, written, value, default: false, ...placeOf(setting) });
  }
  return { list, usable: usable as unknown as MemcacheParameters, errors };
}

function placeOf(setting?: Setting): { file?: string; line?: number } {
  const { file, line } = setting ?? {};
  return {
    ...(file !== undefined && { file }),
    ...(line !== undefined && { line }),
  };
}

/** Makes a problem whose message begins with the file and line, like an error's. */
export function problem(
  severity: Problem["severity"],
  message: string,
  where?: Setting,
): Problem {
  const place = placeOf(where);
  return {
    severity,
    message: new ConfigError(message, place).message,
    ...place,
  };
}

// The first words of Postfix's own parameters. A table whose name begins with one
// of them may look as if it had unknown parameters.
const postfixWords =
  ("address alias allow authorized body bounce bsmtp canonical cleanup command " +
    "config connection daemon debug default defer delay disable dnsblog empty " +
    "enable error fallback fast forward hash header home ifmail import inet " +
    "initial internal ipc lmtp local mail mailbox maildrop maillog mailman " +
    "maps masquerade maximal message milter mime multi my notify parent " +
    "pickup plaintext postdrop postlog postmulti postscreen process proxy qmgr " +
    "qmqpd queue receive recipient reject relay relocated resolve retry " +
    "scalemail send sender sendmail service smtp smtpd smtputf8 stress strict " +
    "syslog tls tlsproxy tlsmgr trace transport trigger unknown unverified " +
    "uucp verify virtual").split(" ");

/** Finds names that are not parameters; some are probably misspelt. */
export async function unknownNames(
  source: ParameterSource,
): Promise<Problem[]> {
  const problems: Problem[] = [];
  const prefix = source.written("ttl").slice(0, -"ttl".length);
  const knownNames = allParameterNames();
  for (const [name, setting] of await source.all()) {
    if ((knownNames as string[]).includes(name)) continue;
    // A byte order mark has already caused a warning.
    if (beginsWithMark(name)) continue;
    const nearest = nearestName(name, knownNames);
    if (nearest !== undefined) {
      problems.push(problem(
        "error",
        `there is no parameter ${prefix}${name}: did you mean ${prefix}${nearest}?`,
        setting,
      ));
      continue;
    }
    // aliases_local_ttl belongs to the table aliases_local, not to aliases.
    const ofOther = prefix !== "" &&
      (knownNames.some((known) => name.endsWith(`_${known}`)) ||
        postfixWords.includes(prefix.split("_")[0]));
    if (ofOther) continue;
    problems.push(problem(
      "warning",
      `there is no parameter ${prefix}${name}: it has no effect`,
      setting,
    ));
  }
  return problems;
}

/** The greatest ttl that is no date, in seconds: 30 days. */
export const longestRelativeTtl = 2592000;

/** Finds values that cannot work or are hardly intended. `now` is a Unix time. */
export async function valueProblems(
  source: ParameterSource,
  parameters: MemcacheParameters,
  now: number,
): Promise<Problem[]> {
  const problems: Problem[] = [];
  const say = (
    severity: Problem["severity"],
    name: keyof MemcacheParameters,
    message: string,
  ) =>
    problems.push(problem(
      severity,
      `${source.written(name)} = ${parameters[name]}: ${message}`,
      source.setting(name),
    ));
  for (const name of parameterNames) {
    if (isUtf8(`${parameters[name]}`)) continue;
    say(
      "warning",
      name,
      "it has bytes that are not UTF-8, which go on as they are, as in Postfix: " +
        "save the file as UTF-8 unless that is meant",
    );
  }
  const { ttl, flags, timeout } = parameters;
  if (ttl < 0) {
    say(
      "error",
      "ttl",
      "memcached drops at once what is stored so: use seconds, or 0 for no limit",
    );
  } else if (ttl > longestRelativeTtl) {
    const date = new Date(ttl * 1000).toISOString().slice(0, 10);
    const absolute =
      `above ${longestRelativeTtl} (30 days) it is a Unix time, here ${date}`;
    if (ttl <= now) {
      say(
        "error",
        "ttl",
        `${absolute}: memcached drops at once what is stored so; ` +
          `use at most ${longestRelativeTtl}`,
      );
    } else {
      say(
        "warning",
        "ttl",
        `${absolute}: what is stored after that is dropped at once`,
      );
    }
  }
  if (flags < 0) {
    say("error", "flags", "memcached refuses to store with less than 0");
  }
  if (timeout <= 0) {
    say(
      "warning",
      "timeout",
      "there is no limit: a server that hangs holds lookups up for ever",
    );
  }
  const digest = await digestLength(parameters.key_digest);
  if (digest !== undefined && digest <= 40) {
    say(
      "warning",
      "key_digest",
      `with ${digest * 4} bits two keys can be made that share an entry: ` +
        "where strangers choose keys, use sha256",
    );
  }
  const format = parsedFormat(parameters.key_format);
  if (format !== undefined) {
    for (const { severity, message } of formatProblems(format, digest)) {
      say(severity, "key_format", message);
    }
  }
  const line = "VALUE ".length + (digest ?? longestKey) + 1 +
    `${flags}`.length + 1 + `${parameters.data_size_limit}`.length;
  if (parameters.line_size_limit < line) {
    say(
      "warning",
      "line_size_limit",
      `memcached begins a value with a line of up to ${line} bytes: ` +
        "lookups whose line is longer fail",
    );
  }
  return problems;
}

/** The length of a digest; `undefined` if there is none or it is unknown. */
async function digestLength(name: string): Promise<number | undefined> {
  if (name === "") return undefined;
  try {
    return (await (await loadDigest(name))(new Uint8Array(0))).length;
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** Parses a key_format; `undefined` if it is invalid. */
function parsedFormat(format: string): KeyFormat | undefined {
  try {
    return parseKeyFormat(configByteString(format));
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

// deno-lint-ignore no-control-regex -- control characters are what it is after
const spaceOrControl = /[\u0000-\u0020\u007f]/;

function* formatProblems(
  { parts }: KeyFormat,
  digest: number | undefined,
): Generator<{ severity: Problem["severity"]; message: string }> {
  let fixed = "";
  const letters: string[] = [];
  for (const part of parts) {
    if ("literal" in part) fixed += part.literal;
    else letters.push(part.expand);
  }
  if (parts.length === 0) {
    yield { severity: "error", message: "it is empty: no key is looked up" };
  } else if (letters.length === 0) {
    yield {
      severity: "error",
      message: "all keys share one entry: use %s where the key shall stand",
    };
  } else if (!letters.some((letter) => letter === "s" || letter === "u")) {
    yield {
      severity: "warning",
      message: "all users of a domain share one entry: " +
        "use %s or %u unless that is meant",
    };
  }
  if (digest !== undefined) return;
  if (spaceOrControl.test(fixed)) {
    yield {
      severity: "error",
      message: "memcache keys have no white space: no key is looked up",
    };
  } else if (fixed.length >= longestKey) {
    yield {
      severity: "error",
      message: `memcache keys have at most ${longestKey} bytes: ` +
        "shorten it, or set key_digest = sha256",
    };
  }
}

/** What decides whether the entries of two tables can be mixed up. */
export interface KeySpace {
  /** The name of the table. */
  readonly table: string;
  /** The server; the same for all spellings of localhost. */
  readonly server: string;
  /** The fixed start and end of its memcache keys, and their digest. */
  readonly keys: string;
  /** The backup; empty if there is none. */
  readonly backup: string;
}

/** The key space of a table; `undefined` if its key_format is invalid. */
export function keySpaceOf(
  table: string,
  server: string,
  { key_format, key_digest, backup }: MemcacheParameters,
): KeySpace | undefined {
  const format = parsedFormat(key_format);
  if (format === undefined) return undefined;
  const [first, last] = [format.parts[0], format.parts.at(-1)];
  const begin = first !== undefined && "literal" in first ? first.literal : "";
  const end = last !== undefined && "literal" in last ? last.literal : "";
  return {
    table,
    server: server.replace(
      /^inet:(?:127\.0\.0\.1|\[::1\]):/,
      "inet:localhost:",
    ),
    keys: JSON.stringify([begin, end, key_digest.toLowerCase()]),
    backup,
  };
}

/**
 * Whether an entry of one table can be found in the other: they use the same
 * server, their memcache keys begin and end with the same text, they do not have
 * the same backup, and neither is the backup of the other.
 */
export function canShareEntries(one: KeySpace, other: KeySpace): boolean {
  return one.server === other.server && one.keys === other.keys &&
    (one.backup === "" || one.backup !== other.backup) &&
    one.backup !== other.table && other.backup !== one.table &&
    !isSameTable(one.table, other.table);
}

/** Whether two names may be of the same table, as memcache:./a.cf and memcache:/etc/a.cf are. */
export function isSameTable(one: string, other: string): boolean {
  const [left, right] = [one, other].map((name) =>
    name.slice(name.indexOf(":") + 1)
  );
  if (left === right) return true;
  const tail = (path: string) => path.replace(/^(?:\.\.?\/)+/, "/");
  return (left.startsWith(".") && right.endsWith(tail(left))) ||
    (right.startsWith(".") && left.endsWith(tail(right)));
}
