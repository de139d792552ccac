import { Folder } from "./folder.ts";
import { run } from "./processes.ts";

/**
 * A `regexp:` file that postmap cannot read to its end, once the table is open: it is
 * a pipe then.
 */
export class EndlessFile implements AsyncDisposable {
  /** The name of the table. */
  readonly table: string;
  #folder: Folder;
  #path: string;

  private constructor(folder: Folder, path: string) {
    this.#folder = folder;
    this.#path = path;
    this.table = `regexp:${path}`;
  }

  /** Makes a file that can still be read. */
  static async make(): Promise<EndlessFile> {
    const folder = await Folder.make();
    return new EndlessFile(folder, await folder.write("domains", "/a/ b\n"));
  }

  /** From now on, no run of postmap comes to its end. */
  async begin(): Promise<void> {
    await Deno.remove(this.#path);
    await run("mkfifo", [this.#path]);
  }

  /** Waits for a run of postmap. */
  async opened(): Promise<Deno.FsFile> {
    return await Deno.open(this.#path, { write: true });
  }

  /** Removes it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#folder[Symbol.asyncDispose]();
  }
}

// A pipe holds 64 KiB. More than that goes into it only while postmap reads.
const muchMore = 64;
const comments = new TextEncoder().encode("# no pattern\n".repeat(5000));

/** Whether the run of postmap that reads this pipe has ended. */
export async function hasEnded(pipe: Deno.FsFile): Promise<boolean> {
  try {
    for (let part = 0; part < muchMore; part++) await pipe.write(comments);
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) return true;
    throw error;
  }
  return false;
}
