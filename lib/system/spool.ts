import { ConfigError, reasonOf } from "../errors.ts";
import { environment } from "./files.ts";
import { nodeModule, runtime } from "./runtime.ts";

type Files = typeof import("node:fs");

/** A file for what does not fit into memory, which nobody else sees. */
export interface Spool {
  /** Adds bytes at its end; returns where they begin. */
  append(bytes: Uint8Array): number;
  /** Reads up to so many bytes; fewer only at its end. */
  readAt(at: number, length: number): Uint8Array<ArrayBuffer>;
  /** Gives its room on the disk back. */
  close(): void;
}

/**
 * Opens a spool in `$TMPDIR`, or /tmp. The file has no name by the time that
 * this returns: whatever ends the program, nothing of it stays. `undefined`
 * where the runtime has no files; {@linkcode ConfigError} where none can be made.
 */
export async function openSpool(): Promise<Spool | undefined> {
  if (runtime === "other") return undefined;
  const folder = environment("TMPDIR") || "/tmp";
  const files = nodeModule("node:fs") as Files | undefined ??
    await import("node:fs");
  const path = `${folder}/memcache-table-${crypto.randomUUID()}`;
  let file: number;
  try {
    file = files.openSync(path, "wx+", 0o600);
    files.unlinkSync(path);
  } catch (cause) {
    throw new ConfigError(
      `what does not fit into memory cannot be put into a file of ${folder}: ` +
        `${reasonOf(cause)}: set TMPDIR to a directory that may be written ` +
        "(and give --allow-read and --allow-write of it)",
      { cause },
    );
  }
  let size = 0;
  const orExplained = <T>(work: () => T): T => {
    try {
      return work();
    } catch (cause) {
      throw new ConfigError(
        `the temporary file in ${folder} fails: ${reasonOf(cause)}: ` +
          "make room there, or set TMPDIR to another directory",
        { cause },
      );
    }
  };
  return {
    append: (bytes) =>
      orExplained(() => {
        const start = size;
        for (let done = 0; done < bytes.length;) {
          const rest = bytes.length - done;
          const written = files.writeSync(file, bytes, done, rest, size);
          done += written;
          size += written;
        }
        return start;
      }),
    readAt: (at, length) =>
      orExplained(() => {
        const bytes = new Uint8Array(length);
        let done = 0;
        while (done < length) {
          const rest = length - done;
          const read = files.readSync(file, bytes, done, rest, at + done);
          if (read === 0) break;
          done += read;
        }
        return bytes.subarray(0, done);
      }),
    close: () => files.closeSync(file),
  };
}
