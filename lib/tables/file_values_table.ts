import { requireEntry, requireText } from "../arguments.ts";
import { ConfigError, NotUtf8Error } from "../errors.ts";
import type { Text } from "../bytes/text.ts";
import type {
  DeleteResult,
  Entry,
  LookupResult,
  RequestOptions,
  Table,
  UpdateResult,
} from "../table.ts";
import { decodeBase64, encodeBase64 } from "../bytes/base64.ts";
import {
  type ByteStrings,
  ByteStringsBuilder,
  countOf,
  stringAt,
} from "../bytes/byte_strings.ts";
import type { BatchAnswer } from "./driver.ts";
import type { LineTable } from "./driver_table.ts";

/** The rules of a {@linkcode FileValuesTable}. */
export interface FileValuesRules {
  /** How strings of the stored table represent bytes. */
  readonly text: Text;
  /** How strings of this table represent bytes; by default the same. */
  readonly strings?: Text;
  /** As in Postfix, a value ends at its first null byte. */
  readonly cut?: boolean;
  /** Called with a warning for each key or value that is skipped. */
  readonly onWarning: (message: string) => void;
}

/** The keys of a bulk request whose results are still to come, in their order. */
class PendingKeys {
  #keys: { key: string; isSkipped: boolean }[] = [];

  add(key: string, isSkipped: boolean): void {
    this.#keys.push({ key, isSkipped });
  }

  /** Removes and returns the first key. */
  next(): string {
    return this.#keys.shift()!.key;
  }

  /** Removes and yields skipped keys, up to the next key that has a result. */
  *skipped(): Generator<string> {
    while (this.#keys[0]?.isSkipped) yield this.next();
  }
}

/**
 * A table whose values are the contents of files, which another table stores in
 * base64.
 *
 * Implements -F of postmap(1).
 */
export class FileValuesTable implements LineTable {
  /** The table that stores the base64. */
  readonly stored: Table;
  #rules: FileValuesRules;
  #strings: Text;

  /** Closes `stored` when it is closed. */
  constructor(stored: Table, rules: FileValuesRules) {
    this.stored = stored;
    this.#rules = rules;
    this.#strings = rules.strings ?? rules.text;
  }

  /** As in Table. */
  get name(): string {
    return this.stored.name;
  }

  /** As in Table. */
  get writable(): boolean {
    return this.stored.writable;
  }

