import type { WriteAnswer } from "../driver.ts";
import type { PatientDatabase } from "./patient_database.ts";

/** A batch of writes. It takes several commits, and can be repeated as a whole. */
export interface KvWrites {
  /** Whether there is nothing to do. */
  readonly isEmpty: boolean;
  /** Whether each write was done. */
  readonly done: boolean[];
  /** How many of the first elements of `done` are final, if no more is done. */
  readonly known: number;
  /** Does all writes, from the first on. */
  run(database: PatientDatabase): Promise<void>;
  /** Reports the writes that were not done, in their order. */
  reportUnwritten?(): void;
}

/** How many of the first writes are final. */
export function countFinal(isFinal: readonly boolean[]): number {
  const at = isFinal.indexOf(false);
  return at < 0 ? isFinal.length : at;
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
    // The file may have been replaced after all was written: then nothing is final.
    const { known, done } = writes;
    return { done, failed: { at: known < done.length ? known : 0, error } };
  } finally {
    writes.reportUnwritten?.();
  }
}
