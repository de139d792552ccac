import {
  type KvDatabase,
  openTable,
  type Table,
  TemporaryError,
} from "../../../mod.ts";
import { assert, assertEquals, assertRejects } from "../../support/assert.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { freePort, Memcached } from "../../support/memcached.ts";
import { Nutcracker, poolOf } from "../../support/nutcracker.ts";
import { readmePool } from "../../support/readme.ts";

const pause = 1000;
const entries = Array.from(
  { length: 2000 },
  (_, number) => ({ key: `K${number}`, value: `v${number}` }),
);
const keys = entries.map(({ key }) => key);
const values = entries.map(({ value }) => value);

/** The numbers of the keys that a memcached has. */
async function numbersOn(memcached: Memcached): Promise<Set<number>> {
  const found = new Set<number>();
  for (let start = 0; start < keys.length; start += 100) {
    const asked = keys.slice(start, start + 100).join(" ").toLowerCase();
    const reply = await memcached.talk(`get ${asked}\r\n`, "END\r\n");
    for (const [, number] of reply.matchAll(/^VALUE k(\d+) /gm)) {
      found.add(Number(number));
    }
  }
  return found;
}

/** A table behind a proxy before three memcached, the last of which may go. */
async function scene(settings: string[], more: string, kv?: KvDatabase) {
  const stack = new AsyncDisposableStack();
  const ports = [freePort(), freePort(), freePort()];
  const servers: Memcached[] = [];
  for (const port of ports) servers.push(stack.use(await Memcached.tcp(port)));
  const proxy = stack.use(await Nutcracker.start(servers, settings));
  const clock = new FakeClock();
  clock.passPauses(pause);
  const warnings: string[] = [];
  const table = stack.use(
    await openTable(
      `memcache:{memcache=${proxy.server} retry_pause=1 timeout=3600 ${more}}`,
      {
        utf8: true,
        write: true,
        clock,
        openKv: () => Promise.resolve(kv!),
        onWarning: (line) => warnings.push(line),
      },
    ),
  );
  const stored = await Array.fromAsync(table.updateMany(entries));
  assertEquals(stored.filter(({ stored }) => !stored), []);
  return {
    table,
    servers,
    warnings,
    pauses: () => clock.set.filter((length) => length === pause).length,
    startAgain: async () => {
      stack.use(await Memcached.tcp(ports[2]));
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

async function found(table: Table): Promise<(string | undefined)[]> {
  return await Array.fromAsync(
    table.lookupMany(keys),
    ({ value }) => value,
  );
}

/** The proxy may take a moment to see that a server is there again. */
async function untilFound(table: Table): Promise<(string | undefined)[]> {
  for (let attempt = 0;; attempt++) {
    try {
      return await found(table);
    } catch (error) {
      if (attempt === 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

Deno.test("memcache table behind nutcracker does for many keys what it does one by one", async () => {
  await using behind = await scene(["timeout: 2000"], "");
  const { table, servers } = behind;
  const places = await Promise.all(servers.map(numbersOn));
  assert(places.every(({ size }) => size > 100));
  assertEquals(places.reduce((sum, { size }) => sum + size, 0), 2000);
  const asked = [...keys.toReversed(), "nobody", "k7", "K7", "", "a b"];
  const together = await Array.fromAsync(table.lookupMany(asked));
  const single = await Promise.all(
    asked.map(async (key) => ({ key, value: await table.lookup(key) })),
  );
  assertEquals(together, single);
  assertEquals(together[0].value, "v1999");
  const gone = [...keys.slice(0, 999), "nobody", "k7"];
  const deleted = await Array.fromAsync(table.deleteMany(gone));
  assertEquals(
    deleted,
    gone.map((key, at) => ({ key, deleted: at < 999 })),
  );
  assertEquals(
    await found(table),
    values.map((value, at) => at < 999 ? undefined : value),
  );
  assertEquals(behind.pauses(), 0);
  assertEquals(behind.warnings, []);
});

Deno.test("memcache table behind nutcracker answers what is before a key of a server that is gone", async () => {
  for (const tries of [2, 3]) {
    await using behind = await scene(
      ["auto_eject_hosts: false", "timeout: 2000"],
      `max_try=${tries}`,
    );
    const { table, servers } = behind;
    const lost = await numbersOn(servers[2]);
    await servers[2].stop();
    const before = values.slice(0, Math.min(...lost));
    const told: (string | undefined)[] = [];
    await assertRejects(
      async () => {
        for await (const { value } of table.lookupMany(keys)) told.push(value);
      },
      TemporaryError,
    );
    assertEquals(told, before);
    const others = keys.filter((_, number) => !lost.has(number));
    const answered = await Array.fromAsync(table.lookupMany(others));
    assertEquals(
      answered.map(({ value }) => value),
      values.filter((_, number) => !lost.has(number)),
    );
    // Not one for each of its keys.
    assert(behind.pauses() <= 10, `${behind.pauses()} pauses`);
    await behind.startAgain();
    assertEquals(
      await untilFound(table),
      values.map((value, number) => lost.has(number) ? undefined : value),
    );
  }
});

Deno.test("memcache table behind nutcracker takes from the backup what a server had that is gone, with one warning", async () => {
  for (const eject of [false, true]) {
    const kv: KvDatabase = await Deno.openKv(":memory:");
    await using behind = await scene(
      [
        `auto_eject_hosts: ${eject}`,
        "server_failure_limit: 1",
        "server_retry_timeout: 200",
        "timeout: 2000",
      ],
      "max_try=1 backup=kv:",
      kv,
    );
    const { table, servers, warnings } = behind;
    const lost = await numbersOn(servers[2]);
    assert(lost.size > 100);
    assertEquals(await found(table), values);
    assertEquals(warnings, []);
    await servers[2].stop();
    for (let round = 0; round < 2; round++) {
      assertEquals(await found(table), values);
    }
    // One that is left out before it is asked anything is not missed.
    const fewest = eject ? 0 : 1;
    assert(
      warnings.length >= fewest && warnings.length <= 1,
      warnings.join("\n"),
    );
    assert(behind.pauses() <= 10, `${behind.pauses()} pauses`);
    await behind.startAgain();
    for (let attempt = 0;; attempt++) {
      assertEquals(await found(table), values);
      const filled = await numbersOn(servers[2]);
      if (filled.size === lost.size) break;
      assert(attempt < 100, `${filled.size} of ${lost.size} are filled in`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
});

Deno.test("README's nutcracker is one as these tests use it, and moves the keys of a server that is gone", async () => {
  const readme = await readmePool();
  const lines = readme.split("\n").map((line) => line.trim());
  const settings = lines.slice(
    lines.findIndex((line) => line.startsWith("distribution:")) + 1,
    lines.indexOf("servers:"),
  );
  const servers = lines.flatMap((line) =>
    /^- (.*):1 server/.exec(line)?.[1] ?? []
  );
  assertEquals(servers.length, 3);
  assertEquals(readme, poolOf("127.0.0.1:22121", servers, settings));
  const kv: KvDatabase = await Deno.openKv(":memory:");
  await using behind = await scene(settings, "max_try=1 backup=kv:", kv);
  const { table, servers: running, warnings } = behind;
  const lost = await numbersOn(running[2]);
  assert(lost.size > 100);
  await running[2].stop();
  for (let round = 0; round < 3; round++) {
    assertEquals(await found(table), values);
  }
  assert(warnings.length <= 1, warnings.join("\n"));
  // The others have its keys now.
  for (let attempt = 0;; attempt++) {
    const moved = await Promise.all(running.slice(0, 2).map(numbersOn));
    const filled = moved[0].union(moved[1]);
    if (filled.size === values.length) break;
    assert(attempt < 100, `${filled.size} of ${values.length} are filled in`);
    assertEquals(await found(table), values);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
});
