import { type Clock, systemClock } from "../clock.ts";
import { ConfigError, NotUtf8Error, TemporaryError } from "../errors.ts";
import type { KvDatabase, KvEntry, KvKey } from "../kv_database.ts";
import type { Text } from "../key/text.ts";
import type { Entry } from "../table.ts";
import type { Store } from "./store.ts";

/** What a KV table is made of. */
export interface KvStoreParts {
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

const longestCommit = 819200;
const mostWrites = 1000;
const mostChecks = 100;

/** An entry on its way, and where it stands in its batch. */
interface Write {
  readonly key: KvKey;
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
export class KvStore implements Store {
  #parts: KvStoreParts;
  #prefix: KvKey;
  #longestKey: number;
  #database: KvDatabase | undefined;
  #opening: Promise<KvDatabase | undefined> | undefined;

  /** Opens nothing yet. */
  constructor(parts: KvStoreParts) {
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

  async update(key: string, value: string): Promise<boolean> {
    return (await this.updateBatch([{ key, value }]))[0];
  }

  /** In as few commits as the database allows: each one waits for the disk. */
  async updateBatch(entries: readonly Entry[]): Promise<boolean[]> {
    const { replace, onDuplicate } = this.#parts;
    const existing = await this.#open(false);
    const stored = entries.map(() => false);
    const most = replace ? mostWrites : mostChecks;
    let writes: Write[] = [];
    let size = 0;
    const commit = async () => {
      if (writes.length === 0) return;
      const database = (await this.#open(true))!;
      if (replace) await this.#replaceAll(database, writes);
      const added = replace ? writes : await this.#addNew(database, writes);
      for (const { at } of added) stored[at] = true;
      for (const { at } of writes) {
        if (!stored[at]) onDuplicate(entries[at].key);
      }
      writes = [];
      size = 0;
    };
    for (const [at, { key, value }] of entries.entries()) {
      const write = this.#write(existing, key, value, at);
      if (write === undefined) continue;
      writes.push(write);
      size += longestEncodedKey + write.data.length;
      const isFull = size > longestCommit - longestEncodedKey - longestValue;
      if (isFull || writes.length === most) await commit();
    }
    await commit();
    return stored;
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
    if (reason === undefined) return { key: this.#key(bytes), data, at };
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

  async delete(key: string): Promise<boolean> {
    const database = await this.#open(false);
    if (database === undefined) return false;
    const bytes = this.#parts.text.encode(key);
    if (this.#isTooLong(database, bytes)) return false;
    const kvKey = this.#key(bytes);
    const { versionstamp } = await this.#ask(() => database.get(kvKey));
    if (versionstamp === null) return false;
    await this.#ask(() => database.delete(kvKey));
    return true;
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
    // A null byte takes two.
    const nulls = bytes.reduce((sum, byte) => byte === 0 ? sum + 1 : sum, 0);
    return { bytes: bytes.length + nulls, longest: this.#longestKey };
  }

  #isTooLong(database: KvDatabase, bytes: Uint8Array): boolean {
    const measured = this.#measure(database, bytes);
    return measured.bytes > measured.longest;
  }

  #key(bytes: Uint8Array): KvKey {
    return [...this.#prefix, bytes];
  }

  #data(key: string, value: unknown): Uint8Array {
    if (value instanceof Uint8Array) return value;
    throw new ConfigError(
      `${this.#parts.name}: the value of key "${key}" is no byte value: ` +
        `something else wrote it`,
    );
  }

  async #open(create: boolean): Promise<KvDatabase | undefined> {
    if (this.#database !== undefined) return this.#database;
    // One at a time: two opened at once would leave one open.
    const earlier = this.#opening;
    const opening = (async () => {
      await earlier?.catch(() => undefined);
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
    let missing = [...first.values()];
    // Another process may add some of them between the look and the commit.
    while (missing.length > 0 && !await this.#addAll(database, missing)) {
      const found = await this.#ask(() =>
        Promise.all(missing.map(({ key }) => database.get(key)))
      );
      missing = missing.filter((_, at) => found[at].versionstamp === null);
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
    const reason = cause instanceof Error ? cause.message : String(cause);
    return new TemporaryError(`${this.#parts.name}: ${reason}`, { cause });
  }
}
