import { ClosedError, ConfigError, ReadOnlyError } from "../errors.ts";
import type { Text } from "../bytes/text.ts";
import type { ByteStrings } from "../bytes/byte_strings.ts";
import type {
  DeleteResult,
  Entry,
  LookupResult,
  RequestOptions,
  Table,
  UpdateResult,
} from "../table.ts";
import { LazyIterator } from "./lazy_iterator.ts";
import type { BatchAnswer, Driver, WriteAnswer } from "./driver.ts";

/**
 * Told of an update that is refused, and why: by a rule of the table, as for the
 * next update of that key, or by the server that was to store it.
 */
export type Refuse = (
  key: string,
  reason: string,
  by: "rules" | "server",
) => void;

/** How a table treats what it is given. */
export interface TableRules {
  /** How strings stand for bytes. */
  readonly text: Text;
  /** Fold keys. */
  readonly fold: boolean;
  /** Allow update and delete. */
  readonly write: boolean;
  /** Told of what is passed over. */
  readonly onWarning: (message: string) => void;
  /** Told of updates that are refused; by default that is a warning. */
  readonly onRefusal?: Refuse;
  /** Closes the table when aborted. */
  readonly signal?: AbortSignal;
}

/** A table that can be asked for lines of input. */
export interface LineTable extends Table {
  /**
   * Looks up lines as they were typed: bytes, not folded, and not known to be
   * text. One that is none has no value, and `onNotText` is told.
   */
  lookupLines(
    lines: ByteStrings,
    onNotText: (line: Uint8Array) => void,
    options?: RequestOptions,
  ): Promise<BatchAnswer>;
}

/** A table over a driver: what all types have in common. */
export class DriverTable implements LineTable {
  /** As in Table. */
  readonly name: string;
  /** As in Table. */
  readonly writable: boolean;
  /** How it treats what it is given. */
  readonly rules: TableRules;
  #driver: Driver;
  #cursor: AsyncIterator<Entry> | undefined;
  #closed: Promise<void> | undefined;
  #onAbort = () => void this.#close(this.rules.signal?.reason);

  /** Throws ReadOnlyError when it shall be written and cannot. */
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

  /**
   * Opens what requests need, where the first one has not done it yet. Throws
   * what opening throws.
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
      options?.signal?.throwIfAborted();
      return admitted === undefined
        ? Promise.resolve(undefined)
        : this.#driver.lookup(admitted, options?.signal);
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
    options?.signal?.throwIfAborted();
    if (entry === undefined) return false;
    const driver = this.#driver;
    const signal = options?.signal;
    return driver.updateBatch === undefined
      ? await driver.update!(entry.key, entry.value, signal)
      : only(await driver.updateBatch([entry], signal));
  }

  /**
   * Why an update of an entry would be refused, as far as rules decide: what the
   * database or the server says to it shows when it is made.
   */
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
    options?.signal?.throwIfAborted();
    if (admitted === undefined) return false;
    const driver = this.#driver;
    const signal = options?.signal;
    return driver.deleteBatch === undefined
      ? await driver.delete!(admitted, signal)
      : only(await driver.deleteBatch([admitted], signal));
  }

  /** As in Table. */
  lookupMany(
    keys: Iterable<string> | AsyncIterable<string>,
    options?: RequestOptions,
  ): AsyncIterableIterator<LookupResult> {
    return new LazyIterator(async () => {
      const { lookupMany } = await import("./bulk.ts");
      return lookupMany(this.#bulk, keys, options?.signal);
    });
  }

  /** As in Table. */
  updateMany(
    entries: Iterable<Entry> | AsyncIterable<Entry>,
    options?: RequestOptions,
  ): AsyncIterableIterator<UpdateResult> {
    return new LazyIterator(async () => {
      this.#mustWrite("updateMany");
      await this.open();
      const { updateMany } = await import("./bulk.ts");
      return updateMany(this.#bulk, entries, options?.signal);
    });
  }

  /** As in Table. */
  deleteMany(
    keys: Iterable<string> | AsyncIterable<string>,
    options?: RequestOptions,
  ): AsyncIterableIterator<DeleteResult> {
    return new LazyIterator(async () => {
      this.#mustWrite("deleteMany");
      await this.open();
      const { deleteMany } = await import("./bulk.ts");
      return deleteMany(this.#bulk, keys, options?.signal);
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
    return {
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
    return this.#driver.sequence()[Symbol.asyncIterator]();
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
      // A sequence that was left in the middle may hold something open.
      await this.#cursor?.return?.();
      await this.#driver.close?.(reason);
    })();
  }

  #mustBeOpen(): void {
    if (this.#closed === undefined) return;
    const { signal } = this.rules;
    throw signal?.aborted ? signal.reason : new ClosedError(this.name);
  }

  #mustWrite(operation: string): void {
    if (this.rules.write) return;
    throw new ReadOnlyError(
      `${this.name} is read-only: open it with "write" for ${operation}`,
    );
  }

  /** An entry as the driver sees it; `undefined`, with a warning, when it cannot be. */
  #admitEntry(key: string, value: string): Entry | undefined {
    const { text } = this.rules;
    if (typeof value !== "string") {
      throw new TypeError(
        `${this.name}: a value must be a string: ${typeof value}`,
      );
    }
    if (value.includes("\0")) {
      throw new TypeError(`${this.name}: a value cannot have a null byte`);
    }
    this.#mustWrite("update");
    const admitted = this.#admit(key);
    if (admitted === undefined) return undefined;
    if (text.valid(value)) return { key: admitted, value };
    refuse(this.name, this.rules)(
      key,
      `its value is not ${encoding(text)}`,
      "rules",
    );
    return undefined;
  }

  /** The key as the driver sees it; `undefined` when no table can have it. */
  #admit(key: string): string | undefined {
    if (typeof key !== "string") {
      throw new TypeError(
        `${this.name}: a key must be a string: ${typeof key}`,
      );
    }
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

/** What is done about updates of a table that are refused. */
export function refuse(
  name: string,
  { onRefusal, onWarning }: TableRules,
): Refuse {
  return onRefusal ??
    ((key, reason) =>
      onWarning(`${name}: not storing key "${key}": ${reason}`));
}

/** What became of the only write that there was. */
function only({ done, failed }: WriteAnswer): boolean {
  if (failed !== undefined) throw failed.error;
  return done[0];
}

function encoding(text: Text): string {
  return text.utf8 ? "UTF-8" : "a byte string, for UTF-8 is off";
}
