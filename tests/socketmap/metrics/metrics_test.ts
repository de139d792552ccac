import type { TableEvent } from "../../../lib/events.ts";
import { ConfigError, TemporaryError } from "../../../lib/errors.ts";
import type { LookupTable } from "../../../lib/socketmap/answers.ts";
import { SocketmapMetrics } from "../../../lib/socketmap/metrics/metrics.ts";
import { serveSocketmap } from "../../../lib/socketmap/server.ts";
import { assertEquals } from "../../support/assert.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { samples } from "../../support/metrics.ts";
import { netstring, RawClient } from "../../support/socketmap.ts";

/** What is not 0 of the metrics, without the process's. */
function counted(metrics: SocketmapMetrics): Record<string, number> {
  return Object.fromEntries(
    Object.entries(samples(metrics.text())).filter(([name, value]) =>
      value !== 0 && !name.startsWith("process_") && !name.includes("_bucket{")
    ),
  );
}

Deno.test("SocketmapMetrics counts the events of tables", () => {
  const origin = { table: "memcache:a", endpoint: "inet:a:1" };
  const lookup = { kind: "lookup", ...origin, milliseconds: 1 } as const;
  const none = { hits: 0, backup: 0, misses: 0, failed: 0 };
  const events: TableEvent[] = [
    { ...lookup, hits: 5, backup: 4, misses: 3, failed: 2 },
    { ...lookup, ...none, hits: 1 },
    { ...lookup, ...none, table: "memcache:other", hits: 100 },
    { kind: "connect", ...origin, milliseconds: 1, again: false },
    { kind: "connect", ...origin, milliseconds: 1, again: true },
    { kind: "unreachable", ...origin, milliseconds: 1, reason: "" },
    { kind: "disconnect", ...origin, reason: "" },
    { kind: "retry", ...origin, commands: 3, reason: "" },
    { kind: "timeout", ...origin, waited: "connection" },
    { kind: "timeout", ...origin, waited: "reply" },
    { kind: "outage", ...origin, reason: "" },
  ];
  const metrics = new SocketmapMetrics();
  const listener = metrics.eventsOf("a", "memcache:a");
  for (const event of events) listener(event);
  const expected = {
    'memcache_table_up{table="a"}': 1,
    'memcache_table_outages_total{table="a",of="memcached"}': 1,
    'memcache_table_hits_total{table="a"}': 6,
    'memcache_table_backup_answers_total{table="a"}': 4,
    'memcache_table_misses_total{table="a"}': 3,
    'memcache_table_failed_lookups_total{table="a"}': 2,
    'memcache_table_errors_total{table="a",error="unreachable"}': 1,
    'memcache_table_errors_total{table="a",error="timeout"}': 1,
    'memcache_table_retries_total{table="a"}': 3,
    'memcache_table_reconnects_total{table="a"}': 1,
  };
  const onBackup = { 'memcache_table_on_backup{table="a"}': 1 };
  assertEquals(counted(metrics), { ...expected, ...onBackup });
  listener({
    kind: "recovery",
    ...origin,
    answers: true,
    milliseconds: 1,
    failures: 1,
  });
  assertEquals(counted(metrics), expected);
  // The table is opened again: the counts go on.
  metrics.eventsOf("a", "memcache:a")({ ...lookup, ...none, hits: 1 });
  assertEquals(counted(metrics)['memcache_table_hits_total{table="a"}'], 7);
});

/** A table whose lookups a key decides over; `wait` never ends. */
const table: LookupTable = {
  name: "test:t",
  lookup: async (key) => {
    if (key === "down") throw new TemporaryError("it is down");
    if (key === "wrong") throw new ConfigError("mend it");
    if (key === "odd") throw new RangeError("what?");
    if (key === "wait") await new Promise(() => {});
    if (key === "long") return "x".repeat(100_000);
    if (key === "big") return "x".repeat(90_000);
    return key === "none" ? undefined : "v";
  },
};

async function serve(more: { clients?: number } = {}) {
  const metrics = new SocketmapMetrics();
  const clock = new FakeClock();
  const server = await serveSocketmap({ t: table }, {
    endpoint: "inet:127.0.0.1:0",
    lookupTimeout: 5,
    onWarning: () => {},
    metrics,
    clock,
    ...more,
  });
  return { metrics, clock, server };
}

