import type { KvAtomic } from "../../kv_database.ts";
import type { KvWrite } from "./commits.ts";
import { KeyFilter } from "./key_filter.ts";
import type { KvKeys } from "./kv_keys.ts";
import type { PatientDatabase } from "./patient_database.ts";
import { readMany } from "./reads.ts";
import type { Pace } from "./under_way.ts";

// An entry that exists must be kept, so a commit checks each of its entries. That takes
// as long as storing them, and a commit may have few checks. Whoever fills an empty
// table needs only one: it leaves a mark in the database, and whoever else stores
// entries removes the mark in the same commit. While it is there, the table has nothing
// but what this process has stored.

/** Adds the removal of the mark of a filling to a commit that stores entries. */
export function endingFillings(atomic: KvAtomic, { mark }: KvKeys): KvAtomic {
  return atomic.delete?.(mark) ?? atomic;
}

/** Fills a table that was empty, as long as nobody else stores anything in it. */
export class Filling {
  /** The database of the table. */
  readonly database: PatientDatabase;
  #keys: KvKeys;
  #pace: Pace;
  #beginning: Promise<void> | undefined;
  /** The versionstamp of the mark, while nobody else has stored anything. */
  #versionstamp: string | undefined;
  #stored = new KeyFilter();

  /** `keys` makes the keys of the database. */
  constructor(database: PatientDatabase, keys: KvKeys, pace: Pace) {
    this.database = database;
    this.#keys = keys;
    this.#pace = pace;
  }

  /** Begins, once. Returns whether the table was empty, and nobody else stores. */
  async begin(): Promise<boolean> {
    this.#beginning ??= this.#begin();
    try {
      await this.#beginning;
    } catch (error) {
      this.#beginning = undefined;
      throw error;
    }
    return this.#versionstamp !== undefined;
  }

  async #begin(): Promise<void> {
    if (!await this.#isEmpty()) return;
    const { versionstamp } = await this.database.commit((atomic) =>
      atomic.set(this.#keys.mark, new Uint8Array())
    );
    this.#versionstamp = versionstamp;
    // Another process may have stored something before the mark was there.
    if (!await this.#isEmpty()) await this.end();
  }

  async #isEmpty(): Promise<boolean> {
    const { prefix } = this.#keys;
    return (await this.database.page({ prefix }, 1)).length === 0;
  }

  /**
   * Adds the entries that do not exist, and returns those; `undefined`, and it adds
   * none, when somebody else has stored something. The keys must differ.
   */
  async add<Write extends KvWrite>(
    writes: readonly Write[],
  ): Promise<readonly Write[] | undefined> {
    const versionstamp = this.#versionstamp;
    if (versionstamp === undefined) return undefined;
    const missing = await this.#missing(writes);
    // Before the commit: it may be done even if it fails.
    for (const { key } of missing) this.#stored.add(bytesOf(key));
    if (missing.length === 0) return missing;
    const { ok } = await this.database.commit((atomic) => {
      atomic = atomic.check({ key: this.#keys.mark, versionstamp });
      for (const { key, data } of missing) atomic = atomic.set(key, data);
      return atomic;
    });
    if (ok) return missing;
    this.#versionstamp = undefined;
    return undefined;
  }

  async #missing<Write extends KvWrite>(
    writes: readonly Write[],
  ): Promise<readonly Write[]> {
    const doubtful = writes.filter(({ key }) =>
      this.#stored.mayHave(bytesOf(key))
    );
    if (doubtful.length === 0) return writes;
    const { entries, failed } = await readMany(
      this.database,
      doubtful.map(({ key }) => key),
      this.#pace,
    );
    if (failed !== undefined) throw failed.error;
    const existing = new Set(
      doubtful.filter((_, at) => entries[at].versionstamp !== null),
    );
    return writes.filter((write) => !existing.has(write));
  }

  /** Removes the mark, unless somebody else has done so. */
  async end(): Promise<void> {
    if (this.#versionstamp === undefined) return;
    this.#versionstamp = undefined;
    await this.database.remove([this.#keys.mark]);
  }
}

/** The key of the table in a key of the database. */
function bytesOf(key: KvWrite["key"]): Uint8Array {
  return key[key.length - 1] as Uint8Array;
}
