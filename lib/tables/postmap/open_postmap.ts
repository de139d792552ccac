import { parseEntryLine } from "../../config/entry_line.ts";
import {
  ClosedError,
  ConfigError,
  NotUtf8Error,
  ReadOnlyError,
  TemporaryError,
} from "../../errors.ts";
import type { ByteStrings } from "../../bytes/byte_strings.ts";
import type { Text } from "../../bytes/text.ts";
import {
  type ProgramResult,
  ProgramUnavailable,
  runProgram,
  streamProgram,
} from "../../system/programs.ts";
import type { Entry } from "../../table.ts";
import { encodeBase64 } from "../../bytes/base64.ts";
import { eitherAborts } from "../../system/abort.ts";
import { duplicateHandler, type Opening } from "../opening.ts";
import type { BatchAnswer, Driver, WriteAnswer } from "../driver.ts";
import { DriverTable, refusalHandler, type Refuse } from "../driver_table.ts";
import { WriteOrder } from "../write_order.ts";
import { type RunAnswer, SharedLookups } from "./shared_lookups.ts";

// deno-lint-ignore no-control-regex -- it must match control characters
const controlCharacter = /[\x00-\x1f\x7f]/;
const printableAscii = /^[ -~]*$/;

// The exit status of a program that a signal has ended is higher.
const leastOfSignals = 128;

const LF = 10;
const TAB = 9;
const QUOTE = 34;
const BACKSLASH = 92;

/** The parts of a table of the installed Postfix. */
interface PostmapParts {
  readonly name: string;
  readonly text: Text;
  /** Whether postmap replaces file names in values by the files' contents. */
  readonly readsFiles: boolean;
  readonly fold: boolean;
  /** Whether the table is written. */
  readonly write: boolean;
  /** Whether its database may not exist yet: then it has no entries. */
  readonly mayBeMissing: boolean;
  /** Whether no value has a newline. Only then are bulk requests possible. */
  readonly oneLineValues: boolean;
  /** The longest key, in bytes. Postmap fails with a longer or an empty one. */
  readonly longestKey?: number;
  /** The command line options of each run. */
  readonly options: readonly string[];
  readonly duplicates: "warn" | "replace" | "ignore";
  readonly onDuplicate: (key: string) => void;
  readonly refuse: Refuse;
  readonly onWarning: (message: string) => void;
}

/**
 * The driver of tables that the installed `postmap` opens: `hash:`, `btree:`,
 * `regexp:` and all others that `postconf -m` lists. It passes keys and values on
 * standard input, not as arguments.
 */
class PostmapDriver implements Driver {
  readonly lookupBatch?: Driver["lookupBatch"];
  readonly deleteBatch?: Driver["deleteBatch"];
  #parts: PostmapParts;
  /** Whether there was no database when the table was opened. */
  #wasMissing = false;
  /** The database that did not exist when it was listed, and was not made since. */
  #absence: string | undefined;
  #shared: SharedLookups | undefined;
  #closing = new AbortController();
  #order = new WriteOrder();

