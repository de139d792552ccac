import { MemcacheTable, openTable } from "../../../mod.ts";
import { assert, assertEquals } from "../../support/assert.ts";
import { FakeServer } from "../../support/fake_server.ts";
import { MemoryKv } from "../../support/memory_kv.ts";
import { attack } from "../../support/hostile_replies.ts";
import { Random } from "../../support/random.ts";

// ROUNDS=30000 for a night, SEED=… to repeat a failure.
const rounds = Number(Deno.env.get("ROUNDS") ?? 400);

Deno.test("a memcache table comes to an end with any replies, and goes on", async () => {
  const several = await attack(Random.seeded("hostile replies"), rounds);

  assert(several > 0, "no round had several connections");
});

for (const ending of ["abort", "close"]) {
  for (const backup of ["", "kv:"]) {
    const what = `${ending}${backup && ", with a backup"}`;
    Deno.test(`no lookup gives a part of a value that is cut in the middle: ${what}`, async () => {
      for (const keys of [["a", "b"], ["a", "b", "c"]]) {
        const server = new FakeServer();
        const table = new MemcacheTable({ backup }, {
          connect: server.connect,
          openKv: () => Promise.resolve(new MemoryKv()),
          openTable,
          onWarning: () => {},
        });
        const abort = new AbortController();
        const { signal } = abort;
        const found: (string | undefined)[] = [];
        const looking = (async () => {
          for await (const { value } of table.lookupMany(keys, { signal })) {
            found.push(value);
          }
        })().catch((error) => error.message);
        const connection = await server.connection(0);
        await connection.take();
        connection.send("VALUE a 0 1\r\n1\r\nVALUE b 0 9\r\n1234");
        for (let turn = 0; turn < 20; turn++) await undefined;
        if (ending === "abort") abort.abort(new Error("stop"));
        else await table.close();
        const error = ending === "abort"
          ? "stop"
          : `${table.name}: the table is closed`;
        assertEquals(await looking, error);
        assertEquals(found, ["1"]);
        await table.close();
      }
    });
  }
}
