import { ConfigError, reasonOf } from "../errors.ts";
import { environment } from "./files.ts";
import { loadNodeModule, runtime } from "./runtime.ts";

/** A temporary file without a name, for data that does not fit into memory. */
export interface Spool {
  /** Appends bytes. Returns their offset. */
  append(bytes: Uint8Array): number;
  /** Reads `length` bytes, fewer only at the end of the file. */
  readAt(at: number, length: number): Uint8Array<ArrayBuffer>;
  /** Closes the file, which frees its disk space. */
  close(): void;
}

/**
 * Opens a temporary file in `$TMPDIR`, or /tmp, and removes its name at once, so that
 * it does not outlive the program. Returns `undefined` if the runtime has no files.
 * Throws {@linkcode ConfigError} if the file cannot be created.
 */
export async function openSpool(): Promise<Spool | undefined> {
  if (runtime === "other") return undefined;
  const folder = environment("TMPDIR") || "/tmp";
  const files = (await loadNodeModule("node:fs"))!;
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
  const explainErrors = <T>(work: () => T): T => {
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
      explainErrors(() => {
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
      explainErrors(() => {
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
