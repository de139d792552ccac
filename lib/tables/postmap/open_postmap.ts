import { parseEntryLine } from "../../config/entry_line.ts";
import {
  ConfigError,
  NotUtf8Error,
  ReadOnlyError,
  TemporaryError,
} from "../../errors.ts";
import type { ByteStrings } from "../../bytes/byte_strings.ts";
import type { Text } from "../../bytes/text.ts";
import {
  type Ended,
  ProgramUnavailable,
  runProgram,
  streamProgram,
} from "../../system/programs.ts";
import type { Entry } from "../../table.ts";
import { encodeBase64 } from "../../bytes/base64.ts";
import { duplicateHandler, type Opening } from "../opening.ts";
import type { BatchAnswer, Driver, WriteAnswer } from "../driver.ts";
import { DriverTable, refusalHandler, type Refuse } from "../driver_table.ts";

// deno-lint-ignore no-control-regex -- control characters are what it is after
const controlCharacter = /[\x00-\x1f\x7f]/;
const printableAscii = /^[ -~]*$/;

const LF = 10;
const TAB = 9;
const QUOTE = 34;
const BACKSLASH = 92;

/** What a table of the installed Postfix is made of. */
interface PostmapParts {
  readonly name: string;
  readonly text: Text;
  /** Whether postmap reads the files that values name, and gives their content. */
  readonly readsFiles: boolean;
  readonly fold: boolean;
  /** Whether no value has a line end: then several can be told apart. */
  readonly oneLineValues: boolean;
  /** A key with more bytes, and an empty one, is an error to postmap. */
  readonly longestKey?: number;
  /** Options of postmap that come before all others. */
  readonly options: readonly string[];
  readonly duplicates: "warn" | "replace" | "ignore";
  readonly onDuplicate: (key: string) => void;
  readonly refuse: Refuse;
  readonly onWarning: (message: string) => void;
}

/**
 * A table that the installed `postmap` opens: `hash:`, `btree:`, `regexp:` and
 * all that `postconf -m` lists. Each request runs it once; keys and values go
 * through its standard input, not its arguments.
 */
class PostmapDriver implements Driver {
  readonly lookupBatch?: Driver["lookupBatch"];
  readonly deleteBatch?: Driver["deleteBatch"];
  #parts: PostmapParts;

  constructor(parts: PostmapParts) {
    this.#parts = parts;
    if (parts.oneLineValues) {
      this.lookupBatch = (keys, signal) => this.#lookupBatch(keys, signal);
      this.deleteBatch = (keys, signal) => this.#deleteBatch(keys, signal);
    }
  }

  /**
   * Has postmap open the table, to read or to write it, and look up or delete
   * a key that no table has.
   */
  async probe(write: boolean): Promise<void> {
    const key = this.#mayAsk("") ? "" : " ";
    try {
      await this.#run([write ? "-d" : "-q", "-"], `${key}\n`);
    } catch (error) {
      // A database that is to be written may not exist yet.
      const missing = /No such file or directory$/;
      if (!write || !missing.test((error as Error).message)) throw error;
    }
  }

