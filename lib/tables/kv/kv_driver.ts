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
import type { BatchAnswer, Driver, WriteAnswer, WritePace } from "../driver.ts";
import type { Refuse } from "../driver_table.ts";
import { WriteOrder } from "../write_order.ts";
import type { DatabaseSource } from "./database_source.ts";
import { ClosedSourceError, KvFailure } from "./failures.ts";
import { KvKeys } from "./kv_keys.ts";
import type { WriteState } from "./kv_updates.ts";
import type { KvWrites } from "./kv_writes.ts";
import type { OpenDatabase } from "./open_database.ts";
import { StalledError } from "./patience.ts";
import { type PatientDatabase, RetiredError } from "./patient_database.ts";
import { CommitsUnderWay, type Pace } from "./under_way.ts";

/** The parts of a KV table. */
export interface KvParts {
  /** The table's name in messages. */
  readonly name: string;
  /** The namespace of the table in the database. */
  readonly namespace: string;
  /** How strings represent bytes. */
  readonly text: Text;
  /** Whether the table may be written. */
  readonly write: boolean;
  /** Whether an update replaces an existing entry. */
  readonly replace: boolean;
  /** Called with the key when an update keeps the existing entry. */
  readonly onDuplicate: (key: string) => void;
  /** How much is under way at once. */
  readonly pace: Pace;
  /** Makes the source of the database, which calls `onSlow` with a reason. */
  readonly source: (onSlow: (message: string) => void) => DatabaseSource;
  /** Called with each refused update. */
  readonly refuse: Refuse;
  /** Called with each warning, such as a slow or missing database. */
  readonly onWarning: (message: string) => void;
}

/** What a request does; one that `creates` creates a missing database. */
type RequestKind = "reads" | "lists" | "changes" | "creates";

// A listing is read page by page. Deno KV returns 500 entries at once at most.
const firstPage = 100;
const longestPage = 250;
// Bytes of a page, about: for memory, and for slow networks.
const pageBytes = 524288;

/** A part of a listing. */
interface KvPage {
  readonly entries: readonly KvEntry[];
  /** Reads the next part; absent after the last one. */
  readonly next?: () => Promise<KvPage>;
}

/** The number of entries of the page after this one. */
function nextLimit(entries: readonly KvEntry[]): number {
  let bytes = 0;
  for (const { value } of entries) {
    if (value instanceof Uint8Array) bytes += value.length;
  }
  const average = Math.max(bytes / entries.length, 1);
  return Math.max(1, Math.min(longestPage, Math.floor(pageBytes / average)));
}

// How often a request starts again because the file was replaced meanwhile.
const maxAttempts = 10;

/**
 * The driver of `kv:` tables. It stores keys and values as bytes, so that every
 * runtime can read the same file, and entries are listed in byte order.
 */
export class KvDriver implements Driver {
  #parts: KvParts;
  #keys: KvKeys;
  #source: DatabaseSource;
  #running = 0;
  #hasWarnedOfAbsence = false;
  /** The warning that there is no database, as long as it can wait. */
  #absence: string | undefined;
  #writeState: WriteState;
  #order = new WriteOrder();

