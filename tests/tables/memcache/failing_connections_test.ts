import { MemcacheTable, openTable } from "../../../mod.ts";
import { assert, assertEquals } from "../../support/assert.ts";
import { AutoClock } from "../../support/auto_clock.ts";
import { failing, randomFault } from "../../support/failing_connections.ts";
import { MemoryServer } from "../../support/memory_server.ts";
import { Random } from "../../support/random.ts";
import { Versions } from "../../support/versions.ts";

// Several connections, of which the first one works and others fail in every way:
// each request gets its answer. ROUNDS=20000 for a night, SEED=… to repeat a failure.
const rounds = Number(Deno.env.get("ROUNDS") ?? 150) / 2;
const random = Random.seeded("failing connections");

// Long memcache keys: then a batch is enough to do for several connections.
const prefix = "p".repeat(200);
const keys = Array.from({ length: 800 }, (_, at) => `k${at}`);

Deno.test("what is wrong with further connections costs no answer", async () => {
  let further = 0;
  for (let round = 0; round < rounds; round++) {
    const server = new MemoryServer("none");
    const clock = new AutoClock();
    const connections = random.integer(2, 8);
    const faults = Array.from(
      { length: random.integer(2, 10) },
      (_, at) => at > 0 && random.chance(0.7) ? randomFault(random) : undefined,
    );
    // A key may meet each of them.
    const failures = faults.filter((fault) => fault !== undefined).length;
    const max_try = Math.max(failures + 1, 2);
    const what = `round ${round}: ${
      JSON.stringify({ connections, max_try, faults })
    }`;
    const connect = failing(server.connect, (number) => faults[number]);
    await using table = new MemcacheTable({
      connections,
      max_try,
      data_size_limit: 10,
      line_size_limit: 300,
      key_format: `${prefix}%s`,
    }, {
      write: true,
      clock,
      connect,
      openTable,
      onWarning: () => {},
    });
    await table.open();
    const versions = new Versions(keys, (_, number) => `${number}`);
    for (const key of keys) {
      server.entries.set(prefix + key, { flags: "0", data: "1" });
    }
    const readAll = async () => {
      const from = keys.map((key) => versions.acknowledged(key));
      let at = 0;
      for await (const { key, value } of table.lookupMany(keys)) {
        versions.check(key, value, from[at++]);
      }
      assertEquals(at, keys.length, what);
    };
    const readOne = async () => {
      const key = random.pick(keys);
      const from = versions.acknowledged(key);
      versions.check(key, await table.lookup(key), from);
    };
    const write = async (writer: number) => {
      // Each writer has keys of its own.
      const key = keys[writer + 10 * random.integer(0, 20)];
      const { number, value } = versions.next(key);
      if (value === undefined) await table.delete(key);
      else assert(await table.update(key, value));
      versions.acknowledge(key, number);
    };
    const callers = [
      ...Array.from({ length: random.integer(1, 4) }, () => async () => {
        for (let turn = 0; turn < 3; turn++) await readAll();
      }),
      ...Array.from(
        { length: random.integer(0, 9) },
        (_, writer) => async () => {
          for (let turn = 0; turn < 20; turn++) {
            if (random.chance(0.5)) await readOne();
            await write(writer);
          }
        },
      ),
    ];
    await clock.during(
      Promise.all(callers.map((call) => call())).catch((error) => {
        throw new Error(what, { cause: error });
      }),
    );
    // What is not needed any more is given up, also what never worked.
    await clock.during(
      new Promise<void>((resolve) => clock.setTimer(10_000, resolve)),
    );
    assert(server.open <= 1, `${what}: ${server.open} connections are left`);
    further += server.connections - 1;
    await clock.during(table.close());
    assertEquals(server.open, 0, what);
  }
  assert(further > rounds / 2, `${further} further connections`);
});
