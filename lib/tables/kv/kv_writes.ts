import type { WriteAnswer } from "../driver.ts";
import type { PatientDatabase } from "./patient_database.ts";

/** Writes that are done in several commits, and can be done anew as a whole. */
export interface KvWrites {
  /** Whether there is nothing to do. */
  readonly isEmpty: boolean;
  /** Of each write, in its order, whether something came of it. */
  readonly done: boolean[];
  /** How many of them, from the first on, are known to be so. */
  readonly known: number;
  /** Does them all, from the first on. */
  run(database: PatientDatabase): Promise<void>;
  /** Tells of those that came to nothing. */
  tell?(): void;
}

/** Does writes; what fails in the middle says what was done by then. */
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
    writes.tell?.();
  }
}
