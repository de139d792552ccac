import { type Clock, systemClock } from "../../system/clock.ts";
import {
  ClosedError,
  ConfigError,
  NotUtf8Error,
  reasonOf,
  TemporaryError,
} from "../../errors.ts";
import type { KvDatabase, KvEntry, KvKey } from "../../kv_database.ts";
import type { ByteStrings } from "../../bytes/byte_strings.ts";
import type { Text } from "../../bytes/text.ts";
import type { Entry } from "../../table.ts";
import type { KvWrite } from "./commits.ts";
import type { BatchAnswer, Driver, WriteAnswer } from "../driver.ts";

/** What a KV table is made of. */
export interface KvParts {
  /** The table's name in messages. */
  readonly name: string;
  /** Where in the database the table is. */
  readonly namespace: string;
  /** How strings stand for bytes. */
  readonly text: Text;
  /** Whether an update replaces an entry that exists. */
  readonly replace: boolean;
  /** Told of an entry that exists and was kept. */
  readonly onDuplicate: (key: string) => void;
  /**
   * Opens the database; `undefined` while it does not exist, unless `create`.
   */
  readonly openDatabase: (create: boolean) => Promise<KvDatabase | undefined>;
  /** Told of refusals. */
  readonly onWarning: (message: string) => void;
  /** The time, for pauses. */
  readonly clock?: Clock;
}

// Limits of the database, in bytes.
const longestEncodedKey = 2048;
const longestValue = 65536;

/** An entry on its way, and where it stands in its batch. */
interface Write extends KvWrite {
  readonly data: Uint8Array;
  readonly at: number;
}

const listBatch = 500;
// Milliseconds: how long another process may keep the database locked, and the
// longest pause between two looks at it.
const lockedLimit = 30_000;
const lockedPause = 20;

/**
 * A table in a KV database. Keys and values are stored as bytes, which every
 * runtime reads back from the same file, and whose order is that of a sequence.
 */
export class KvDriver implements Driver {
  #parts: KvParts;
  #prefix: KvKey;
  #longestKey: number;
  #database: KvDatabase | undefined;
  #opening: Promise<KvDatabase | undefined> | undefined;
  #closed = false;
  // Whether it turned out that the database takes few checks at once.
  #fewChecks = false;

  /** Opens nothing yet. */
  constructor(parts: KvParts) {
    this.#parts = parts;
    this.#prefix = ["table", parts.namespace];
    // Each part of a key has a byte before and a byte behind it.
    const prefixLength = parts.text.encode(parts.namespace).length + 5 + 4;
    this.#longestKey = longestEncodedKey - prefixLength - 2;
  }

