import type { Connect } from "../../../lib/socket/socket.ts";
import { MemcacheTable, openTable, type Table } from "../../../mod.ts";
import { assertEquals } from "../../support/assert.ts";
import { MemoryServer } from "../../support/memory_server.ts";

// A read that is started before the next command goes out has to be waited for
// twice. So the connection waits a number of turns for the next command, and a
// batch some turns for the next key. Whoever adds an `await` on the way of a
// request may make these numbers too small; then this test fails, where else only
// the speed would suffer.

/** Tells of each read and write of a socket, in their order. */
function watched(connect: Connect, log: string[]): Connect {
  return async (endpoint, options) => {
    const socket = await connect(endpoint, options);
    return {
      read: () => {
        log.push("read");
        return socket.read();
      },
      write: (bytes) => {
        log.push("write");
        return socket.write(bytes);
      },
      close: () => socket.close(),
    };
  };
}

const uses: Record<string, (table: Table, number: number) => Promise<unknown>> =
  {
    "a lookup": (table) => table.lookup("k"),
    "a lookup that memcached cannot answer": (table, number) =>
      table.lookup(`nosuch${number}`),
    "an update": (table) => table.update("k", "v"),
    "a delete": (table) => table.delete("k"),
    "lookupMany": (table) => Array.fromAsync(table.lookupMany(["k", "l"])),
    "updateMany": (table) =>
      Array.fromAsync(table.updateMany([{ key: "k", value: "v" }])),
    "a lookup of a caller's caller": async (table) => {
      const inner = async () => await table.lookup("k");
      return await (async () => await inner())();
    },
  };

for (const [use, ask] of Object.entries(uses)) {
  for (const [what, fold] of [["", true], [", not folded", false]] as const) {
    Deno.test(`memcache table reads after it has asked: ${use}${what}`, async () => {
      const server = new MemoryServer("none");
      const log: string[] = [];
      await using table = new MemcacheTable({}, {
        connect: watched(server.connect, log),
        write: true,
        fold,
        openTable,
      });
      // What is loaded by the first ones takes its time.
      for (let number = 0; number < 3; number++) await ask(table, number);
      log.splice(0);
      for (let number = 3; number < 13; number++) await ask(table, number);
      const order = log.join(" ");
      assertEquals(order, Array(10).fill("write read").join(" "));
    });
  }
}

Deno.test("memcache table takes what a source has at hand together", async () => {
  const server = new MemoryServer("none");
  await using table = new MemcacheTable({}, {
    connect: server.connect,
    openTable,
  });
  await table.lookup("k");
  server.commands.splice(0);
  async function* source() {
    for (let number = 0; number < 50; number++) yield `k${number}`;
  }
  // Each layer takes a few turns.
  async function* layer(keys: AsyncIterable<string>) {
    for await (const key of keys) yield key;
  }
  let keys: AsyncIterable<string> = source();
  for (let layers = 0; layers < 6; layers++) keys = layer(keys);
  await Array.fromAsync(table.lookupMany(keys));
  assertEquals(server.commands.length, 1);
});
