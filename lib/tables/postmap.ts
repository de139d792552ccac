import { parseEntryLine } from "../config/entry_line.ts";
import {
  ConfigError,
  NotUtf8Error,
  ReadOnlyError,
  TemporaryError,
} from "../errors.ts";
import type { Text } from "../key/text.ts";
import {
  type Ended,
  ProgramUnavailable,
  runProgram,
  streamProgram,
} from "../programs.ts";
import type { Entry, Table } from "../table.ts";
import { encodeBase64 } from "./base64.ts";
import { duplicateWarning, type Opening } from "./opening.ts";
import type { Store } from "./store.ts";
import { StoreTable } from "./store_table.ts";

const LF = 10;
const TAB = 9;

/** What a table of the installed Postfix is made of. */
interface PostmapParts {
  readonly name: string;
  readonly text: Text;
  /** Whether postmap reads the files that values name, and gives their content. */
  readonly readsFiles: boolean;
  /** Options of postmap that come before all others. */
  readonly options: readonly string[];
  readonly duplicates: "warn" | "replace" | "ignore";
  readonly onDuplicate: (key: string) => void;
  readonly onWarning: (message: string) => void;
}

/**
 * A table that the installed `postmap` opens: `hash:`, `btree:`, `regexp:` and
 * all that `postconf -m` lists. Each request runs it once; keys and values go
 * through its standard input, not its arguments.
 */
class PostmapStore implements Store {
  #parts: PostmapParts;

  constructor(parts: PostmapParts) {
    this.#parts = parts;
  }

  /**
   * Has postmap open the table, to read or to write it, and look up or delete
   * the empty key, which no table has.
   */
  async probe(write: boolean): Promise<void> {
    try {
      await this.#run([write ? "-d" : "-q", "-"], "\n");
    } catch (error) {
      // A database that is to be written may not exist yet.
      const missing = /No such file or directory$/;
      if (!write || !missing.test((error as Error).message)) throw error;
    }
  }

  async lookup(key: string): Promise<string | undefined> {
    const { name, text } = this.#parts;
    if (key.includes("\0")) return undefined;
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

  async update(key: string, value: string): Promise<boolean> {
    return (await this.updateBatch([{ key, value }]))[0];
  }

  async updateBatch(entries: readonly Entry[]): Promise<boolean[]> {
    const { name, duplicates, onDuplicate, onWarning } = this.#parts;
    const option = { warn: [], replace: ["-r"], ignore: ["-w"] }[duplicates];
    const stored = entries.map(({ key, value }) => isEntryLine(key, value));
    const lines: string[] = [];
    for (const [at, { key, value }] of entries.entries()) {
      if (stored[at]) lines.push(`${key} ${value}\n`);
      else {
        onWarning(
          `${name}: not storing key "${key}": postmap cannot be given such a key or value`,
        );
      }
    }
    if (lines.length === 0) return stored;
    const kept = new Set<string>();
    await this.#run([...option, "-i"], lines.join(""), (warning) => {
      const duplicate = /duplicate entry: "([^]*)"$/.exec(warning)?.[1];
      if (duplicate !== undefined) kept.add(duplicate);
      return duplicate !== undefined;
    });
    for (const [at, { key }] of entries.entries()) {
      if (!kept.has(key) && !kept.has(this.#parts.text.fold(key))) continue;
      stored[at] = false;
      onDuplicate(key);
    }
    return stored;
  }

  async delete(key: string): Promise<boolean> {
    if (/[\0\n]/.test(key)) return false;
    const { code } = await this.#run(["-d", "-"], `${key}\n`);
    return code === 0;
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

  #entry(line: Uint8Array): Entry {
    const { name, text } = this.#parts;
    const tab = line.indexOf(TAB);
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
    input: string,
    isExpected: (warning: string) => boolean = () => false,
  ): Promise<Ended> {
    const bytes = this.#parts.text.encode(input);
    const ended = await runProgram("postmap", this.#arguments(action), bytes);
    this.#check(ended, isExpected);
    return ended;
  }

  /** Passes warnings on, and throws what was fatal. */
  #check(
    { stderr }: Ended,
    isExpected: (warning: string) => boolean = () => false,
  ): void {
    const { name, onWarning } = this.#parts;
    for (const line of stderr.split("\n")) {
      const said = /^postmap: (?:(fatal|warning): )?(.*)$/.exec(line);
      if (said === null) continue;
      const [, severity, message] = said;
      if (severity === "fatal") throw failure(name, message);
      if (!isExpected(message)) onWarning(`${name}: ${message}`);
    }
  }
}

/** Whether postmap reads an entry back from a line as it is. */
function isEntryLine(key: string, value: string): boolean {
  if (/[\0\n]/.test(key + value) || /^[#\s]/.test(key)) return false;
  try {
    const entry = parseEntryLine(`${key} ${value}`);
    return entry.key === key && entry.value === value;
  } catch {
    return false;
  }
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
): Promise<Table> {
  try {
    // Nothing else is a type to Postfix, and this is never read as an option.
    if (!/^[a-z][a-z0-9_-]*$/i.test(type)) throw new UnknownType(type);
    return await openPostmap(opening);
  } catch (error) {
    const unavailable = error instanceof ProgramUnavailable;
    if (!unavailable && !(error instanceof UnknownType)) throw error;
    throw new ConfigError(
      `${opening.name}: unknown table type "${type}": there are ` +
        `${ours.join(", ")}, and those of the installed Postfix` +
        (unavailable ? ` (${error.message})` : ""),
    );
  }
}

// The types whose values are in a source that postmap reads when it opens them,
// where a value can name files; the others have base64 stored.
const ofSource = ["cidr", "pcre", "regexp", "pipemap", "randmap", "unionmap"];

async function openPostmap(opening: Opening): Promise<Table> {
  const { name, options, rules } = opening;
  const { configDirectory } = options;
  const type = name.slice(0, name.indexOf(":"));
  const readsFiles = options.fileValues === true && ofSource.includes(type);
  const store = new PostmapStore({
    name,
    text: rules.text,
    readsFiles,
    options: [
      ...(configDirectory === undefined ? [] : ["-c", configDirectory]),
      ...(rules.fold ? [] : ["-f"]),
      ...(rules.text.utf8 ? [] : ["-u"]),
      ...(readsFiles ? ["-F"] : []),
    ],
    duplicates: options.duplicates ?? "replace",
    onDuplicate: duplicateWarning(opening),
    onWarning: rules.onWarning,
  });
  await store.probe(rules.write);
  // postmap folds the keys of the types that have fixed strings for keys, and
  // leaves those of the others, such as regexp:, alone.
  return new StoreTable(name, store, { ...rules, fold: false });
}
