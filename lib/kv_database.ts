/** A key of a KV database. */
export type KvKey = (string | Uint8Array)[];

/** An entry of a KV database; `versionstamp` is `null` when there is none. */
export interface KvEntry {
  /** The key. */
  readonly key: readonly unknown[];
  /** The value, `null` when there is none. */
  readonly value: unknown;
  /** Changes with each write. */
  readonly versionstamp: string | null;
}

/** Several writes that are done together or not at all. */
export interface KvAtomic {
  /** Demands that an entry is as it was. */
  check(...checks: { key: KvKey; versionstamp: string | null }[]): KvAtomic;
  /** Writes an entry. */
  set(key: KvKey, value: unknown): KvAtomic;
  /** Removes an entry; missing where entries are removed one by one. */
  delete?(key: KvKey): KvAtomic;
  /** Does it; `ok` is false when a check failed. */
  commit(): Promise<{ ok: boolean }>;
}

/**
 * The part of a KV database that the table needs: Deno KV, `@deno/kv`, the
 * `workersKv` of `@postmaps/memcache-table/workers-kv`, or anything with the
 * same methods.
 */
export interface KvDatabase {
  /** Reads an entry. */
  get(key: KvKey): Promise<KvEntry>;
  /**
   * Reads at most ten entries, in the order of the keys; missing where entries
   * are read one by one.
   */
  getMany?(keys: KvKey[]): Promise<KvEntry[]>;
  /** Writes an entry. */
  set(key: KvKey, value: unknown): Promise<unknown>;
  /** Removes an entry. */
  delete(key: KvKey): Promise<void>;
  /** Reads entries in the order of their keys. */
  list(
    selector: { prefix: KvKey } | { prefix: KvKey; start: KvKey },
    options?: { limit?: number; batchSize?: number },
  ): AsyncIterable<KvEntry>;
  /** Starts writes that are done together. */
  atomic(): KvAtomic;
  /**
   * How many bytes of the longest possible key a key takes, and how many there
   * are; missing where the limits are those of Deno KV.
   */
  measureKey?(key: KvKey): { bytes: number; longest: number };
  /** Frees it. */
  close(): void;
}

/** Opens KV databases by their path. */
export interface KvLibrary {
  /** Opens one, `undefined` for the default one; makes it where there is none. */
  openKv(path: string | undefined): Promise<KvDatabase>;
}
