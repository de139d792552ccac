import { requireSignal, requireText } from "../arguments.ts";
import { ClosedError, ConfigError, ReadOnlyError } from "../errors.ts";
import type { Text } from "../bytes/text.ts";
import type { ByteStrings } from "../bytes/byte_strings.ts";
import { untilAborted } from "../system/abort.ts";
import type {
  DeleteResult,
  Entry,
  LookupResult,
  RequestOptions,
  Table,
  UpdateResult,
} from "../table.ts";
import { LazyIterator } from "./lazy_iterator.ts";
import type { BatchAnswer, Driver, WriteAnswer, WritePace } from "./driver.ts";

/**
 * Called with each refused update and the reason. A rule of the table refuses the
 * same key again; a server may accept it later.
 */
export type Refuse = (
  key: string,
  reason: string,
  by: "rules" | "server",
) => void;

/** The rules that a table applies to keys, values and requests. */
export interface TableRules {
  /** How strings represent bytes. */
  readonly text: Text;
  /** Fold keys. */
  readonly fold: boolean;
  /** Allow update and delete. */
  readonly write: boolean;
  /** Called with each warning, for example of a skipped key. */
  readonly onWarning: (message: string) => void;
  /** Called with each refused update; by default that is a warning. */
  readonly onRefusal?: Refuse;
  /** Closes the table when aborted. */
  readonly signal?: AbortSignal;
}

/** A table that can look up lines of input, and store lists of entries. */
export interface LineTable extends Table {
  /**
   * Looks up raw lines: bytes, not folded, perhaps not valid text. A line that is
   * not valid text has no value, and `onNotText` is called with it.
   */
  lookupLines(
    lines: ByteStrings,
    onNotText: (line: Uint8Array) => void,
    options?: RequestOptions,
  ): Promise<BatchAnswer>;
  /**
   * Stores lists of entries, as `updateMany` does. The results are lists too, of
   * other lengths.
   */
  updateLists(
    lists: AsyncIterable<readonly Entry[]>,
    options?: RequestOptions,
  ): AsyncIterableIterator<readonly UpdateResult[]>;
  /** Makes a database without entries, where there must be one and is none. */
  create?(): Promise<void>;
  /** Whether a program that ends now need not close it. */
  endsWithProgram?(): boolean;
}

/**
 * A table that another one writes, such as a backup. What a program hands in may lack
 * these abilities.
 */
export interface InnerTable extends Table {
  /** How it takes batches of writes; by default large ones, one after the other. */
  readonly writePace?: WritePace;
  /**
   * Why a rule refuses an update of an entry; `undefined` if none does. The database
   * or the server may refuse it all the same.
   */
  whyNotStored?(
    key: string,
    value: string,
  ): string | undefined | Promise<string | undefined>;
}

/** A table over a driver. It does what all table types have in common. */
export class DriverTable implements LineTable, InnerTable {
  /** As in Table. */
  readonly name: string;
  /** As in Table. */
  readonly writable: boolean;
  /** The rules of this table. */
  readonly rules: TableRules;
  #driver: Driver;
  #cursor: AsyncIterator<Entry> | undefined;
  #closed: Promise<void> | undefined;
  /** Only for requests that wait for their caller: it takes time to make. */
  #closing: AbortController | undefined;
  #onAbort = () => void this.#close(this.rules.signal?.reason);