  constructor(parts: PostmapParts) {
    this.#parts = parts;
    if (parts.oneLineValues) {
      this.#shared = new SharedLookups({
        lookupOne: (key, signal) => this.#lookupOne(key, signal),
        lookupMany: (keys, signal) => this.#lookupTogether(keys, signal),
      });
      this.lookupBatch = (keys, signal) =>
        this.#lookupBatch(keys, this.#untilClosed(signal));
      this.deleteBatch = (keys, signal) =>
        this.#inOrder(
          keys.map((key) => this.#folded(key)),
          () => this.#deleteBatch(keys, signal),
        );
    }
  }

  /**
   * Checks that postmap can open the table, by a lookup or delete of a key that no
   * table has.
   */
  async probe(): Promise<void> {
    const { write } = this.#parts;
    const key = this.#accepts("") ? "" : " ";
    try {
      await this.#run([write ? "-d" : "-q", "-"], `${key}\n`);
    } catch (error) {
      const file = this.#missingFile(error);
      if (file === undefined) throw error;
      this.#wasMissing = true;
      if (!write) this.#warnOfAbsence(file);
    }
  }

  /** The file that postmap has not made yet, if an error is about that. */
  #missingFile(error: unknown): string | undefined {
    if (!this.#parts.mayBeMissing) return undefined;
    const missing = /open database (.+): No such file or directory$/s;
    return missing.exec((error as Error).message)?.[1];
  }

  async lookup(
    key: string,
    signal?: AbortSignal,
  ): Promise<string | undefined> {
    if (key.includes("\0") || !this.#accepts(key)) return undefined;
    const until = this.#untilClosed(signal);
    return this.#shared === undefined
      ? await this.#lookupOne(key, until)
      : await this.#shared.lookup(key, until);
  }

  /** Ends the lookups and listings that are under way; a write is left to come to its end. */
  close(reason?: unknown): Promise<void> {
    if (this.#absence !== undefined) this.#warnOfAbsence(this.#absence);
    this.#closing.abort(reason ?? new ClosedError(this.#parts.name));
    return Promise.resolve();
  }

  #untilClosed(signal: AbortSignal | undefined): AbortSignal {
    return eitherAborts(signal, this.#closing.signal);
  }

  async #lookupOne(
    key: string,
    signal?: AbortSignal,
  ): Promise<string | undefined> {
    const { text } = this.#parts;
    // A key with a newline must be an argument. Even if it looks like an option,
    // postmap takes the argument after -q as a key.
    const lines = !key.includes("\n");
    const { code, stdout } = lines
      ? await this.#run(["-q", "-"], `${key}\n`, { signal })
      : await this.#run(["-q", key], "", { signal });
    if (code !== 0) return undefined;
    const start = lines ? text.encode(key).length + 1 : 0;
    const value = stdout.subarray(start, stdout.length - 1);
    return this.#parts.readsFiles
      ? encodeBase64(value)
      : this.#decode(key, value);
  }

  #decode(key: string, value: Uint8Array): string {
    const { name, text } = this.#parts;
    const decoded = text.decode(value);
    if (decoded === undefined) throw new NotUtf8Error(name, key, value);
    return decoded;
  }

  async #lookupTogether(
    keys: readonly string[],
    signal: AbortSignal,
  ): Promise<RunAnswer> {
    const { encodeStrings, stringAt } = await import(
      "../../bytes/byte_strings.ts"
    );
    const { values, failed } = await this.#lookupBatch(
      encodeStrings(keys, this.#parts.text),
      signal,
    );
    const decoded: (string | undefined)[] = [];
    try {
      for (const [at, key] of keys.slice(0, failed?.at).entries()) {
        const value = stringAt(values, at);
        decoded.push(value && this.#decode(key, value));
      }
    } catch (error) {
      return { values: decoded, failed: { at: decoded.length, error } };
    }
    return { values: decoded, failed };
  }

  async #lookupBatch(
    keys: ByteStrings,
    signal?: AbortSignal,
  ): Promise<BatchAnswer> {
    const { lookupMany } = await import("./lookups.ts");
    const { text } = this.#parts;
    return await lookupMany(keys, {
      accepts: (key) => this.#accepts(key.length),
      lookupOne: async (key, at, values) => {
        const value = await this.#lookupOne(text.decode(key)!, signal);
        if (value !== undefined) values.putText(at, value, text);
      },
      lookupLines: async (input) => {
        const warnings: string[] = [];
        const { stdout } = await this.#run(["-q", "-"], input, {
          signal,
          isExpected: (warning) => warnings.push(warning) > 0,
        });
        return { stdout, warnings };
      },
      onWarning: (warning) => this.#warn(warning),
    }, signal);
  }

  updateBatch(entries: readonly Entry[]): Promise<WriteAnswer> {
    const keys = entries.map(({ key }) => this.#folded(key));
    return this.#inOrder(keys, () => this.#updateBatch(entries));
  }

  /** Writes after all earlier writes of these keys. */
  async #inOrder<T>(
    keys: readonly string[],
    write: () => Promise<T>,
  ): Promise<T> {
    const place = this.#order.begin(keys);
    try {
      if (place.earlier !== undefined) await place.earlier;
      return await write();
    } finally {
      place.end();
    }
  }

  async #updateBatch(entries: readonly Entry[]): Promise<WriteAnswer> {
    const { onDuplicate, refuse } = this.#parts;
    const stored = entries.map(() => false);
    const together: number[] = [];
    const alone: number[] = [];
    for (const [at, { key, value }] of entries.entries()) {
      if (isEntryLine(key, value) && this.#accepts(key)) {
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

  /**
   * Stores the entries with these indexes in one run. Returns the indexes of those
   * that were not stored, since their key exists.
   */
  async #updateGroup(
    entries: readonly Entry[],
    group: readonly number[],
  ): Promise<number[]> {
    if (group.length === 0) return [];
    const { duplicates } = this.#parts;
    // Without -r, postmap warns of each existing key. Nothing else tells them.
    const option = duplicates === "replace" ? ["-r"] : [];
    const lines = group.map((at) =>
      `${entries[at].key} ${entries[at].value}\n`
    );
    const duplicateKeys: string[] = [];
    this.#absence = undefined;
    await this.#run([...option, "-i"], lines.join(""), {
      isExpected: (warning) => {
        const duplicate = quotedIn(warning, 'duplicate entry: "', '"');
        if (duplicate !== undefined) duplicateKeys.push(duplicate);
        return duplicate !== undefined;
      },
    });
    if (group.length === 1 && duplicateKeys.length > 0) return [...group];
    const counts = new Map<string, number>();
    for (const key of duplicateKeys) {
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    // Of several entries with one key, the last ones were not stored.
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

  /** Whether postmap's messages show a key unchanged. */
  #isShown(key: string): boolean {
    return this.#parts.text.utf8
      ? !controlCharacter.test(key)
      : printableAscii.test(key);
  }

  delete(key: string): Promise<boolean> {
    return this.#inOrder([this.#folded(key)], async () => {
      if (/[\0\n]/.test(key) || !this.#accepts(key)) return false;
      const { code } = await this.#run(["-d", "-"], `${key}\n`);
      return code === 0;
    });
  }

  /** Looks the keys up first: postmap only tells whether any of them existed. */
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
      this.#untilClosed(signal),
    );
    if (failed !== undefined) throw failed.error;
    const seen = new Set<string>();
    const deleted = keys.map((key, at) => {
      const exists = stringAt(values, at) !== undefined &&
        !seen.has(this.#folded(key)) && !/[\0\n]/.test(key);
      if (exists) seen.add(this.#folded(key));
      return exists;
    });
    const lines = keys.filter((_, at) => deleted[at]).map((key) => `${key}\n`);
    if (lines.length > 0) await this.#run(["-d", "-"], lines.join(""));
    return { done: deleted };
  }

  /** As `postmap -i` does with no entries. */
  async create(): Promise<void> {
    if (!this.#wasMissing) return;
    await this.#run(["-i"], "");
    this.#absence = undefined;
  }

  async *sequence(): AsyncGenerator<Entry> {
    const output = streamProgram(
      "postmap",
      this.#arguments(["-s"]),
      this.#closing.signal,
    );
    let rest = new Uint8Array(0);
    try {
      for (;;) {
        const { done, value } = await output.next();
        if (done) return this.#checkListing(value);
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

  /** Whether postmap accepts a key, or a key of so many bytes. */
  #accepts(key: string | number): boolean {
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
    { isExpected, signal }: {
      isExpected?: (warning: string) => boolean;
      signal?: AbortSignal;
    } = {},
  ): Promise<ProgramResult> {
    const { text } = this.#parts;
    const bytes = typeof input === "string" ? text.encode(input) : input;
    const ended = await runProgram(
      "postmap",
      this.#arguments(action),
      bytes,
      signal,
    );
    this.#check(ended, isExpected);
    return ended;
  }

  /** Passes warnings on, and throws an error for a fatal message. */
  #check(
    { code, stderr }: ProgramResult,
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
    if (code <= leastOfSignals) return;
    // It has not said that there is no such key: that would be status 1.
    throw new TemporaryError(`${name}: postmap was killed before it answered`);
  }

  /** As #check; a database that does not exist yet has no entries. */
  #checkListing(result: ProgramResult): void {
    try {
      this.#check(result);
    } catch (error) {
      const file = this.#missingFile(error);
      if (file === undefined) throw error;
      // Whoever lists a table to write it may be about to make it.
      if (this.#parts.write) this.#absence = file;
    }
  }

  #warnOfAbsence(file: string): void {
    this.#warn(`no such database yet: there is no file ${file}`);
  }

  #warn(message: string): void {
    this.#parts.onWarning(`${this.#parts.name}: ${message}`);
  }
}

