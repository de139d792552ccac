import {
  ClosedError,
  ConfigError,
  NotUtf8Error,
  ReadOnlyError,
  reasonOf,
  TemporaryError,
} from "../../errors.ts";
import type { ByteStrings } from "../../bytes/byte_strings.ts";
import type { Text } from "../../bytes/text.ts";
import type { KvEntry, KvKey } from "../../kv_database.ts";
import type { Entry } from "../../table.ts";
import type { BatchAnswer, Driver, WriteAnswer } from "../driver.ts";
import type { Refuse } from "../driver_table.ts";
import type { DatabaseSource } from "./database_source.ts";
import { ClosedSourceError, KvFailure } from "./failures.ts";
import { KvKeys } from "./kv_keys.ts";
import type { KvWrites } from "./kv_writes.ts";
import type { OpenDatabase } from "./open_database.ts";
import { StalledError } from "./patience.ts";
import { type PatientDatabase, RetiredError } from "./patient_database.ts";

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
  /** The database; tells `onSlow` what it waits for. */
  readonly source: (onSlow: (message: string) => void) => DatabaseSource;
  /** Told of updates that are refused. */
  readonly refuse: Refuse;
  /** Told of what is waited for, and of a database that is missing. */
  readonly onWarning: (message: string) => void;
}

/** What a request does to the database, which is made by who `creates`. */
type Doing = "reads" | "changes" | "creates";

const listBatch = 500;

// How often a request begins anew because its file was replaced meanwhile.
const mostAttempts = 10;

/**
 * A table in a KV database. Keys and values are stored as bytes, which every
 * runtime reads back from the same file, and whose order is that of a sequence.
 */
export class KvDriver implements Driver {
  #parts: KvParts;
  #keys: KvKeys;
  #source: DatabaseSource;
  #underWay = 0;
  #toldMissing = false;
  // Whether it turned out that the database takes few checks at once.
  #limits = { fewChecks: false };

