import { openTable, type TableEvent, type TableOptions } from "../../../mod.ts";
import { assert, assertEquals } from "../../support/assert.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { freePort, Memcached } from "../../support/memcached.ts";
import { ScriptedServer } from "../../support/scripted_server.ts";

/** Opens a table, and gives what has happened since one last asked. */
async function openObserved(
  server: string,
  more: string,
  options: TableOptions = {},
  heard: (event: TableEvent) => void = () => {},
) {
  const events: TableEvent[] = [];
  const table = await openTable(`memcache:{memcache=${server} ${more}}`, {
    utf8: true,
    write: true,
    onWarning: () => {},
    onEvent: (event) => {
      events.push(event);
      heard(event);
    },
    ...options,
  });
  /** As text, without the times, and without what does not differ. */
  const since = () =>
    events.splice(0).map((event) => {
      const { kind, table: _, ...rest } = event;
      const told = Object.entries(rest).filter(([name, value]) =>
        !["milliseconds", "endpoint"].includes(name) && value !== 0
      );
      return [kind, ...told.map(([name, value]) => `${name}=${value}`)]
        .join(" ");
    });
  return { table, events, since };
}

const backup = "{ backup = inline:{one=1, two=2, three=3} }";

async function* many(...keys: string[]) {
  yield* keys;
}

Deno.test("onEvent tells hits, answers of the backup and misses", async () => {
  await using memcached = await Memcached.tcp();
  const { table, since } = await openObserved(memcached.server, backup, {
    write: false,
  });
  await using _ = table;
  await table.lookup("one");
  assertEquals(since(), ["connect again=false", "lookup backup=1"]);
  await table.lookup("one");
  await table.lookup("nobody");
  await table.lookup("not allowed");
  assertEquals(since(), [
    "lookup hits=1",
    "lookup misses=1",
    "lookup misses=1",
  ]);
  await Array.fromAsync(
    table.lookupMany(many("one", "two", "three", "nobody", "", "one")),
  );
  assertEquals(since(), ["lookup hits=2 backup=2 misses=2"]);
});

Deno.test("onEvent tells what was stored, refused and deleted", async () => {
  await using memcached = await Memcached.tcp();
  const { table, since } = await openObserved(
    memcached.server,
    "data_size_limit=10",
  );
  await using _ = table;
  await table.update("one", "1");
  await table.update("long", "x".repeat(11));
  await table.delete("one");
  await table.delete("one");
  assertEquals(since(), [
    "connect again=false",
    "update stored=1",
    "update refused=1",
    "delete deleted=1",
    "delete missing=1",
  ]);
  const entries = ["one", "two", "x".repeat(11)].map((value) => ({
    key: value.slice(0, 3),
    value,
  }));
  await Array.fromAsync(table.updateMany(entries));
  await Array.fromAsync(table.deleteMany(many("one", "two", "three")));
  assertEquals(since(), [
    "update stored=2 refused=1",
    "delete deleted=2 missing=1",
  ]);
});

Deno.test("onEvent tells of connections that end and come back", async () => {
  const port = freePort();
  const clock = new FakeClock();
  const { table, since } = await openObserved(`inet:127.0.0.1:${port}`, "", {
    clock,
  });
  {
    await using _ = await Memcached.tcp(port);
    await table.lookup("one");
    assertEquals(since(), ["connect again=false", "lookup misses=1"]);
  }
  const [failed] = await Promise.allSettled([table.lookup("one")]);
  assertEquals(failed.status, "rejected");
  const down = since().map((line) => line.replace(/reason=.*/, "reason"));
  assertEquals(down.filter((line) => !line.startsWith("retry")), [
    "disconnect reason",
    "unreachable reason",
    "lookup failed=1",
  ]);
  await using _ = await Memcached.tcp(port);
  await table.lookup("one");
  assertEquals(since(), ["connect again=true", "lookup misses=1"]);
  await table.close();
  assertEquals(since(), ["disconnect reason=the table was closed"]);
});