Deno.test("serveSocketmap() counts each reply once", async () => {
  const { metrics, clock, server } = await serve();
  await using _ = server;
  {
    using client = await RawClient.connect(server.endpoint);
    const requests = ["t a", "t none", "t \xff", "t wrong", "t odd", "t long"];
    // These are long: some are looked up again when their turn comes.
    requests.push(..."big ".repeat(30).trim().split(" ").map((k) => `t ${k}`));
    requests.push("nosuch k", "t", `t ${"x".repeat(102_400)}`);
    await client.send(requests.map(netstring).join(""));
    for (const _ of requests) await client.reply();
    await client.send(netstring("t wait"));
    // Until it was read.
    using other = await RawClient.connect(server.endpoint);
    await other.ask("t a");
    clock.pass(5000);
    assertEquals(await client.reply(), "TIMEOUT no answer within 5 s");
    const place = `{place="${server.endpoint}"}`;
    assertEquals(counted(metrics)[`memcache_table_clients${place}`], 2);
    assertEquals(counted(metrics)[`memcache_table_pending_lookups${place}`], 1);
    await client.send("x");
    await client.ended();
  }
  await server.close();
  const replies = (reply: string) =>
    `memcache_table_requests_total{table="t",reply="${reply}"}`;
  const bad = (reason: string) =>
    `memcache_table_bad_requests_total{reason="${reason}"}`;
  assertEquals(counted(metrics), {
    [replies("ok")]: 32,
    [replies("notfound")]: 2,
    [replies("perm")]: 2,
    [replies("temp")]: 1,
    [replies("timeout")]: 1,
    [bad("name")]: 1,
    [bad("request")]: 1,
    [bad("long")]: 1,
    [bad("protocol")]: 1,
    'memcache_table_outages_total{table="t",of="table"}': 1,
    // All but the key that is not UTF-8.
    'memcache_table_lookup_duration_seconds_count{table="t"}': 37,
    'memcache_table_lookup_duration_seconds_sum{table="t"}': 5,
  });
  const all = samples(metrics.text());
  const bucket = (le: string) =>
    all[`memcache_table_lookup_duration_seconds_bucket{table="t",le="${le}"}`];
  assertEquals(["0.0005", "2.5", "5.0", "+Inf"].map(bucket), [36, 36, 37, 37]);
});

Deno.test("serveSocketmap() counts outages from a failure to an answer, at all places", async () => {
  const { metrics, server } = await serve();
  await using _ = server;
  await using second = await serveSocketmap({ t: table }, {
    endpoint: "inet:127.0.0.1:0",
    onWarning: () => {},
    metrics,
  });
  using one = await RawClient.connect(server.endpoint);
  using two = await RawClient.connect(second.endpoint);
  const steps: [RawClient, string, number, number][] = [
    [one, "a", 1, 0],
    [one, "down", 0, 1],
    [two, "down", 0, 1],
    // A mistake in the configuration is no outage, and ends none.
    [one, "wrong", 0, 1],
    [one, "none", 1, 1],
    [two, "wrong", 1, 1],
    [two, "down", 0, 2],
    [one, "down", 0, 2],
    [two, "a", 1, 2],
  ];
  for (const [client, key, up, outages] of steps) {
    await client.ask(`t ${key}`);
    const all = samples(metrics.text());
    assertEquals(
      [
        all['memcache_table_up{table="t"}'],
        all['memcache_table_outages_total{table="t",of="table"}'],
      ],
      [up, outages],
      key,
    );
  }
});

Deno.test("serveSocketmap() counts clients that it does not take", async () => {
  const { metrics, server } = await serve({ clients: 1 });
  await using _ = server;
  using client = await RawClient.connect(server.endpoint);
  await client.ask("t a");
  for (let count = 0; count < 2; count++) {
    using other = await RawClient.connect(server.endpoint);
    await other.ended();
  }
  const place = `{place="${server.endpoint}"}`;
  const all = counted(metrics);
  assertEquals(all[`memcache_table_rejected_clients_total${place}`], 2);
  assertEquals(all[`memcache_table_clients${place}`], 1);
});
