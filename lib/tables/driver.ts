import type { ByteStrings } from "../bytes/byte_strings.ts";
import type { Entry } from "../table.ts";

/** What became of lookups that were made together. */
export interface BatchAnswer {
  /** The value of each key; missing where there is none. */
  readonly values: ByteStrings;
  /**
   * The first key whose lookup failed. Values of keys before it are sure, what
   * comes after it is not.
   */
  readonly failed?: { readonly at: number; readonly error: unknown };
  /**
   * To be called, once, by whoever needs the values no more, if he likes: then
   * their memory serves the next batch.
   */
  readonly release?: () => void;
}

/** What became of writes that were made together. */
export interface WriteAnswer {
  /** Of each whether it was done; not sure from the first failure on. */
  readonly done: readonly boolean[];
  /** The first write that failed. */
  readonly failed?: { readonly at: number; readonly error: unknown };
}

/**
 * What a table type implements. Keys and values arrive checked, keys folded
 * where the type has fixed strings as keys; {@linkcode DriverTable} makes a
 * table of it. A type that can be written has `update` or `updateBatch`, and
 * `delete` or `deleteBatch`.
 */
export interface Driver {
  /** Opens what requests need, where the driver does not do that by itself. */
  open?(): Promise<void>;
  /** As in Table. */
  lookup(key: string, signal?: AbortSignal): Promise<string | undefined>;
  /**
   * Looks some keys up together. Missing where the type has nothing better than
   * one after the other.
   */
  lookupBatch?(keys: ByteStrings, signal?: AbortSignal): Promise<BatchAnswer>;
  /** As in Table. */
  update?(key: string, value: string, signal?: AbortSignal): Promise<boolean>;
  /** Stores some entries together. */
  updateBatch?(
    entries: readonly Entry[],
    signal?: AbortSignal,
  ): Promise<WriteAnswer>;
  /** How many batches of writes may be under way at once; one unless told. */
  readonly writesAtOnce?: number;
  /** As in Table. */
  delete?(key: string, signal?: AbortSignal): Promise<boolean>;
  /**
   * Why an update of an entry would be refused by a rule, where that can be said
   * without the database or the server.
   */
  whyNotStored?(
    key: string,
    value: string,
  ): string | undefined | Promise<string | undefined>;
  /** Removes some keys together. */
  deleteBatch?(
    keys: readonly string[],
    signal?: AbortSignal,
  ): Promise<WriteAnswer>;
  /** All entries; missing where the type cannot list them. */
  sequence?(): AsyncIterable<Entry>;
  /** Ends requests with `reason` and frees what is open. */
  close?(reason?: unknown): Promise<void>;
}
