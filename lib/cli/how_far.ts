import { formatCount } from "./progress.ts";
import type { Report } from "./streams.ts";

/** What an action has done. */
export interface Done {
  /** Number of entries that it stored, if it stores any. */
  readonly stored?: number;
  /** Number of entries that it did not store, though it came to them. */
  readonly notStored?: number;
  /** Number of entries that it removed. */
  readonly removed?: number;
}

/** Says how far an action came that failed, if it has changed anything. */
export function tellHowFar(report: Report, done: Done): void {
  const { stored = 0, removed = 0 } = done;
  if (stored > 0 || removed > 0) report.note(howFar(done));
}

/** The sentence about how far an action came. */
export function howFar({ stored, notStored = 0, removed }: Done): string {
  const parts = stored === undefined
    ? []
    : [`${formatCount(stored)} entries stored, ${formatCount(notStored)} not`];
  if (removed !== undefined) {
    const entries = parts.length === 0 ? " entries" : "";
    parts.push(`${formatCount(removed)}${entries} removed`);
  }
  return parts.join(", ");
}
