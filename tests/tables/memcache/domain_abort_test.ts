import { openTable } from "../../../mod.ts";
import { assert, assertRejects } from "../../support/assert.ts";
import { Folder } from "../../support/folder.ts";
import { run } from "../../support/processes.ts";

/**
 * A `regexp:` file that postmap cannot read to its end, once the table is open: it is
 * a pipe then.
 */
class EndlessFile implements AsyncDisposable {
  readonly table: string;
  #folder: Folder;
  #path: string;

  private constructor(folder: Folder, path: string) {
    this.#folder = folder;
    this.#path = path;
    this.table = `regexp:${path}`;
  }

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

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#folder[Symbol.asyncDispose]();
  }
}

// A pipe holds 64 KiB. More than that goes into it only while postmap reads.
const muchMore = 64;
const comments = new TextEncoder().encode("# no pattern\n".repeat(5000));

/** Whether the run of postmap that reads this pipe has ended. */
async function hasEnded(pipe: Deno.FsFile): Promise<boolean> {
  try {
    for (let part = 0; part < muchMore; part++) await pipe.write(comments);
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) return true;
    throw error;
  }
  return false;
}

Deno.test("a request that is aborted ends the lookup in a table of its domain list", async () => {
  const requests = {
    lookup: (table, signal) => table.lookup("u@a.com", { signal }),
    lookupMany: (table, signal) =>
      Array.fromAsync(table.lookupMany(["u@a.com", "u@b.com"], { signal })),
    update: (table, signal) => table.update("u@a.com", "v", { signal }),
    delete: (table, signal) => table.delete("u@a.com", { signal }),
  } satisfies Record<
    string,
    (
      table: Awaited<ReturnType<typeof openTable>>,
      signal: AbortSignal,
    ) => Promise<unknown>
  >;
  for (const [name, request] of Object.entries(requests)) {
    await using file = await EndlessFile.make();
    await using table = await openTable(
      `memcache:{ memcache=inet:127.0.0.1:1, domain=${file.table} }`,
      { write: true, utf8: true },
    );
    await file.begin();
    const abort = new AbortController();
    const ended = assertRejects(
      () => request(table, abort.signal),
      Error,
      "enough",
    );
    using pipe = await file.opened();
    abort.abort(new Error("enough"));
    await ended;
    assert(await hasEnded(pipe), name);
  }
});