  /** Throws ReadOnlyError if the rules say `write` and the driver cannot. */
  constructor(name: string, driver: Driver, rules: TableRules) {
    this.name = name;
    this.#driver = driver;
    this.rules = rules;
    this.writable = rules.write;
    const { update, updateBatch } = driver;
    if (rules.write && update === undefined && updateBatch === undefined) {
      throw new ReadOnlyError(
        `${name} is read-only: its type cannot be written`,
      );
    }
    rules.signal?.addEventListener("abort", this.#onAbort);
  }

  /** As in InnerTable. */
  get writePace(): WritePace | undefined {
    return this.#driver.writePace;
  }

  /**
   * Opens now what the first request would open. Throws {@linkcode ConfigError}
   * when that fails.
   */
  async open(): Promise<this> {
    this.#mustBeOpen();
    await this.#driver.open?.();
    return this;
  }

  /** As in Table. */
  lookup(
    key: string,
    options?: RequestOptions,
  ): Promise<string | undefined> {
    try {
      const admitted = this.#admit(key);
      const signal = this.#signalOf(options);
      signal?.throwIfAborted();
      return admitted === undefined
        ? Promise.resolve(undefined)
        : untilAborted(this.#driver.lookup(admitted, signal), signal);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** As in Table. */
  async update(
    key: string,
    value: string,
    options?: RequestOptions,
  ): Promise<boolean> {
    const entry = this.#admitEntry(key, value);
    const signal = this.#signalOf(options);
    signal?.throwIfAborted();
    if (entry === undefined) return false;
    const driver = this.#driver;
    return driver.updateBatch === undefined
      ? await driver.update!(entry.key, entry.value, signal)
      : onlyResult(await driver.updateBatch([entry], signal));
  }

  /** As in InnerTable. */
  whyNotStored(
    key: string,
    value: string,
  ): string | undefined | Promise<string | undefined> {
    const { text } = this.rules;
    if (!text.valid(key)) return `its key is not ${encoding(text)}`;
    if (!text.valid(value)) return `its value is not ${encoding(text)}`;
    if (value.includes("\0")) return "its value has a null byte";
    return this.#driver.whyNotStored?.(key, value);
  }

  /** As in Table. */
  async delete(key: string, options?: RequestOptions): Promise<boolean> {
    this.#mustWrite("delete");
    const admitted = this.#admit(key);
    const signal = this.#signalOf(options);
    signal?.throwIfAborted();
    if (admitted === undefined) return false;
    const driver = this.#driver;
    return driver.deleteBatch === undefined
      ? await driver.delete!(admitted, signal)
      : onlyResult(await driver.deleteBatch([admitted], signal));
  }

  /** As in Table. */
  lookupMany(
    keys: Iterable<string> | AsyncIterable<string>,
    options?: RequestOptions,
  ): AsyncIterableIterator<LookupResult> {
    return new LazyIterator(async () => {
      const { lookupMany } = await import("./bulk.ts");
      return lookupMany(this.#bulk, keys, this.#signalOf(options));
    });
  }

  /** As in Table. */
  updateMany(
    entries: Iterable<Entry> | AsyncIterable<Entry>,
    options?: RequestOptions,
  ): AsyncIterableIterator<UpdateResult> {
    return this.#writeMany(
      "updateMany",
      ({ updateMany }) =>
        updateMany(this.#bulk, entries, this.#signalOf(options)),
    );
  }

  /** As in LineTable. */
  updateLists(
    lists: AsyncIterable<readonly Entry[]>,
    options?: RequestOptions,
  ): AsyncIterableIterator<readonly UpdateResult[]> {
    return this.#writeMany(
      "updateMany",
      ({ updateLists }) => updateLists(this.#bulk, lists, options?.signal),
    );
  }

  /** As in Table. */
  deleteMany(
    keys: Iterable<string> | AsyncIterable<string>,
    options?: RequestOptions,
  ): AsyncIterableIterator<DeleteResult> {
    return this.#writeMany(
      "deleteMany",
      ({ deleteMany }) => deleteMany(this.#bulk, keys, this.#signalOf(options)),
    );
  }

  #writeMany<Result>(
    what: "updateMany" | "deleteMany",
    start: (bulk: typeof import("./bulk.ts")) => AsyncIterableIterator<Result>,
  ): AsyncIterableIterator<Result> {
    return new LazyIterator(async () => {
      this.#mustWrite(what);
      await this.open();
      return start(await import("./bulk.ts"));
    });
  }

  /** As in LineTable. */
  async lookupLines(
    lines: ByteStrings,
    onNotText: (line: Uint8Array) => void,
    options?: RequestOptions,
  ): Promise<BatchAnswer> {
    const { lookupLines } = await import("./bulk.ts");
    return await lookupLines(this.#bulk, lines, onNotText, options?.signal);
  }

  get #bulk() {
    this.#closing ??= new AbortController();
    return {
      closing: this.#closing.signal,
      name: this.name,
      driver: this.#driver,
      rules: this.rules,
      mustBeOpen: () => this.#mustBeOpen(),
      admit: (key: string) => this.#admit(key),
      admitEntry: (key: string, value: string) => this.#admitEntry(key, value),
    };
  }

  /** As in Table. */
  async first(): Promise<Entry | undefined> {
    await this.#cursor?.return?.();
    this.#cursor = this[Symbol.asyncIterator]();
    return await this.next();
  }

  /** As in Table. */
  async next(): Promise<Entry | undefined> {
    this.#mustBeOpen();
    this.#cursor ??= this[Symbol.asyncIterator]();
    const { done, value } = await this.#cursor.next();
    return done ? undefined : value;
  }

  /** As in Table. */
  [Symbol.asyncIterator](): AsyncIterator<Entry> {
    this.#mustBeOpen();
    if (this.#driver.sequence === undefined) {
      throw new ConfigError(
        `${this.name} cannot be listed: its type cannot do that`,
      );
    }
    const entries = this.#driver.sequence()[Symbol.asyncIterator]();
    return {
      next: () =>
        this.#closed === undefined ? entries.next() : this.#endListing(entries),
      return: async () => {
        await entries.return?.();
        return { done: true, value: undefined };
      },
    };
  }

  async #endListing(entries: AsyncIterator<Entry>): Promise<never> {
    await entries.return?.();
    throw this.#reasonOfClosing();
  }

  /** As in LineTable. */
  async create(): Promise<void> {
    this.#mustWrite("create");
    await this.#driver.create?.();
  }

  /** As in LineTable. */
  endsWithProgram(): boolean {
    return this.#driver.endsWithProgram?.() ?? false;
  }

  /** As in Table. */
  close(): Promise<void> {
    return this.#close();
  }

  /** As in Table. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#close();
  }

  #close(reason?: unknown): Promise<void> {
    return this.#closed ??= (async () => {
      this.rules.signal?.removeEventListener("abort", this.#onAbort);
      this.#closing?.abort(this.#reasonOfClosing());
      // An unfinished sequence may hold something open. One that waits for an entry
      // ends only with the driver.
      await Promise.all([
        this.#cursor?.return?.(),
        this.#driver.close?.(reason),
      ]);
    })();
  }

  #signalOf(options: RequestOptions | undefined): AbortSignal | undefined {
    const signal = options?.signal;
    if (signal !== undefined) requireSignal(`${this.name}: signal`, signal);
    return signal;
  }

  #mustBeOpen(): void {
    if (this.#closed === undefined) return;
    throw this.#reasonOfClosing();
  }

  #reasonOfClosing(): unknown {
    const { signal } = this.rules;
    return signal?.aborted ? signal.reason : new ClosedError(this.name);
  }

  #mustWrite(operation: string): void {
    if (this.rules.write) return;
    throw new ReadOnlyError(
      `${this.name} is read-only: open it with "write" for ${operation}`,
    );
  }

  /** Checks and folds an entry; `undefined`, after a warning, if it is invalid. */
  #admitEntry(key: string, value: string): Entry | undefined {
    const { text } = this.rules;
    requireText(this.name, "value", value);
    if (value.includes("\0")) {
      throw new TypeError(`${this.name}: a value cannot have a null byte`);
    }
    this.#mustWrite("update");
    const admitted = this.#admit(key);
    if (admitted === undefined) return undefined;
    if (text.valid(value)) return { key: admitted, value };
    refusalHandler(this.name, this.rules)(
      key,
      `its value is not ${encoding(text)}`,
      "rules",
    );
    return undefined;
  }

  /** Checks and folds a key; `undefined`, after a warning, if it is invalid. */
  #admit(key: string): string | undefined {
    requireText(this.name, "key", key);
    this.#mustBeOpen();
    const { text, fold, onWarning } = this.rules;
    if (!text.valid(key)) {
      onWarning(
        `${this.name}: skipping a key that is not ${encoding(text)}: "${key}"`,
      );
      return undefined;
    }
    return fold ? text.fold(key) : key;
  }
}

/** The handler of refused updates: `onRefusal`, or a warning. */
export function refusalHandler(
  name: string,
  { onRefusal, onWarning }: TableRules,
): Refuse {
  return onRefusal ??
    ((key, reason) =>
      onWarning(`${name}: not storing key "${key}": ${reason}`));
}

/** The result of a batch of one write. Throws its error. */
function onlyResult({ done, failed }: WriteAnswer): boolean {
  if (failed !== undefined) throw failed.error;
  return done[0];
}

function encoding(text: Text): string {
  return text.utf8 ? "UTF-8" : "a byte string, for UTF-8 is off";
}
