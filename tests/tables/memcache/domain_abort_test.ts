import { openTable } from "../../../mod.ts";
import { assert, assertRejects } from "../../support/assert.ts";
import { EndlessFile, hasEnded } from "../../support/endless_file.ts";

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
