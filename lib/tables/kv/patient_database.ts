import type {
  KvAtomic,
  KvDatabase,
  KvEntry,
  KvKey,
} from "../../kv_database.ts";
import type { Patience } from "./patience.ts";

/** What a request made before, and cannot use any more: it is to begin anew. */
export class RetiredError extends Error {}

/** A database whose calls are waited for with patience. */
export class PatientDatabase implements KvDatabase {
  #database: KvDatabase;
  #patience: Patience;
  /** As in KvDatabase; missing where the database has none. */
  readonly getMany?: KvDatabase["getMany"];
  /** As in KvDatabase; missing where the database has none. */
  readonly measureKey?: KvDatabase["measureKey"];
  /** Set when no new calls may be made. */
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

  /** All at once: a listing that is left in the middle holds nothing open. */
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
   * Made when it is committed, and again where the database was locked. What is
   * removed is removed one by one where the database cannot do better.
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