  async lookup(key: string): Promise<string | undefined> {
    const { name, text } = this.#parts;
    if (key.includes("\0") || !this.#mayAsk(key)) return undefined;
    // Only as an argument can a key have a line end; postmap takes what follows
    // -q for a key whatever it looks like.
    const lines = !key.includes("\n");
    const { code, stdout } = lines
      ? await this.#run(["-q", "-"], `${key}\n`)
      : await this.#run(["-q", key], "");
    if (code !== 0) return undefined;
    const start = lines ? text.encode(key).length + 1 : 0;
    const value = stdout.subarray(start, stdout.length - 1);
    if (this.#parts.readsFiles) return encodeBase64(value);
    const decoded = text.decode(value);
    if (decoded === undefined) throw new NotUtf8Error(name, key, value);
    return decoded;
  }

  async #lookupBatch(
    keys: ByteStrings,
    signal?: AbortSignal,
  ): Promise<BatchAnswer> {
    const { lookupTogether } = await import("./lookups.ts");
    const { text } = this.#parts;
    return await lookupTogether(keys, {
      mayAsk: (key) => this.#mayAsk(key.length),
      lookup: async (key, at, values) => {
        const value = await this.lookup(text.decode(key)!);
        if (value !== undefined) values.putText(at, value, text);
      },
      ask: async (input) => {
        const warnings: string[] = [];
        const { stdout } = await this.#run(["-q", "-"], input, (warning) => {
          warnings.push(warning);
          return true;
        });
        return { stdout, warnings };
      },
      onWarning: (warning) => this.#warn(warning),
    }, signal);
  }

  async updateBatch(entries: readonly Entry[]): Promise<WriteAnswer> {
    const { onDuplicate, refuse } = this.#parts;
    const stored = entries.map(() => false);
    const together: number[] = [];
    const alone: number[] = [];
    for (const [at, { key, value }] of entries.entries()) {
      if (isEntryLine(key, value) && this.#mayAsk(key)) {
        (this.#isShown(key) ? together : alone).push(at);
      } else {
        refuse(key, "postmap cannot be given such a key or value", "rules");
      }
    }
    const kept: number[] = [];
    for (const group of [together, ...alone.map((at) => [at])]) {
      const keptOfGroup = await this.#updateGroup(entries, group);
      for (const at of group) stored[at] = !keptOfGroup.includes(at);
      kept.push(...keptOfGroup);
    }
    for (const at of kept.toSorted((left, right) => left - right)) {
      onDuplicate(this.#folded(entries[at].key));
    }
    return { done: stored };
  }

  /** Stores the entries of those numbers; returns the numbers of those it kept. */
  async #updateGroup(
    entries: readonly Entry[],
    group: readonly number[],
  ): Promise<number[]> {
    if (group.length === 0) return [];
    const { duplicates } = this.#parts;
    // Also where nobody is to be warned: nothing else tells what was kept.
    const option = duplicates === "replace" ? ["-r"] : [];
    const lines = group.map((at) =>
      `${entries[at].key} ${entries[at].value}\n`
    );
    const complaints: string[] = [];
    await this.#run([...option, "-i"], lines.join(""), (warning) => {
      const duplicate = quotedIn(warning, 'duplicate entry: "', '"');
      if (duplicate !== undefined) complaints.push(duplicate);
      return duplicate !== undefined;
    });
    if (group.length === 1 && complaints.length > 0) return [...group];
    const counts = new Map<string, number>();
    for (const key of complaints) counts.set(key, (counts.get(key) ?? 0) + 1);
    // Of one key that came several times the last ones were kept out.
    return group.toReversed().filter((at) => {
      const key = this.#folded(entries[at].key);
      const count = counts.get(key) ?? 0;
      counts.set(key, count - 1);
      return count > 0;
    });
  }

  #folded(key: string): string {
    const { text, fold } = this.#parts;
    return fold ? text.fold(key) : key;
  }

  /** Whether postmap's messages show a key as it is. */
  #isShown(key: string): boolean {
    return this.#parts.text.utf8
      ? !controlCharacter.test(key)
      : printableAscii.test(key);
  }

  async delete(key: string): Promise<boolean> {
    if (/[\0\n]/.test(key) || !this.#mayAsk(key)) return false;
    const { code } = await this.#run(["-d", "-"], `${key}\n`);
    return code === 0;
  }

  /** Postmap only tells whether any of the keys was there: they are asked for first. */
  async #deleteBatch(
    keys: readonly string[],
    signal?: AbortSignal,
  ): Promise<WriteAnswer> {
    const { encodeStrings, stringAt } = await import(
      "../../bytes/byte_strings.ts"
    );
    const { text } = this.#parts;
    const { values, failed } = await this.#lookupBatch(
      encodeStrings(keys, text),
      signal,
    );
    if (failed !== undefined) throw failed.error;
    const gone = new Set<string>();
    const deleted = keys.map((key, at) => {
      const there = stringAt(values, at) !== undefined &&
        !gone.has(this.#folded(key)) && !/[\0\n]/.test(key);
      if (there) gone.add(this.#folded(key));
      return there;
    });
    const lines = keys.filter((_, at) => deleted[at]).map((key) => `${key}\n`);
    if (lines.length > 0) await this.#run(["-d", "-"], lines.join(""));
    return { done: deleted };
  }

  async *sequence(): AsyncGenerator<Entry> {
    const output = streamProgram("postmap", this.#arguments(["-s"]));
    let rest = new Uint8Array(0);
    try {
      for (;;) {
        const { done, value } = await output.next();
        if (done) {
          this.#check(value);
          return;
        }
        const bytes = new Uint8Array(rest.length + value.length);
        bytes.set(rest);
        bytes.set(value, rest.length);
        let start = 0;
        for (let lf; (lf = bytes.indexOf(LF, start)) >= 0; start = lf + 1) {
          yield this.#entry(bytes.subarray(start, lf));
        }
        rest = bytes.slice(start);
      }
    } finally {
      await output.return({ code: 0, stdout: rest, stderr: "" });
    }
  }

  /** Whether a key, or one of so many bytes, is none that is an error to postmap. */
  #mayAsk(key: string | number): boolean {
    const { longestKey, text } = this.#parts;
    if (longestKey === undefined) return true;
    const length = typeof key === "number" ? key : text.encode(key).length;
    return length > 0 && length <= longestKey;
  }

  #entry(line: Uint8Array): Entry {
    const { name, text } = this.#parts;
    const tab = endOfKey(line);
    const key = text.decode(line.subarray(0, tab));
    const value = text.decode(line.subarray(tab + 1));
    if (key === undefined || value === undefined) {
      const shown = new TextDecoder().decode(line.subarray(0, tab));
      throw new NotUtf8Error(name, shown, line);
    }
    return { key, value };
  }

  #arguments(action: readonly string[]): string[] {
    const { name, options } = this.#parts;
    return [...options, ...action, "--", name];
  }

  async #run(
    action: readonly string[],
    input: string | Uint8Array,
    isExpected: (warning: string) => boolean = () => false,
  ): Promise<Ended> {
    const { text } = this.#parts;
    const bytes = typeof input === "string" ? text.encode(input) : input;
    const ended = await runProgram("postmap", this.#arguments(action), bytes);
    this.#check(ended, isExpected);
    return ended;
  }

  /** Passes warnings on, and throws what was fatal. */
  #check(
    { stderr }: Ended,
    isExpected: (warning: string) => boolean = () => false,
  ): void {
    const { name } = this.#parts;
    let notUtf8: string | undefined;
    for (const line of stderr.split("\n")) {
      const said = /^postmap: (?:(fatal|warning): )?(.*)$/.exec(line);
      if (said === null) continue;
      const [, severity, message] = said;
      const key = quotedIn(message, 'key "', '": non-UTF-8 value');
      notUtf8 ??= key;
      if (severity === "fatal" && notUtf8 !== undefined) {
        throw new NotUtf8Error(name, notUtf8, new Uint8Array(0));
      }
      if (severity === "fatal") throw failure(name, message);
      if (key !== undefined) continue;
      if (!isExpected(message)) this.#warn(message);
    }
  }

  #warn(message: string): void {
    this.#parts.onWarning(`${this.#parts.name}: ${message}`);
  }
}

