import { type FileProbe, fileProbe } from "./files.ts";

// Milliseconds since a file was written. Below the first limit, another write may
// leave its times unchanged, because file systems have a coarse clock.
const coarseClock = 2000;
// Below this limit, the file may not be complete yet.
const writeTime = 500;

interface SeenFile {
  readonly version: string;
  /** A checksum of the content, while the times are not reliable. */
  sum: number | undefined;
  /** The version at the last call of `look`. */
  lastVersion: string;
}

/**
 * Remembers the state of files when they are read, and detects changes since then.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { SeenFiles } from "./seen_files.ts";
 *
 * const files = await SeenFiles.make();
 * const path = await Deno.makeTempFile();
 * files.see(path);
 * assertEquals(files.look(), "same");
 * await Deno.remove(path);
 * assertEquals(files.look(), "changing");
 * assertEquals(files.look(), "changed");
 * ```
 */
export class SeenFiles {
  #probe: FileProbe;
  #seen = new Map<string, SeenFile>();

  private constructor(probe: FileProbe) {
    this.#probe = probe;
  }

  /** Remembers no file yet. */
  static async make(): Promise<SeenFiles> {
    return new SeenFiles(await fileProbe());
  }

  /** Remembers the state of a file. Call it before the file is read. */
  see(path: string): void {
    if (this.#seen.has(path)) return;
    const { version, modified } = this.#probe.look(path);
    const sum = isYounger(modified, coarseClock) ? this.#sum(path) : undefined;
    this.#seen.set(path, { version, sum, lastVersion: version });
  }

  /**
   * Whether the files have changed. `changing`: a file is being written, or has just
   * been removed; look again after a moment.
   */
  look(): "same" | "changing" | "changed" {
    let result: "same" | "changing" | "changed" = "same";
    for (const [path, seen] of this.#seen) {
      const { version, modified } = this.#probe.look(path);
      if (version === seen.version) {
        if (this.#isRewritten(path, seen, modified)) return "changed";
        continue;
      }
      const isComplete = version === seen.lastVersion ||
        modified > 0 && !isYounger(modified, writeTime);
      seen.lastVersion = version;
      // If several files change together, wait until all of them are complete.
      if (!isComplete) result = "changing";
      else if (result === "same") result = "changed";
    }
    return result;
  }

  /** Whether the content of a file changed although its version did not. */
  #isRewritten(path: string, seen: SeenFile, modified: number): boolean {
    if (seen.sum === undefined) return false;
    if (this.#sum(path) !== seen.sum) return true;
    if (!isYounger(modified, coarseClock)) seen.sum = undefined;
    return false;
  }

  /** A checksum like FNV-1a; 0 for a file that cannot be read. */
  #sum(path: string): number {
    let sum = 0;
    for (const byte of this.#probe.read(path) ?? []) {
      sum = Math.imul(sum ^ byte, 0x01000193);
    }
    return sum;
  }
}

function isYounger(modified: number, milliseconds: number): boolean {
  return Math.abs(Date.now() - modified) < milliseconds;
}
