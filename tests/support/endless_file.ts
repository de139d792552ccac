import { Folder } from "./folder.ts";
import { run, runPostmap } from "./processes.ts";

/** A file that postmap cannot read to its end, once the table is open: a pipe. */
export class EndlessFile implements AsyncDisposable {
  /** The name of the table. */
  readonly table: string;
  #folder: Folder;
  #path: string;

  private constructor(folder: Folder, table: string, path: string) {
    this.#folder = folder;
    this.#path = path;
    this.table = table;
  }

  /** Makes a file that can still be read. */
  static async make(): Promise<EndlessFile> {
    const folder = await Folder.make();
    const path = await folder.write("patterns", "/a/ b\n");
    return new EndlessFile(folder, `regexp:${path}`, path);
  }

  /** Makes a database that can still be read. */
  static async makeDatabase(): Promise<EndlessFile> {
    const folder = await Folder.make();
    const table = `hash:${await folder.write("entries", "a b\n")}`;
    await runPostmap([table]);
    return new EndlessFile(folder, table, `${folder.path}/entries.db`);
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

  /** Kills the run of postmap, as the kernel does when it needs the memory. */
  async kill(): Promise<void> {
    for await (const { name } of Deno.readDir("/proc")) {
      if (!/^\d+$/.test(name)) continue;
      const command = await Deno.readTextFile(`/proc/${name}/cmdline`)
        .catch(() => "");
      if (command.includes(this.#folder.path)) {
        Deno.kill(Number(name), "SIGKILL");
      }
    }
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