  /** Opens nothing yet. */
  constructor(parts: KvParts) {
    this.#parts = parts;
    this.#keys = new KvKeys(parts.namespace, parts.text);
    // Who waits for nothing need not know.
    this.#source = parts.source((message) => {
      if (this.#underWay > 0) this.#warn(message);
    });
  }

  async lookup(key: string): Promise<string | undefined> {
    const { name, text } = this.#parts;
    const bytes = text.encode(key);
    const data = await this.#with("reads", async (database) => {
      // Such a key cannot be there, and asking for it is an error of its own.
      if (this.#keys.isTooLong(database, bytes)) return undefined;
      const { value } = await database.get(this.#keys.of(bytes));
      return value === null ? undefined : this.#data(key, value);
    });
    if (data === undefined) return undefined;
    const value = text.decode(data);
    if (value === undefined) throw new NotUtf8Error(name, key, data);
    return value;
  }

  /** Several keys in one call, where the database can do that. */
  async lookupBatch(keys: ByteStrings): Promise<BatchAnswer> {
    const { lookupTogether, nothingFor } = await import("./reads.ts");
    let answer = nothingFor(keys);
    try {
      await this.#with("reads", async (database) => {
        answer = await lookupTogether(
          database,
          this.#keys,
          keys,
          (key, value) => this.#data(key, value),
        );
        if (answer.failed !== undefined) throw answer.failed.error;
      });
      return answer;
    } catch (error) {
      const first = keys.starts.findIndex((start) => start >= 0);
      const at = answer.failed?.at ?? first;
      return { values: answer.values, failed: { at, error } };
    }
  }

  whyNotStored(key: string, value: string): string | undefined {
    const { text } = this.#parts;
    const [bytes, data] = [text.encode(key), text.encode(value)];
    return this.#keys.whyNotStored(undefined, bytes, data);
  }

  /** In as few commits as the database allows: each one waits for the disk. */
  async updateBatch(entries: readonly Entry[]): Promise<WriteAnswer> {
    const { KvUpdates } = await import("./kv_updates.ts");
    const updates = new KvUpdates(entries, this.#parts, this.#limits);
    // What is refused creates no database.
    const open = await this.#named(() => this.#source.get(false));
    updates.prepare(this.#keys, open?.database);
    return await this.#writeAll("creates", updates);
  }

  /** In as few commits as `updateBatch`. */
  async deleteBatch(keys: readonly string[]): Promise<WriteAnswer> {
    const { KvDeletes } = await import("./kv_deletes.ts");
    const deletes = new KvDeletes(keys, this.#parts.text, this.#keys);
    return await this.#writeAll("changes", deletes);
  }

  async #writeAll(doing: Doing, writes: KvWrites): Promise<WriteAnswer> {
    const { writeAll } = await import("./kv_writes.ts");
    return await writeAll(
      writes,
      () => this.#with(doing, (database) => writes.run(database)),
    );
  }

  /**
   * All entries, in byte order of their keys. Entries that come and go
   * meanwhile are seen or not; none is seen twice, and none that stays is missed.
   */
  async *sequence(): AsyncGenerator<Entry> {
    const { name, text } = this.#parts;
    const { prefix } = this.#keys;
    let start: KvKey | undefined;
    for (;;) {
      const selector = start === undefined ? { prefix } : { prefix, start };
      // Asked for each time: the database may come into being meanwhile.
      const batch = await this.#with("reads", async (database) => {
        const entries: KvEntry[] = [];
        const found = database.list(selector, {
          limit: listBatch,
          batchSize: listBatch,
        });
        for await (const entry of found) entries.push(entry);
        return entries;
      });
      if (batch === undefined) return;
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
    await this.#source.close();
  }

  /**
   * Does something with the database; anew when its file was replaced while it
   * was done. `undefined` where there is no database.
   */
  #with<T>(
    doing: Doing,
    work: (database: PatientDatabase) => Promise<T>,
  ): Promise<T | undefined> {
    return this.#named(async () => {
      for (let attempt = 1; attempt <= mostAttempts; attempt++) {
        const done = await this.#attempt(doing, work);
        if (done !== "anew") return done?.result;
      }
      throw new KvFailure("its file is replaced again and again");
    });
  }

  async #attempt<T>(
    doing: Doing,
    work: (database: PatientDatabase) => Promise<T>,
  ): Promise<{ result: T } | "anew" | undefined> {
    const source = this.#source;
    const open = await source.get(doing === "creates");
    if (open === undefined) {
      if (!this.#toldMissing) this.#warn(source.absence());
      this.#toldMissing = true;
      return undefined;
    }
    this.#toldMissing = false;
    const writes = doing !== "reads";
    // Looked at before and after: what is written to another file is lost.
    if (writes && !source.isStill(open)) return "anew";
    try {
      const result = writes
        ? await this.#write(open, work)
        : await work(open.database);
      return !writes || source.isInPlace(open) ? { result } : "anew";
    } catch (error) {
      if (error instanceof RetiredError) return "anew";
      if (isForCallers(error)) throw error;
      if (source.hasChanged(open, writes)) return "anew";
      throw source.explain(error, open, writes);
    }
  }

  async #write<T>(
    open: OpenDatabase,
    work: (database: PatientDatabase) => Promise<T>,
  ): Promise<T> {
    if (open.isContended) await this.#source.untilFree();
    open.writers++;
    open.wroteSinceLook = true;
    try {
      const result = await work(open.database);
      open.hasWritten = true;
      open.isContended = false;
      return result;
    } catch (error) {
      open.isContended = error instanceof StalledError;
      throw error;
    } finally {
      open.writers--;
    }
  }

  /** Does something whose failures are to name the table. */
  async #named<T>(work: () => T | Promise<T>): Promise<T> {
    this.#underWay++;
    try {
      return await work();
    } catch (cause) {
      if (isForCallers(cause)) throw cause;
      if (cause instanceof ClosedSourceError) {
        throw new ClosedError(this.#parts.name);
      }
      const message = `${this.#parts.name}: ${reasonOf(cause)}`;
      throw cause instanceof KvFailure && cause.lasting
        ? new ConfigError(message, { cause })
        : new TemporaryError(message, { cause });
    } finally {
      this.#underWay--;
    }
  }

  #warn(message: string): void {
    this.#parts.onWarning(`${this.#parts.name}: ${message}`);
  }

  #data(key: string | Uint8Array, value: unknown): Uint8Array {
    if (value instanceof Uint8Array) return value;
    const shown = typeof key === "string" ? key : this.#parts.text.decode(key);
    throw new ConfigError(
      `${this.#parts.name}: the value of key "${shown}" is no byte value: ` +
        `something else wrote it`,
    );
  }
}

/** Whether an error says all already. */
function isForCallers(error: unknown): boolean {
  return error instanceof ConfigError || error instanceof TemporaryError ||
    error instanceof ReadOnlyError;
}
