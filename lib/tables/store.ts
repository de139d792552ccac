import type { Entry } from "../table.ts";

/**
 * What a table type implements. Keys and values arrive checked, keys folded
 * where the type has fixed strings as keys; {@linkcode StoreTable} makes a
 * table of it.
 */
export interface Store {
  /** As in Table. */
  lookup(key: string, signal?: AbortSignal): Promise<string | undefined>;
  /** As in Table; missing where the type cannot be written. */
  update?(key: string, value: string, signal?: AbortSignal): Promise<boolean>;
  /**
   * Stores some entries together; tells of each whether it was stored. Missing
   * where the type has nothing better than one after the other.
   */
  updateBatch?(
    entries: readonly Entry[],
    signal?: AbortSignal,
  ): Promise<boolean[]>;
  /** As in Table; missing where the type cannot be written. */
  delete?(key: string, signal?: AbortSignal): Promise<boolean>;
  /** All entries; missing where the type cannot list them. */
  sequence?(): AsyncIterable<Entry>;
  /** Ends requests with `reason` and frees what is open. */
  close?(reason?: unknown): Promise<void>;
}