  async lookup(key: string): Promise<string | undefined> {
    const database = await this.#open(false);
    if (database === undefined) return undefined;
    const bytes = this.#parts.text.encode(key);
    // Such a key cannot be there, and asking for it is an error of its own.
    if (this.#isTooLong(database, bytes)) return undefined;
    const { value } = await this.#ask(() => database.get(this.#key(bytes)));
    if (value === null) return undefined;
    const data = this.#data(key, value);
    const text = this.#parts.text.decode(data);
    if (text === undefined) throw new NotUtf8Error(this.#parts.name, key, data);
    return text;
  }

  /** Several keys in one call, where the database can do that. */
  async lookupBatch(keys: ByteStrings): Promise<BatchAnswer> {
    const { ByteStringsBuilder, stringAt } = await import(
      "../../bytes/byte_strings.ts"
    );
    const { readMany } = await import("./reads.ts");
    const count = keys.starts.length;
    const values = new ByteStringsBuilder(count, keys.bytes.length);
    const asked: number[] = [];
    for (let at = 0; at < count; at++) if (keys.starts[at] >= 0) asked.push(at);
    if (asked.length === 0) return { values };
    let sent: number[] = [];
    let at = 0;
    try {
      const database = await this.#open(false);
      if (database === undefined) return { values };
      sent = asked.filter((at) =>
        !this.#isTooLong(database, stringAt(keys, at)!)
      );
      const { entries, failed } = await readMany(
        database,
        sent.map((at) => this.#key(stringAt(keys, at)!)),
      );
      const end = failed?.at ?? sent.length;
      for (; at < end; at++) {
        const { value } = entries[at];
        if (value === null) continue;
        const data = this.#data(stringAt(keys, sent[at])!, value);
        values.put(sent[at], data, 0, data.length);
      }
      if (failed !== undefined) throw this.#failure(failed.error);
    } catch (error) {
      return { values, failed: { at: sent[at] ?? asked[0], error } };
    }
    return { values };
  }

  /** In as few commits as the database allows: each one waits for the disk. */
  async updateBatch(entries: readonly Entry[]): Promise<WriteAnswer> {
    const { commitsOf, replacing, adding } = await import("./commits.ts");
    const { replace, onDuplicate } = this.#parts;
    const existing = await this.#open(false);
    const stored = entries.map(() => false);
    const writes: Write[] = [];
    for (const [at, { key, value }] of entries.entries()) {
      const write = this.#write(existing, key, value, at);
      if (write !== undefined) writes.push(write);
    }
    for (const some of commitsOf(writes, replace ? replacing : adding)) {
      const database = (await this.#open(true))!;
      if (replace) await this.#replaceAll(database, some);
      const added = replace ? some : await this.#addNew(database, some);
      for (const { at } of added) stored[at] = true;
      for (const { at } of some) {
        if (!stored[at]) onDuplicate(entries[at].key);
      }
    }
    return { done: stored };
  }

  /** An entry as it is written; `undefined`, with a warning, when it is too long. */
  #write(
    database: KvDatabase | undefined,
    key: string,
    value: string,
    at: number,
  ): Write | undefined {
    const { name, text, onWarning } = this.#parts;
    const bytes = text.encode(key);
    const data = text.encode(value);
    const measured = this.#measure(database, bytes);
    const reason = bytes.length === 0
      ? "the key is empty"
      : measured.bytes > measured.longest
      ? `its ${measured.bytes} bytes are more than the ${measured.longest} that a key may have here`
      : data.length > longestValue
      ? `the value's ${data.length} bytes are more than the ${longestValue} that a value may have here`
      : undefined;
    if (reason === undefined) {
      const keyLength = this.#encodedLength(bytes);
      return { key: this.#key(bytes), keyLength, data, at };
    }
    onWarning(`${name}: not storing key "${key}": ${reason}`);
    return undefined;
  }

  async #replaceAll(
    database: KvDatabase,
    writes: readonly Write[],
  ): Promise<void> {
    if (writes.length === 1) {
      await this.#ask(() => database.set(writes[0].key, writes[0].data));
      return;
    }
    await this.#ask(() => {
      let atomic = database.atomic();
      for (const { key, data } of writes) atomic = atomic.set(key, data);
      return atomic.commit();
    });
  }

  /** In as few commits as `updateBatch`. */
  async deleteBatch(keys: readonly string[]): Promise<WriteAnswer> {
    const { readMany } = await import("./reads.ts");
    const { commitsOf, removing } = await import("./commits.ts");
    const deleted = keys.map(() => false);
    const database = await this.#open(false);
    if (database === undefined) return { done: deleted };
    // A key that comes twice is there only once.
    const first = new Map<string, number>();
    for (const [at, key] of keys.entries()) {
      if (!first.has(key)) first.set(key, at);
    }
    const writes: (KvWrite & { at: number })[] = [];
    for (const [key, at] of first) {
      const bytes = this.#parts.text.encode(key);
      if (this.#isTooLong(database, bytes)) continue;
      const keyLength = this.#encodedLength(bytes);
      writes.push({ key: this.#key(bytes), keyLength, at });
    }
    const { entries, failed } = await readMany(
      database,
      writes.map(({ key }) => key),
    );
    if (failed !== undefined) throw this.#failure(failed.error);
    const there = writes.filter((_, at) => entries[at].versionstamp !== null);
    for (const some of commitsOf(there, removing)) {
      await this.#ask(() => removeAll(database, some));
      for (const { at } of some) deleted[at] = true;
    }
    return { done: deleted };
  }

  /**
   * All entries, in byte order of their keys. Entries that come and go
   * meanwhile are seen or not; none is seen twice, and none that stays is missed.
   */
  async *sequence(): AsyncGenerator<Entry> {
    const { name, text } = this.#parts;
    const prefix = this.#prefix;
    let start: KvKey | undefined;
    for (;;) {
      // Asked for each time: the database may come into being meanwhile.
      const database = await this.#open(false);
      if (database === undefined) return;
      const batch: KvEntry[] = [];
      const selector = start === undefined ? { prefix } : { prefix, start };
      await this.#ask(async () => {
        const found = database.list(selector, {
          limit: listBatch,
          batchSize: listBatch,
        });
        for await (const entry of found) batch.push(entry);
      });
      for (const entry of batch) {
        const bytes = entry.key.at(-1);
        if (!(bytes instanceof Uint8Array)) continue;
        const key = text.decode(bytes);
        if (key === undefined) {
          const shown = new TextDecoder().decode(bytes);
          throw new ConfigError(
            `${name}: the key "${shown}" is not UTF-8: turn UTF-8 support off`,
          );
        }
        const data = this.#data(key, entry.value);
        const value = text.decode(data);
        if (value === undefined) throw new NotUtf8Error(name, key, data);
        yield { key, value };
      }
      const last = batch.at(-1)?.key.at(-1);
      if (batch.length < listBatch || !(last instanceof Uint8Array)) return;
      // The first key after the last one that there was.
      const next = new Uint8Array(last.length + 1);
      next.set(last);
      start = [...prefix, next];
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#opening?.catch(() => undefined);
    this.#database?.close();
    this.#database = undefined;
    this.#opening = undefined;
  }

  #measure(
    database: KvDatabase | undefined,
    bytes: Uint8Array,
  ): { bytes: number; longest: number } {
    const measured = database?.measureKey?.(this.#key(bytes));
    if (measured !== undefined) return measured;
    return { bytes: escapedLength(bytes), longest: this.#longestKey };
  }

  #encodedLength(bytes: Uint8Array): number {
    return longestEncodedKey - this.#longestKey + escapedLength(bytes);
  }

  #isTooLong(database: KvDatabase, bytes: Uint8Array): boolean {
    const short = bytes.length * 2 <= this.#longestKey;
    if (short && database.measureKey === undefined) return false;
    const measured = this.#measure(database, bytes);
    return measured.bytes > measured.longest;
  }

  #key(bytes: Uint8Array): KvKey {
    return [...this.#prefix, bytes];
  }

  #data(key: string | Uint8Array, value: unknown): Uint8Array {
    if (value instanceof Uint8Array) return value;
    const shown = typeof key === "string" ? key : this.#parts.text.decode(key);
    throw new ConfigError(
      `${this.#parts.name}: the value of key "${shown}" is no byte value: ` +
        `something else wrote it`,
    );
  }

  async #open(create: boolean): Promise<KvDatabase | undefined> {
    if (this.#database !== undefined) return this.#database;
    // One at a time: two opened at once would leave one open.
    const earlier = this.#opening;
    const opening = (async () => {
      await earlier?.catch(() => undefined);
      // What would be opened now, nobody would close.
      if (this.#closed) throw new ClosedError(this.#parts.name);
      return this.#database ??= await this.#parts.openDatabase(create);
    })();
    this.#opening = opening;
    return await opening;
  }

  /** Adds the entries that do not exist; returns those. */
  async #addNew(
    database: KvDatabase,
    writes: readonly Write[],
  ): Promise<readonly Write[]> {
    const first = new Map<string, Write>();
    for (const write of writes) {
      const key = `${write.key.at(-1)}`;
      if (!first.has(key)) first.set(key, write);
    }
    const wanted = [...first.values()];
    if (!this.#fewChecks) {
      try {
        return await this.#addMissing(database, wanted);
      } catch (error) {
        // So said before anything is written.
        if (!/TooManyChecks/.test((error as Error).message)) throw error;
        this.#fewChecks = true;
      }
    }
    const { addingFew, commitsOf } = await import("./commits.ts");
    const added: Write[] = [];
    for (const some of commitsOf(wanted, addingFew)) {
      added.push(...await this.#addMissing(database, some));
    }
    return added;
  }

  /** Adds those that do not exist of entries with different keys. */
  async #addMissing(
    database: KvDatabase,
    writes: readonly Write[],
  ): Promise<readonly Write[]> {
    let missing = writes;
    // Another process may add some of them between the look and the commit.
    while (missing.length > 0 && !await this.#addAll(database, missing)) {
      const { readMany } = await import("./reads.ts");
      const { entries, failed } = await readMany(
        database,
        missing.map(({ key }) => key),
      );
      if (failed !== undefined) throw this.#failure(failed.error);
      missing = missing.filter((_, at) => entries[at].versionstamp === null);
    }
    return missing;
  }

  /** Adds entries unless one of them exists; whether they were added. */
  async #addAll(
    database: KvDatabase,
    writes: readonly Write[],
  ): Promise<boolean> {
    const { clock = systemClock } = this.#parts;
    const start = clock.now();
    for (;;) {
      try {
        let atomic = database.atomic();
        for (const { key, data } of writes) {
          atomic = atomic.check({ key, versionstamp: null }).set(key, data);
        }
        return (await atomic.commit()).ok;
      } catch (cause) {
        // A check locks the database; a second process does not wait for it.
        const locked = /database is locked/.test((cause as Error).message);
        if (!locked || clock.now() - start > lockedLimit) {
          throw this.#failure(cause);
        }
        // By chance, or one that looks at the wrong times never gets in.
        const pause = 1 + Math.random() * lockedPause;
        await new Promise<void>((resolve) => clock.setTimer(pause, resolve));
      }
    }
  }

  async #ask<T>(question: () => Promise<T>): Promise<T> {
    try {
      return await question();
    } catch (cause) {
      throw this.#failure(cause);
    }
  }

  #failure(cause: unknown): TemporaryError {
    return new TemporaryError(`${this.#parts.name}: ${reasonOf(cause)}`, {
      cause,
    });
  }
}

/** How many bytes a part of a key takes: a null byte takes two. */
function escapedLength(bytes: Uint8Array): number {
  let length = bytes.length;
  for (let at = bytes.indexOf(0); at >= 0; at = bytes.indexOf(0, at + 1)) {
    length++;
  }
  return length;
}

async function removeAll(
  database: KvDatabase,
  writes: readonly KvWrite[],
): Promise<void> {
  if (writes.length === 1) return await database.delete(writes[0].key);
  let atomic = database.atomic();
  if (atomic.delete === undefined) {
    for (const { key } of writes) await database.delete(key);
    return;
  }
  for (const { key } of writes) atomic = atomic.delete!(key);
  await atomic.commit();
}