  /** Opens nothing yet. */
  constructor(parts: KvParts) {
    this.#parts = parts;
    this.#keys = new KvKeys(parts.namespace, parts.text);
    this.#writeState = {
      fewChecks: false,
      someExist: false,
      underWay: new CommitsUnderWay(parts.pace),
    };
    // A slow database matters only while a request waits.
    this.#source = parts.source((message) => {
      if (this.#running > 0) this.#warn(message);
    });
  }

  async lookup(key: string): Promise<string | undefined> {
    const { name, text } = this.#parts;
    const bytes = text.encode(key);
    const data = await this.#with("reads", async (database) => {
      // Such a key cannot exist, and the database would fail to look it up.
      if (this.#keys.isTooLong(database, bytes)) return undefined;
      const { value } = await database.get(this.#keys.of(bytes));
      return value === null ? undefined : this.#bytesOf(key, value);
    });
    if (data === undefined) return undefined;
    const value = text.decode(data);
    if (value === undefined) throw new NotUtf8Error(name, key, data);
    return value;
  }

  async lookupBatch(keys: ByteStrings): Promise<BatchAnswer> {
    const { emptyAnswer, lookupMany } = await import("./reads.ts");
    let answer = emptyAnswer(keys);
    try {
      await this.#with("reads", async (database) => {
        answer = await lookupMany(
          database,
          this.#keys,
          keys,
          this.#parts.pace,
          (key, value) => this.#bytesOf(key, value),
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

  get writePace(): WritePace {
    return this.#parts.pace;
  }

  /** Uses few commits, since each one waits for the disk. */
  async updateBatch(entries: readonly Entry[]): Promise<WriteAnswer> {
    const keys = entries.map(({ key }) => key);
    return await this.#writeAll("creates", keys, async () => {
      const { KvUpdates } = await import("./kv_updates.ts");
      const updates = new KvUpdates(
        entries,
        this.#keys,
        this.#parts,
        this.#writeState,
      );
      // A refused update must not create the database.
      const open = await this.#named(() => this.#source.get(false));
      updates.prepare(open?.database);
      return updates;
    });
  }

  async deleteBatch(keys: readonly string[]): Promise<WriteAnswer> {
    return await this.#writeAll("changes", keys, async () => {
      const { KvDeletes } = await import("./kv_deletes.ts");
      return new KvDeletes(keys, this.#keys, this.#parts, this.#writeState);
    });
  }

  /** Makes a batch of writes, and does them after earlier ones of these keys. */
  async #writeAll(
    kind: RequestKind,
    keys: readonly string[],
    make: () => Promise<KvWrites>,
  ): Promise<WriteAnswer> {
    const place = this.#order.begin(keys);
    // A later write fails with it: it would wait for the same database as long.
    let failure: unknown;
    try {
      const writes = await make();
      const { writeAll } = await import("./kv_writes.ts");
      const answer = await writeAll(writes, async () => {
        if (place.earlier !== undefined) await place.earlier;
        await this.#with(kind, (database) => writes.run(database));
      });
      failure = answer.failed?.error;
      return answer;
    } catch (error) {
      failure = error;
      throw error;
    } finally {
      place.end(failure);
    }
  }

  /**
   * Lists all entries, in byte order of their keys. An entry that is added or
   * removed meanwhile may be missing. No entry is listed twice.
   */
  async *sequence(): AsyncGenerator<Entry> {
    const { name, text } = this.#parts;
    let page: Promise<KvPage> | undefined = this.#page(undefined, firstPage);
    try {
      while (page !== undefined) {
        const { entries, next }: KvPage = await page;
        page = undefined;
        for (const [at, entry] of entries.entries()) {
          const bytes = entry.key.at(-1);
          if (!(bytes instanceof Uint8Array)) continue;
          const key = text.decode(bytes);
          if (key === undefined) {
            const shown = new TextDecoder().decode(bytes);
            throw new ConfigError(
              `${name}: the key "${shown}" is not UTF-8: turn UTF-8 support off`,
            );
          }
          const data = this.#bytesOf(key, entry.value);
          const value = text.decode(data);
          if (value === undefined) throw new NotUtf8Error(name, key, data);
          yield { key, value };
          // Read on meanwhile, but not long before it is needed.
          if (at >= entries.length / 2) page ??= next?.();
        }
        page ??= next?.();
      }
    } finally {
      await page?.catch(() => undefined);
    }
  }

  /** Reads a part of the listing, at most `limit` entries from `start` on. */
  async #page(start: KvKey | undefined, limit: number): Promise<KvPage> {
    const { prefix } = this.#keys;
    const selector = start === undefined ? { prefix } : { prefix, start };
    // For each page, since the database may be created meanwhile.
    const read = (database: PatientDatabase) => database.page(selector, limit);
    const entries = await this.#with("lists", read) ?? [];
    const last = entries.at(-1)?.key.at(-1);
    if (entries.length < limit || !(last instanceof Uint8Array)) {
      return { entries };
    }
    const after = this.#keys.after(last);
    if (after === undefined) return { entries };
    const next = () => {
      const page = this.#page(after, nextLimit(entries));
      // It may fail before anybody waits for it.
      page.catch(() => undefined);
      return page;
    };
    return { entries, next };
  }

  async close(): Promise<void> {
    if (this.#absence !== undefined) this.#warn(this.#absence);
    this.#endFilling();
    await this.#source.close();
  }

  /** Begins to remove the mark of this table. The source waits for that. */
  #endFilling(): void {
    const database = this.#source.current?.database;
    if (database === undefined) return;
    // A mark that stays is removed by the next update.
    this.#writeState.filling?.end(database).catch(() => undefined);
  }

  /**
   * Runs `work` with the database, again when the file was replaced meanwhile.
   * `undefined` where there is no database.
   */
  #with<T>(
    kind: RequestKind,
    work: (database: PatientDatabase) => Promise<T>,
  ): Promise<T | undefined> {
    return this.#named(async () => {
      for (let attempt = 1; attempt <= maxAttempts; attempt++) {
        const done = await this.#attempt(kind, work);
        if (done !== "again") return done?.result;
      }
      throw new KvFailure("its file is replaced again and again");
    });
  }

  async #attempt<T>(
    kind: RequestKind,
    work: (database: PatientDatabase) => Promise<T>,
  ): Promise<{ result: T } | "again" | undefined> {
    const source = this.#source;
    const open = await source.get(kind === "creates");
    if (open === undefined) {
      this.#reportAbsence(kind);
      return undefined;
    }
    this.#hasWarnedOfAbsence = false;
    this.#absence = undefined;
    const writes = kind === "changes" || kind === "creates";
    // Check before and after a write: one to a replaced file is lost.
    if (writes && !source.isStill(open)) return "again";
    try {
      const result = writes
        ? await this.#write(open, work)
        : await work(open.database);
      return !writes || source.isInPlace(open) ? { result } : "again";
    } catch (error) {
      if (error instanceof RetiredError) return "again";
      if (isForCallers(error)) throw error;
      if (source.hasChanged(open, writes)) return "again";
      throw await source.explain(error, open, writes);
    }
  }

  /**
   * Warns once that there is no database. Whoever lists a table to write it may be
   * about to make one: then the table warns when it is closed, if there is none yet.
   */
  #reportAbsence(kind: RequestKind): void {
    if (this.#hasWarnedOfAbsence) return;
    const absence = this.#source.absence();
    if (kind === "lists" && this.#parts.write) {
      this.#absence = absence;
      return;
    }
    this.#hasWarnedOfAbsence = true;
    this.#absence = undefined;
    this.#warn(absence);
  }

  async #write<T>(
    open: OpenDatabase,
    work: (database: PatientDatabase) => Promise<T>,
  ): Promise<T> {
    if (open.isContended) await this.#source.untilFree();
    open.writers++;
    open.wroteSinceCheck = true;
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

  /** Runs `work`; its errors get the table's name. */
  async #named<T>(work: () => T | Promise<T>): Promise<T> {
    this.#running++;
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
      this.#running--;
    }
  }

  #warn(message: string): void {
    this.#parts.onWarning(`${this.#parts.name}: ${message}`);
  }

  #bytesOf(key: string | Uint8Array, value: unknown): Uint8Array {
    if (value instanceof Uint8Array) return value;
    const shown = typeof key === "string" ? key : this.#parts.text.decode(key);
    throw new ConfigError(
      `${this.#parts.name}: the value of key "${shown}" is no byte value: ` +
        `something else wrote it`,
    );
  }
}

/** Whether an error can be thrown to the caller as it is. */
function isForCallers(error: unknown): boolean {
  return error instanceof ConfigError || error instanceof TemporaryError ||
    error instanceof ReadOnlyError;
}
