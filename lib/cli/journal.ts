import { environment } from "../system/files.ts";
import { nodeModule } from "../system/runtime.ts";

/** What is used of Node's files, which Deno has too. */
interface Files {
  fstatSync(file: number): { dev: number; ino: number };
}

/**
 * Whether standard error goes to the journal of systemd: `$JOURNAL_STREAM` names
 * the device and the inode of the stream that it reads.
 *
 * Implements "$JOURNAL_STREAM" of systemd.exec(5).
 */
export function goesToJournal(): boolean {
  const stream = environment("JOURNAL_STREAM");
  const files = nodeModule("node:fs") as Files | undefined;
  if (stream === undefined || files === undefined) return false;
  try {
    const { dev, ino } = files.fstatSync(2);
    return stream === `${dev}:${ino}`;
  } catch {
    // There is no standard error.
    return false;
  }
}
