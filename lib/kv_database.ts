/** A key of a KV database. */
export type KvKey = (string | Uint8Array)[];

/** The result of reading a key of a KV database. */
export interface KvEntry {
  /** The key. */
  readonly key: readonly unknown[];
  /** The value; `null` if the key does not exist. */
  readonly value: unknown;
  /** Changes with each write; `null` if the key does not exist. */
  readonly versionstamp: string | null;
}

/** The result of a transaction. */
export interface KvCommit {
  /** Whether it was done; `false` if a check failed. */
  readonly ok: boolean;
  /** The new versionstamp of all entries that it wrote, if the database tells that. */
  readonly versionstamp?: string;
}

/** A transaction: either all of its writes are done, or none. */
export interface KvAtomic {
  /** Requires that entries still have these versionstamps. */
  check(...checks: { key: KvKey; versionstamp: string | null }[]): KvAtomic;
  /** Adds a write. */
  set(key: KvKey, value: unknown): KvAtomic;
  /** Adds the removal of an entry. Without this method, each is removed by itself. */
  delete?(key: KvKey): KvAtomic;
  /** Executes the transaction. */
  commit(): Promise<KvCommit>;
}

/**
 * The part of a KV database that a table uses. Implemented by Deno KV, `@deno/kv`,
 * and the `workersKv` of `@postmaps/memcache-table/workers-kv`.
 */
export interface KvDatabase {
  /** Reads an entry. */
  get(key: KvKey): Promise<KvEntry>;
  /**
   * Reads at most ten entries, in the order of the keys. Without this method, each
   * entry is read by itself.
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
  /** Starts a transaction. */
  atomic(): KvAtomic;
  /**
   * The length of a key in bytes, and the longest allowed one. Without this method,
   * the limits of Deno KV apply.
   */
  measureKey?(key: KvKey): { bytes: number; longest: number };
  /** Closes it. */
  close(): void;
}

/** A library that opens KV databases. */
export interface KvLibrary {
  /**
   * Opens the database at a path or URL, or the default one; makes a file that is
   * missing.
   */
  openKv(path: string | undefined): Promise<KvDatabase>;
}
