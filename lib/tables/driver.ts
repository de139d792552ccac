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

/** Writes that were made together failed, and some of them were done by then. */
export class PartlyWrittenError extends Error {
  /** What became of the first of them: what the request tells when all are done. */
  readonly done: readonly boolean[];

  /** `cause` is what the next one failed with. */
  constructor(done: readonly boolean[], cause: unknown) {
    super("only some were written", { cause });
    this.done = done;
  }
}

/**
 * What a table type implements. Keys and values arrive checked, keys folded
 * where the type has fixed strings as keys; {@linkcode DriverTable} makes a
 * table of it.
 */
export interface Driver {
  /** As in Table. */
  lookup(key: string, signal?: AbortSignal): Promise<string | undefined>;
  /**
   * Looks some keys up together. Missing where the type has nothing better than
   * one after the other.
   */
  lookupBatch?(keys: ByteStrings, signal?: AbortSignal): Promise<BatchAnswer>;
  /** As in Table; missing where the type cannot be written. */
  update?(key: string, value: string, signal?: AbortSignal): Promise<boolean>;
  /**
   * Stores some entries together; tells of each whether it was stored. Missing
   * where the type has nothing better than one after the other. When it fails in
   * the middle it throws {@linkcode PartlyWrittenError}, where it knows so much.
   */
  updateBatch?(
    entries: readonly Entry[],
    signal?: AbortSignal,
  ): Promise<boolean[]>;
  /** How many batches of writes may be under way at once; one unless told. */
  readonly writesAtOnce?: number;
  /** As in Table; missing where the type cannot be written. */
  delete?(key: string, signal?: AbortSignal): Promise<boolean>;
  /**
   * Removes some keys together; tells of each whether it was there. Missing where
   * the type has nothing better than one after the other.
   */
  deleteBatch?(
    keys: readonly string[],
    signal?: AbortSignal,
  ): Promise<boolean[]>;
  /** All entries; missing where the type cannot list them. */
  sequence?(): AsyncIterable<Entry>;
  /** Ends requests with `reason` and frees what is open. */
  close?(reason?: unknown): Promise<void>;
}
