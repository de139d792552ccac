import { environment } from "../system/files.ts";
import { nodeModule } from "../system/runtime.ts";

/** The part of `node:fs` that is needed. Deno has it too. */
interface NodeFiles {
  fstatSync(file: number): { dev: number; ino: number };
}

/**
 * Whether standard error goes to the journal of systemd. `$JOURNAL_STREAM` is the
 * device number and the inode number of the stream that the journal reads.
 *
 * Implements "$JOURNAL_STREAM" of systemd.exec(5).
 */
export function goesToJournal(): boolean {
  const stream = environment("JOURNAL_STREAM");
  const files = nodeModule("node:fs") as NodeFiles | undefined;
  if (stream === undefined || files === undefined) return false;
  try {
    const { dev, ino } = files.fstatSync(2);
    return stream === `${dev}:${ino}`;
  } catch {
    // Standard error is closed.
    return false;
  }
}