  /** As in Table. */
  async lookup(
    key: string,
    options?: RequestOptions,
  ): Promise<string | undefined> {
    const storedKey = this.#storedKey(key);
    if (storedKey === undefined) return undefined;
    const value = await this.stored.lookup(storedKey, options);
    if (value === undefined) return undefined;
    const content = this.#decode(storedKey, value);
    if (content !== undefined) return content;
    throw new ConfigError(this.#malformed(storedKey));
  }

  /** As in Table. */
  async update(
    key: string,
    value: string,
    options?: RequestOptions,
  ): Promise<boolean> {
    const storedKey = this.#storedKey(key);
    return storedKey !== undefined &&
      await this.stored.update(storedKey, this.#encode(value), options);
  }

  /** As in Table. */
  async *updateMany(
    entries: Iterable<Entry> | AsyncIterable<Entry>,
    options?: RequestOptions,
  ): AsyncGenerator<UpdateResult> {
    const encoded = this.#encodeAll(entries);
    const updates = this.stored.updateMany(encoded, options);
    for await (const { key, stored } of updates) {
      yield { key: this.#ownKey(key), stored };
    }
  }

  /** As in LineTable. */
  async *updateLists(
    lists: AsyncIterable<readonly Entry[]>,
    options?: RequestOptions,
  ): AsyncGenerator<readonly UpdateResult[]> {
    const entries = (async function* () {
      for await (const list of lists) yield* list;
    })();
    for await (const result of this.updateMany(entries, options)) {
      yield [result];
    }
  }

  async *#encodeAll(
    entries: Iterable<Entry> | AsyncIterable<Entry>,
  ): AsyncGenerator<Entry> {
    for await (const entry of entries) {
      requireEntry(this.name, entry);
      const { key, value } = entry;
      const storedKey = this.#storedKey(key);
      if (storedKey === undefined) {
        throw new TypeError(`${this.name}: a key is not UTF-8`);
      }
      yield { key: storedKey, value: this.#encode(value) };
    }
  }

  /** As in Table. */
  async *lookupMany(
    keys: Iterable<string> | AsyncIterable<string>,
    options?: RequestOptions,
  ): AsyncGenerator<LookupResult> {
    const pending = new PendingKeys();
    const stored = this.stored.lookupMany(
      this.#storedKeys(keys, pending),
      options,
    );
    for await (const { key: storedKey, value } of stored) {
      for (const key of pending.skipped()) yield { key, value: undefined };
      const key = pending.next();
      const content = value === undefined
        ? undefined
        : this.#decode(storedKey, value);
      if (value !== undefined && content === undefined) {
        throw new ConfigError(this.#malformed(storedKey));
      }
      yield { key, value: content };
    }
    for (const key of pending.skipped()) yield { key, value: undefined };
  }

  /** As in Table. */
  async *deleteMany(
    keys: Iterable<string> | AsyncIterable<string>,
    options?: RequestOptions,
  ): AsyncGenerator<DeleteResult> {
    const pending = new PendingKeys();
    const deletions = this.stored.deleteMany(
      this.#storedKeys(keys, pending),
      options,
    );
    for await (const { deleted } of deletions) {
      for (const key of pending.skipped()) yield { key, deleted: false };
      yield { key: pending.next(), deleted };
    }
    for (const key of pending.skipped()) yield { key, deleted: false };
  }

  /** As in LineTable. */
  async lookupLines(
    lines: ByteStrings,
    onNotText: (line: Uint8Array) => void,
    options?: RequestOptions,
  ): Promise<BatchAnswer> {
    const text = this.#strings;
    const keys: string[] = [];
    const numbers: number[] = [];
    for (let at = 0; at < countOf(lines); at++) {
      const line = stringAt(lines, at);
      if (line === undefined) continue;
      const key = text.decode(line);
      if (key === undefined) onNotText(line);
      else {
        keys.push(key);
        numbers.push(at);
      }
    }
    const values = new ByteStringsBuilder(countOf(lines), lines.bytes.length);
    let next = 0;
    try {
      for await (const { value } of this.lookupMany(keys, options)) {
        if (value !== undefined) values.putText(numbers[next], value, text);
        next++;
      }
    } catch (error) {
      return { values, failed: { at: numbers[next], error } };
    }
    return { values };
  }

  async *#storedKeys(
    keys: Iterable<string> | AsyncIterable<string>,
    pending: PendingKeys,
  ): AsyncGenerator<string> {
    for await (const key of keys) {
      const storedKey = this.#storedKey(key);
      pending.add(key, storedKey === undefined);
      if (storedKey !== undefined) yield storedKey;
    }
  }

  /** As in Table. */
  async delete(key: string, options?: RequestOptions): Promise<boolean> {
    const storedKey = this.#storedKey(key);
    return storedKey !== undefined &&
      await this.stored.delete(storedKey, options);
  }

  /** As in Table. */
  async first(): Promise<Entry | undefined> {
    return await this.#decodedOrNext(await this.stored.first());
  }

  /** As in Table. */
  async next(): Promise<Entry | undefined> {
    return await this.#decodedOrNext(await this.stored.next());
  }

  async #decodedOrNext(stored: Entry | undefined): Promise<Entry | undefined> {
    for (let entry = stored; entry !== undefined;) {
      const decoded = this.#decodeEntry(entry);
      if (decoded !== undefined) return decoded;
      entry = await this.stored.next();
    }
    return undefined;
  }

  /** As in Table. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Entry> {
    for await (const entry of this.stored) {
      const decoded = this.#decodeEntry(entry);
      if (decoded !== undefined) yield decoded;
    }
  }

  /** Opens now what the first request would open. */
  async open(): Promise<this> {
    await (this.stored as { open?(): Promise<unknown> }).open?.();
    return this;
  }

  /** As in Table. */
  close(): Promise<void> {
    return this.stored.close();
  }

  /** As in Table. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #storedKey(key: string): string | undefined {
    const { text, onWarning } = this.#rules;
    if (text === this.#strings || typeof key !== "string") return key;
    const stored = text.decode(this.#strings.encode(key));
    if (stored === undefined) {
      onWarning(`${this.name}: skipping a key that is not UTF-8`);
    }
    return stored;
  }

  #ownKey(key: string): string {
    const { text } = this.#rules;
    return text === this.#strings
      ? key
      : this.#strings.decode(text.encode(key))!;
  }

  #encode(content: string): string {
    requireText(this.name, "value", content);
    if (!this.#strings.valid(content)) {
      throw new TypeError(
        `${this.name}: a value must be ${
          this.#strings.utf8 ? "well-formed" : "a byte string, for UTF-8 is off"
        }`,
      );
    }
    return encodeBase64(this.#strings.encode(content));
  }

  /** The content of the file; `undefined` when the value is not base64. */
  #decode(key: string, value: string): string | undefined {
    const { text, cut } = this.#rules;
    const bytes = decodeBase64(text.encode(value));
    if (bytes === undefined) return undefined;
    const end = cut ? bytes.indexOf(0) : -1;
    const content = this.#strings.decode(
      end < 0 ? bytes : bytes.subarray(0, end),
    );
    if (content === undefined) throw new NotUtf8Error(this.name, key, bytes);
    return content;
  }

  #decodeEntry(entry: Entry): Entry | undefined {
    const value = this.#decode(entry.key, entry.value);
    if (value !== undefined) return { key: this.#ownKey(entry.key), value };
    this.#rules.onWarning(this.#malformed(entry.key));
    return undefined;
  }

  #malformed(key: string): string {
    return `${this.name}: the value of key "${key}" is not base64 of a file: ` +
      `store it with fileValues (-F), or look it up without`;
  }
}
