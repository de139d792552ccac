import type { KvAtomic } from "../../kv_database.ts";
import type { KvWrite } from "./commits.ts";
import { KeyFilter } from "./key_filter.ts";
import type { KvKeys } from "./kv_keys.ts";
import type { PatientDatabase } from "./patient_database.ts";
import { findExisting } from "./reads.ts";
import type { Pace } from "./under_way.ts";

// An entry that exists must be kept, so a commit checks each of its entries. That takes
// as long as storing them, and a commit may have few checks. Whoever fills an empty
// table needs only one: it leaves a mark in the database, and whoever else stores
// entries removes the mark in the same commit. While it is there, the table has nothing
// but what this process has stored. A program that writes the database without this
// module does not remove it: what it stores meanwhile may be overwritten.

// Entries of a commit that are looked for, and do not exist, until the filling ends: the
// filter is full, and to check each entry takes less time.
const mostInVain = 60;

/** Adds the removal of the mark of a filling to a commit that stores entries. */
export function endingFillings(atomic: KvAtomic, { mark }: KvKeys): KvAtomic {
  return atomic.delete?.(mark) ?? atomic;
}

/** What is known of a table while nobody else stores anything in it. */
interface Progress {
  /** The versionstamp of the mark. */
  readonly versionstamp: string;
  /** The keys that this process has stored. */
  readonly stored: KeyFilter;
}

/** Fills a table that was empty, as long as nobody else stores anything in it. */
export class Filling {
  /** The database of the table. */
  readonly database: PatientDatabase;
  #keys: KvKeys;
  #pace: Pace;
  /** Whether the mark may be in the database. */
  #hasMark: boolean;
  #beginning: Promise<void> | undefined;
  #progress: Progress | undefined;

  /**
   * `keys` makes the keys of the database. The mark of `last`, the filling of the
   * database that was open before, may be in the same file.
   */
  constructor(
    database: PatientDatabase,
    keys: KvKeys,
    pace: Pace,
    last: Filling | undefined,
  ) {
    this.database = database;
    this.#keys = keys;
    this.#pace = pace;
    this.#hasMark = last !== undefined && last.#hasMark;
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
    return this.#progress !== undefined;
  }

  async #begin(): Promise<void> {
    // Other tables of such a database could not remove the mark.
    if (!this.database.hasAtomicDelete) return;
    if (!await this.#isEmpty()) return;
    this.#hasMark = true;
    const { versionstamp } = await this.database.commit((atomic) =>
      atomic.set(this.#keys.mark, new Uint8Array())
    );
    // Another process may have stored something before the mark was there.
    if (versionstamp === undefined || !await this.#isEmpty()) return;
    this.#progress = { versionstamp, stored: new KeyFilter() };
  }

  async #isEmpty(): Promise<boolean> {
    const { prefix } = this.#keys;
    return (await this.database.page({ prefix }, 1)).length === 0;
  }

  /**
   * Adds the entries that do not exist, and returns those. `undefined`, and it adds
   * none, when it has ended: somebody else has stored something, or the filter is full.
   * The keys must differ, and no other call may have one of them at the same time.
   */
  async add<Write extends KvWrite>(
    writes: readonly Write[],
  ): Promise<readonly Write[] | undefined> {
    const progress = this.#progress;
    if (progress === undefined) return undefined;
    const { versionstamp, stored } = progress;
    const doubtful = writes.filter(({ key }) => stored.mayHave(bytesOf(key)));
    const existing = await findExisting(this.database, doubtful, this.#pace);
    if (doubtful.length - existing.size > mostInVain) {
      this.#progress = undefined;
      return undefined;
    }
    const missing = writes.filter((write) => !existing.has(write));
    if (missing.length === 0) return missing;
    let ok = false;
    try {
      ({ ok } = await this.database.commit((atomic) => {
        atomic = atomic.check({ key: this.#keys.mark, versionstamp });
        for (const { key, data } of missing) atomic = atomic.set(key, data);
        return atomic;
      }));
    } finally {
      // After an error, too: it may be done later, when its keys were not found.
      if (!ok) this.#progress = undefined;
    }
    if (!ok) return undefined;
    for (const { key } of missing) stored.add(bytesOf(key));
    return missing;
  }

  /**
   * Ends it, and removes the mark from the database that is open now, where it may
   * be: that ends no more than a filling.
   */
  async end(database: PatientDatabase): Promise<void> {
    this.#progress = undefined;
    if (!this.#hasMark) return;
    this.#hasMark = false;
    await database.remove([this.#keys.mark]);
  }
}

/** The key of the table in a key of the database. */
function bytesOf(key: KvWrite["key"]): Uint8Array {
  return key[key.length - 1] as Uint8Array;
}
