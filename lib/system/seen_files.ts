import { type FileLooks, fileLooks } from "./files.ts";

// Milliseconds. A file that was written less long ago may be written again without
// any sign of it: the clock of a file system ticks some hundred times a second.
const hot = 2000;
// A file that was written less long ago may not be complete yet.
const fresh = 500;

interface Seen {
  readonly version: string;
  /** A sum of the content, as long as the file is hot. */
  sum: number | undefined;
  /** The version of the last look. */
  latest: string;
}

/**
 * Files as they were when they were read. Says whether one of them has changed
 * since.
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
  #looks: FileLooks;
  #seen = new Map<string, Seen>();

  private constructor(looks: FileLooks) {
    this.#looks = looks;
  }

  /** Has seen none yet. */
  static async make(): Promise<SeenFiles> {
    return new SeenFiles(await fileLooks());
  }

  /** Remembers a file that is about to be read, or is missing. */
  see(path: string): void {
    if (this.#seen.has(path)) return;
    const { version, modified } = this.#looks.look(path);
    const sum = isYounger(modified, hot) ? this.#sum(path) : undefined;
    this.#seen.set(path, { version, sum, latest: version });
  }

  /**
   * Whether the files are as they were seen. One that is being written, or is
   * missing since the last look, is `changing`: look again after a moment.
   */
  look(): "same" | "changing" | "changed" {
    let result: "same" | "changing" | "changed" = "same";
    for (const [path, seen] of this.#seen) {
      const { version, modified } = this.#looks.look(path);
      if (version === seen.version) {
        if (this.#isRewritten(path, seen, modified)) return "changed";
        continue;
      }
      const isComplete = version === seen.latest ||
        modified > 0 && !isYounger(modified, fresh);
      seen.latest = version;
      // Of several that change together none may be missed.
      if (!isComplete) result = "changing";
      else if (result === "same") result = "changed";
    }
    return result;
  }

  /** Whether a hot file has another content, although it looks as it did. */
  #isRewritten(path: string, seen: Seen, modified: number): boolean {
    if (seen.sum === undefined) return false;
    if (this.#sum(path) !== seen.sum) return true;
    if (!isYounger(modified, hot)) seen.sum = undefined;
    return false;
  }

  /** As in FNV-1a; 0 for a file that cannot be read. */
  #sum(path: string): number {
    let sum = 0;
    for (const byte of this.#looks.read(path) ?? []) {
      sum = Math.imul(sum ^ byte, 0x01000193);
    }
    return sum;
  }
}

function isYounger(modified: number, milliseconds: number): boolean {
  return Math.abs(Date.now() - modified) < milliseconds;
}
