import type { ByteStrings } from "../bytes/byte_strings.ts";
import type { Entry } from "../table.ts";

/** The result of a batch of lookups. */
export interface BatchAnswer {
  /** The value of each key; absent where the key has none. */
  readonly values: ByteStrings;
  /**
   * The first key whose lookup failed. Values of earlier keys are final, those of
   * later keys are not.
   */
  readonly failed?: { readonly at: number; readonly error: unknown };
  /**
   * Gives the memory of the values back for the next batch. Calling it is
   * optional; call it once at most, when the values are no longer needed.
   */
  readonly release?: () => void;
}

/** The result of a batch of writes. */
export interface WriteAnswer {
  /** Whether each write was done; final only before the first failure. */
  readonly done: readonly boolean[];
  /** The first write that failed. */
  readonly failed?: { readonly at: number; readonly error: unknown };
}

/** How a driver takes batches of writes. */
export interface WritePace {
  /** How many writes a batch has. */
  readonly batchSize: number;
  /** How many batches may run concurrently. */
  readonly batches: number;
}

/**
 * What a table type implements; {@linkcode DriverTable} makes a table of it. Keys
 * and values arrive checked, and keys folded, unless the type folds them itself.
 * A writable type has `update` or `updateBatch`, and `delete` or `deleteBatch`.
 */
export interface Driver {
  /** Opens what requests need. Without it, the driver is open already. */
  open?(): Promise<void>;
  /** As in Table. */
  lookup(key: string, signal?: AbortSignal): Promise<string | undefined>;
  /**
   * Looks up a batch of keys. Without it, they are looked up one by one. The table ends
   * it by its signal, unless `heedsSignal`.
   */
  lookupBatch?(keys: ByteStrings, signal?: AbortSignal): Promise<BatchAnswer>;
  /** Whether `lookupBatch` ends by its signal itself, with the values so far. */
  readonly heedsSignal?: boolean;
  /** As in Table. */
  update?(key: string, value: string, signal?: AbortSignal): Promise<boolean>;
  /** Stores a batch of entries. */
  updateBatch?(
    entries: readonly Entry[],
    signal?: AbortSignal,
  ): Promise<WriteAnswer>;
  /** How it takes batches of writes; by default large ones, one after the other. */
  readonly writePace?: WritePace;
  /** As in Table. */
  delete?(key: string, signal?: AbortSignal): Promise<boolean>;
  /**
   * Why a rule refuses an update of an entry; `undefined` if none does. Checks
   * only what can be checked without the database or the server.
   */
  whyNotStored?(
    key: string,
    value: string,
  ): string | undefined | Promise<string | undefined>;
  /** Removes a batch of keys. */
  deleteBatch?(
    keys: readonly string[],
    signal?: AbortSignal,
  ): Promise<WriteAnswer>;
  /**
   * Makes a database without entries if there is none. Absent where a table without
   * entries needs none.
   */
  create?(): Promise<void>;
  /** Lists all entries. Absent where the type cannot do that. */
  sequence?(): AsyncIterable<Entry>;
  /**
   * Whether the end of the program frees all that is open, and nothing is under
   * way that has to be awaited.
   */
  endsWithProgram?(): boolean;
  /** Ends requests with `reason` and frees what is open. */
  close?(reason?: unknown): Promise<void>;
}
