import type { WriteAnswer } from "../driver.ts";
import type { PatientDatabase } from "./patient_database.ts";

/** A batch of writes. It takes several commits, and can be repeated as a whole. */
export interface KvWrites {
  /** Whether there is nothing to do. */
  readonly isEmpty: boolean;
  /** Whether each write was done. */
  readonly done: boolean[];
  /** How many of the first elements of `done` are final. */
  readonly known: number;
  /** Does all writes, from the first on. */
  run(database: PatientDatabase): Promise<void>;
  /** Reports the writes that were not done. */
  reportUnwritten?(): void;
}

/** Does a batch of writes. After a failure, the answer tells what was done. */
export async function writeAll(
  writes: KvWrites,
  run: () => Promise<void>,
): Promise<WriteAnswer> {
  try {
    if (!writes.isEmpty) await run();
    return { done: writes.done };
  } catch (error) {
    return { done: writes.done, failed: { at: writes.known, error } };
  } finally {
    writes.reportUnwritten?.();
  }
}
