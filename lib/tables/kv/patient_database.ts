import type {
  KvAtomic,
  KvCommit,
  KvDatabase,
  KvEntry,
  KvKey,
} from "../../kv_database.ts";
import type { Patience } from "./patience.ts";

/** The database was retired. The request must start again with a new one. */
export class RetiredError extends Error {}

/** A database with a time limit for each call, from {@linkcode Patience}. */
export class PatientDatabase {
  #database: KvDatabase;
  #patience: Patience;
  /** As in KvDatabase; absent where the database does not have it. */
  readonly getMany?: KvDatabase["getMany"];
  /** As in KvDatabase; absent where the database does not have it. */
  readonly measureKey?: KvDatabase["measureKey"];
  /** Whether new calls are forbidden. */
  isRetired = false;

  constructor(database: KvDatabase, patience: Patience) {
    this.#database = database;
    this.#patience = patience;
    if (database.getMany !== undefined) {
      this.getMany = (keys) => this.#run(() => database.getMany!(keys));
    }
    if (database.measureKey !== undefined) {
      this.measureKey = (key) => database.measureKey!(key);
    }
  }

  /** Whether a transaction can remove entries. */
  get hasAtomicDelete(): boolean {
    return this.#database.atomic().delete !== undefined;
  }

  #run<T>(call: () => Promise<T>): Promise<T> {
    if (this.isRetired) return Promise.reject(new RetiredError());
    return this.#patience.run(call);
  }

  get(key: KvKey): Promise<KvEntry> {
    return this.#run(() => this.#database.get(key));
  }

  set(key: KvKey, value: unknown): Promise<unknown> {
    return this.#run(() => this.#database.set(key, value));
  }

  /** Reads a part of a listing as a whole, so that nothing of it is left open. */
  page(
    selector: { prefix: KvKey } | { prefix: KvKey; start: KvKey },
    limit: number,
  ): Promise<KvEntry[]> {
    return this.#run(async () => {
      const entries: KvEntry[] = [];
      const options = { limit, batchSize: limit };
      for await (const entry of this.#database.list(selector, options)) {
        entries.push(entry);
      }
      return entries;
    });
  }

  /**
   * Does a transaction, with the steps that `build` adds to it. `build` is called
   * again when the database is locked.
   */
  commit(build: (atomic: KvAtomic) => KvAtomic): Promise<KvCommit> {
    return this.#run(() => build(this.#database.atomic()).commit());
  }

  /**
   * Removes entries, all or none; one by one where the database has no atomic
   * delete.
   */
  async remove(keys: readonly KvKey[]): Promise<void> {
    await this.#run(async () => {
      const database = this.#database;
      let made = keys.length === 1 ? undefined : database.atomic();
      if (made?.delete === undefined) {
        for (const key of keys) await database.delete(key);
        return;
      }
      for (const key of keys) made = made.delete!(key);
      await made.commit();
    });
  }
}