Deno.test("onEvent tells of each connection when it begins and when it ends", async () => {
  await using memcached = await Memcached.tcp();
  const clock = new FakeClock();
  const { table, since } = await openObserved(
    memcached.server,
    "connections=4",
    { clock },
  );
  const connections = () =>
    since().filter((line) => / again| reason/.test(line));
  const keys = Array.from({ length: 9000 }, (_, at) => `key-${at}`);
  await Array.fromAsync(table.lookupMany(keys));
  const begun = connections();
  assert(begun.length > 1, `${begun}`);
  // None of them is made again in place of another one.
  assertEquals(new Set(begun), new Set(["connect again=false"]));
  // Those that were not used for a while are given up, all but the first one.
  clock.pass(1000);
  // The listener is called after what it hears of.
  await undefined;
  const reason = "a further connection is not needed any more";
  assertEquals(
    connections(),
    begun.slice(1).map(() => `disconnect reason=${reason}`),
  );
  await Array.fromAsync(table.lookupMany(keys));
  const again = connections();
  assert(again.length > 0, `${again}`);
  await table.close();
  assertEquals(
    connections(),
    ["connect", ...again].map(() => "disconnect reason=the table was closed"),
  );
});

Deno.test("onEvent tells of outages during which the backup answers", async () => {
  const port = freePort();
  const clock = new FakeClock();
  const { table, events, since } = await openObserved(
    `inet:127.0.0.1:${port}`,
    "{ backup = inline:{one=1} } retry_pause=5",
    { clock, write: false },
  );
  await table.lookup("one");
  clock.pass(7000);
  await table.lookup("one");
  const down = since().map((line) => line.replace(/reason=.*/, "reason"));
  assertEquals(down.filter((line) => line !== "unreachable reason"), [
    "outage reason",
    "lookup backup=1",
    "lookup backup=1",
  ]);
  {
    await using _ = await Memcached.tcp(port);
    await table.lookup("nobody");
    const recovery = events.find(({ kind }) => kind === "recovery")!;
    assertEquals("milliseconds" in recovery && recovery.milliseconds, 7000);
    assertEquals(since(), [
      "connect again=false",
      "recovery answers=true failures=2",
      "lookup misses=1",
    ]);
  }
  await table.lookup("one");
  since();
  await table.close();
  assertEquals(since(), ["recovery answers=false failures=1"]);
});

Deno.test("onEvent tells of retries, time-outs, and how long all took", async () => {
  await using server = new ScriptedServer(({ connection }) =>
    connection === 0 ? ["NONSENSE\r\n"] : ["HANG"]
  );
  const clock = new FakeClock();
  const { table, events, since } = await openObserved(
    server.server,
    "timeout=3 retry_pause=5",
    { clock },
    (event) => {
      if (event.kind === "retry") clock.pass(5000);
      if (event.kind === "connect" && event.again) clock.pass(3000);
    },
  );
  await using _ = table;
  await Promise.allSettled([table.lookup("one")]);
  const last = events.at(-1)!;
  assertEquals("milliseconds" in last && last.milliseconds, 8000);
  assertEquals(since(), [
    "connect again=false",
    'disconnect reason=it answers "NONSENSE"',
    'retry commands=1 reason=it answers "NONSENSE"',
    "connect again=true",
    "timeout waited=reply",
    "disconnect reason=no answer within 3 s",
    "lookup failed=1",
  ]);
});

Deno.test("onEvent may throw, and use the table", async () => {
  await using memcached = await Memcached.tcp();
  const warnings: string[] = [];
  const onWarning = (line: string) => warnings.push(line);
  const heard = ({ kind }: TableEvent) => {
    if (kind === "connect") table.close();
    throw new Error(`heard of ${kind}`);
  };
  const options = { onWarning };
  const { table } = await openObserved(memcached.server, "", options, heard);
  await Promise.allSettled([table.lookup("one")]);
  await table.close();
  const told = warnings.map((line) => line.replace(/^.*: /, ""));
  assertEquals(told.sort(), [
    "heard of connect",
    "heard of disconnect",
    "heard of lookup",
  ]);
});