/** The text between the first `before` and the last `after` in a message. */
function quotedIn(
  message: string,
  before: string,
  after: string,
): string | undefined {
  const start = message.indexOf(before) + before.length;
  const end = message.lastIndexOf(after);
  return start < before.length || end < start
    ? undefined
    : message.slice(start, end);
}

/** Whether postmap, given the entry as a line, reads this key and value. */
function isEntryLine(key: string, value: string): boolean {
  if (/[\0\n]/.test(key + value) || /^[# \t\r\v\f]/.test(key)) return false;
  try {
    const entry = parseEntryLine(`${key} ${value}`);
    return entry.key === key && entry.value === value;
  } catch {
    return false;
  }
}

/** The index of the tab after the key. A tab in quotes belongs to the key. */
function endOfKey(line: Uint8Array): number {
  let quoted = false;
  for (let at = 0; at < line.length; at++) {
    if (line[at] === BACKSLASH) at++;
    else if (line[at] === QUOTE) quoted = !quoted;
    else if (line[at] === TAB && !quoted) return at;
  }
  // Unbalanced quotes: postmap stores no such key, but other programs may.
  return line.indexOf(TAB);
}

/** The installed Postfix does not have this type. */
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
  const temporary = /query error|delete error|write error|sequence error/;
  return temporary.test(message)
    ? new TemporaryError(text)
    : new ConfigError(text);
}

/**
 * Opens a table of a type that the installed Postfix has. Throws
 * {@linkcode ConfigError} when it does not have the type, or cannot open the
 * table. `ownTypes` are this module's types, for the error message.
 */
export async function openInstalled(
  opening: Opening,
  type: string,
  ownTypes: readonly string[],
): Promise<DriverTable> {
  try {
    // Other names are never types, and postmap could take them for options.
    if (!/^[a-z][a-z0-9_-]*$/i.test(type)) throw new UnknownType(type);
    return await openPostmap(opening, type);
  } catch (error) {
    const unavailable = error instanceof ProgramUnavailable;
    if (!unavailable && !(error instanceof UnknownType)) throw error;
    const { nearestName } = await import("../../bytes/nearest_name.ts");
    const suggestion = postfixTypes.includes(type)
      ? undefined
      : nearestName(type, [...ownTypes, ...postfixTypes]);
    throw new ConfigError(
      `${opening.name}: unknown table type "${type}": ` +
        (suggestion === undefined
          ? "there are "
          : `did you mean ${suggestion}? There are `) +
        `${ownTypes.join(", ")}, and those of the installed Postfix ` +
        (unavailable
          ? `(${error.message})`
          : debianPackages.includes(type)
          ? `(on Debian, ${type} is in the package postfix-${type})`
          : "(postconf -m)"),
    );
  }
}

// Types that Debian has in packages of their own.
const debianPackages = [
  "cdb",
  "ldap",
  "lmdb",
  "mongodb",
  "mysql",
  "pcre",
  "pgsql",
  "sqlite",
];

// The types of Postfix, to suggest for a misspelt one.
const postfixTypes = [
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

// Types that postmap reads from a text file when it opens them, so that values can
// be file names. Other types store base64.
const sourceTypes = [
  "cidr",
  "pcre",
  "regexp",
  "pipemap",
  "randmap",
  "unionmap",
];

// Types whose values have no newline.
const oneLineTypes = [
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

// Limits in bytes that postmap does not check.
const longestKeys: Record<string, number> = { lmdb: 511 };

async function openPostmap(
  opening: Opening,
  type: string,
): Promise<DriverTable> {
  const { name, options, rules } = opening;
  const { configDirectory } = options;
  const readsFiles = options.fileValues === true && sourceTypes.includes(type);
  const driver = new PostmapDriver({
    name,
    text: rules.text,
    readsFiles,
    fold: rules.fold,
    write: rules.write,
    mayBeMissing: options.write ?? false,
    oneLineValues: oneLineTypes.includes(type) && !readsFiles,
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
  await driver.probe();
  // postmap itself folds keys, but not for types with patterns, such as regexp:.
  return new DriverTable(name, driver, { ...rules, fold: false });
}
