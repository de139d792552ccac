import { MemcacheTable, openTable, type Table } from "../../../mod.ts";
import { assert, assertEquals } from "../../support/assert.ts";
import { MemoryKv } from "../../support/memory_kv.ts";
import { MemoryServer } from "../../support/memory_server.ts";

/** A table as a program may make one: it has what Table has, and nothing else. */
function bare(table: Table): Table {
  return {
    name: table.name,
    writable: table.writable,
    lookup: (...of) => table.lookup(...of),
    lookupMany: (...of) => table.lookupMany(...of),
    update: (...of) => table.update(...of),
    updateMany: (...of) => table.updateMany(...of),
    delete: (...of) => table.delete(...of),
    deleteMany: (...of) => table.deleteMany(...of),
    first: () => table.first(),
    next: () => table.next(),
    close: () => table.close(),
    [Symbol.asyncIterator]: () => table[Symbol.asyncIterator](),
    [Symbol.asyncDispose]: () => table[Symbol.asyncDispose](),
  };
}

/** Updates 2000 entries; returns how many were read before the first result. */
async function readAhead(wrap: (table: Table) => Table): Promise<number> {
  const kept = new MemoryKv();
  await using table = new MemcacheTable({ backup: "kv:/kept" }, {
    connect: new MemoryServer("none").connect,
    openTable: async (name, options) => wrap(await openTable(name, options)),
    openKv: () => Promise.resolve(kept),
    write: true,
  });
  await table.open();
  const entries = Array.from(
    { length: 2000 },
    (_, at) => ({ key: `key${at}`, value: `${at}` }),
  );
  let read = 0;
  let ahead: number | undefined;
  const source = (function* () {
    for (const entry of entries) {
      read++;
      yield entry;
    }
  })();
  for await (const { stored } of table.updateMany(source)) {
    ahead ??= read;
    assert(stored);
  }
  assertEquals(await table.lookup("key1999"), "1999");
  assertEquals(kept.values.size, 2000);
  return ahead!;
}

Deno.test("a backup says how it takes batches of writes", async () => {
  const writePace = { batchSize: 10, batches: 2 };
  assertEquals(
    await readAhead((table) => ({ ...bare(table), writePace })),
    30,
  );
});

Deno.test("a backup that does not say it gets large batches", async () => {
  assertEquals(await readAhead(bare), 2000);
});
