import type {
  KvAtomic,
  KvDatabase,
  KvEntry,
  KvKey,
} from "../../kv_database.ts";
import type { Patience } from "./patience.ts";

/** The database was retired. The request must start again with a new one. */
export class RetiredError extends Error {}

/** A database with a time limit for each call, from {@linkcode Patience}. */
export class PatientDatabase implements KvDatabase {
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

  delete(key: KvKey): Promise<void> {
    return this.#run(() => this.#database.delete(key));
  }

  /** Reads all entries first, so that an unfinished listing keeps nothing open. */
  async *list(
    selector: { prefix: KvKey } | { prefix: KvKey; start: KvKey },
    options?: { limit?: number; batchSize?: number },
  ): AsyncGenerator<KvEntry> {
    yield* await this.#run(async () => {
      const entries: KvEntry[] = [];
      for await (const entry of this.#database.list(selector, options)) {
        entries.push(entry);
      }
      return entries;
    });
  }

  /**
   * Records the steps and applies them on commit, so that they can be repeated
   * when the database is locked. Keys are removed one by one where the database
   * has no atomic delete.
   */
  atomic(): KvAtomic {
    const steps: ((atomic: KvAtomic) => KvAtomic)[] = [];
    const removed: KvKey[] = [];
    const atomic: KvAtomic = {
      check(...checks) {
        steps.push((made) => made.check(...checks));
        return atomic;
      },
      set(key, value) {
        steps.push((made) => made.set(key, value));
        return atomic;
      },
      delete(key) {
        removed.push(key);
        return atomic;
      },
      commit: () => this.#run(() => this.#commit(steps, removed)),
    };
    return atomic;
  }

  async #commit(
    steps: readonly ((atomic: KvAtomic) => KvAtomic)[],
    removed: readonly KvKey[],
  ): Promise<{ ok: boolean }> {
    const database = this.#database;
    let made = database.atomic();
    for (const step of steps) made = step(made);
    if (made.delete === undefined && removed.length > 0) {
      for (const key of removed) await database.delete(key);
      return { ok: true };
    }
    for (const key of removed) made = made.delete!(key);
    return await made.commit();
  }

  /** As in KvDatabase. */
  close(): void {
    this.#database.close();
  }
}