/** What stands between the first `before` and the last `behind` of a message. */
function quotedIn(
  message: string,
  before: string,
  behind: string,
): string | undefined {
  const start = message.indexOf(before) + before.length;
  const end = message.lastIndexOf(behind);
  return start < before.length || end < start
    ? undefined
    : message.slice(start, end);
}

/** Whether postmap reads an entry back from a line as it is. */
function isEntryLine(key: string, value: string): boolean {
  if (/[\0\n]/.test(key + value) || /^[# \t\r\v\f]/.test(key)) return false;
  try {
    const entry = parseEntryLine(`${key} ${value}`);
    return entry.key === key && entry.value === value;
  } catch {
    return false;
  }
}

/** Where the tab between key and value is: one in quotes belongs to the key. */
function endOfKey(line: Uint8Array): number {
  let quoted = false;
  for (let at = 0; at < line.length; at++) {
    if (line[at] === BACKSLASH) at++;
    else if (line[at] === QUOTE) quoted = !quoted;
    else if (line[at] === TAB && !quoted) return at;
  }
  // Not what postmap would store, but others may have.
  return line.indexOf(TAB);
}

/** A type that the installed Postfix does not have either. */
class UnknownType extends ConfigError {}

function failure(name: string, message: string): Error {
  if (/unsupported dictionary type: \S+$/.test(message)) {
    return new UnknownType(message);
  }
  const text = `${name}: postmap: ${message}`;
  if (/O_RDONLY|bulk-mode creation|is not supported/.test(message)) {
    return /sequence/.test(message)
      ? new ConfigError(`${name} cannot be listed: ${message}`)
      : new ReadOnlyError(`${name} is read-only: ${message}`);
  }
  const passes = /query error|delete error|write error|sequence error/;
  return passes.test(message)
    ? new TemporaryError(text)
    : new ConfigError(text);
}

/**
 * Opens a table of a type that is none of `ours`, if the installed Postfix has
 * it. Throws {@linkcode ConfigError} when it has not, or postmap cannot open the
 * table.
 */
export async function openInstalled(
  opening: Opening,
  type: string,
  ours: readonly string[],
): Promise<DriverTable> {
  try {
    // Nothing else is a type to Postfix, and this is never read as an option.
    if (!/^[a-z][a-z0-9_-]*$/i.test(type)) throw new UnknownType(type);
    return await openPostmap(opening, type);
  } catch (error) {
    const unavailable = error instanceof ProgramUnavailable;
    if (!unavailable && !(error instanceof UnknownType)) throw error;
    const { nearestName } = await import("../../bytes/nearest_name.ts");
    const meant = ofPostfix.includes(type)
      ? undefined
      : nearestName(type, [...ours, ...ofPostfix]);
    throw new ConfigError(
      `${opening.name}: unknown table type "${type}": ` +
        (meant === undefined
          ? "there are "
          : `did you mean ${meant}? There are `) +
        `${ours.join(", ")}, and those of the installed Postfix` +
        (unavailable ? ` (${error.message})` : ""),
    );
  }
}

// The types that some Postfix has: one of them may have been meant.
const ofPostfix = [
  "btree",
  "cdb",
  "cidr",
  "dbm",
  "environ",
  "hash",
  "ldap",
  "lmdb",
  "mongodb",
  "mysql",
  "netinfo",
  "nis",
  "nisplus",
  "pcre",
  "pgsql",
  "pipemap",
  "randmap",
  "regexp",
  "sdbm",
  "socketmap",
  "sqlite",
  "tcp",
  "unionmap",
  "unix",
];

// The types whose values are in a source that postmap reads when it opens them,
// where a value can name files; the others have base64 stored.
const ofSource = ["cidr", "pcre", "regexp", "pipemap", "randmap", "unionmap"];

// The types whose values have no line end.
const oneLine = [
  "hash",
  "btree",
  "lmdb",
  "cdb",
  "sdbm",
  "dbm",
  "regexp",
  "pcre",
  "cidr",
  "texthash",
  "environ",
];

// Where the database has a limit that postmap does not look after.
const longestKeys: Record<string, number> = { lmdb: 511 };

async function openPostmap(
  opening: Opening,
  type: string,
): Promise<DriverTable> {
  const { name, options, rules } = opening;
  const { configDirectory } = options;
  const readsFiles = options.fileValues === true && ofSource.includes(type);
  const driver = new PostmapDriver({
    name,
    text: rules.text,
    readsFiles,
    fold: rules.fold,
    oneLineValues: oneLine.includes(type) && !readsFiles,
    longestKey: longestKeys[type],
    options: [
      ...(configDirectory === undefined ? [] : ["-c", configDirectory]),
      ...(rules.fold ? [] : ["-f"]),
      ...(rules.text.utf8 ? [] : ["-u"]),
      ...(readsFiles ? ["-F"] : []),
    ],
    duplicates: options.duplicates ?? "replace",
    onDuplicate: duplicateHandler(opening),
    refuse: refusalHandler(name, rules),
    onWarning: rules.onWarning,
  });
  await driver.probe(rules.write);
  // postmap folds the keys of the types that have fixed strings for keys, and
  // leaves those of the others, such as regexp:, alone.
  return new DriverTable(name, driver, { ...rules, fold: false });
}
