import { assert, assertEquals, assertMatch } from "../../support/assert.ts";
import { Folder } from "../../support/folder.ts";
import { freePort, Memcached } from "../../support/memcached.ts";
import { samples } from "../../support/metrics.ts";
import { root, run, runCli } from "../../support/processes.ts";
import { Prometheus } from "../../support/prometheus.ts";
import { readmeMetrics } from "../../support/readme.ts";
import { Serving } from "../../support/serving.ts";
import { netstring, RawClient } from "../../support/socketmap.ts";

const anywhere = ["--socketmap", "inet:127.0.0.1:0"];
const withMetrics = [...anywhere, "--metrics", "inet:127.0.0.1:0"];

async function read(
  { metrics }: Serving,
  path = "/metrics",
  init: RequestInit = {},
): Promise<[number, string]> {
  const response = await fetch(metrics + path, init);
  return [response.status, await response.text()];
}

/** The value of a sample; `name` has no prefix. */
async function valueOf(serving: Serving, name: string): Promise<number> {
  const [, text] = await read(serving);
  return samples(text)[`memcache_table_${name}`];
}

Deno.test("Prometheus reads the metrics of serve, and promtool finds no fault", async () => {
  const port = freePort();
  const memcached = await Memcached.tcp(port);
  await using _ = memcached;
  await memcached.set("k", "v");
  await using serving = await Serving.start([
    ...withMetrics,
    `t=memcache:{memcache=inet:127.0.0.1:${port}, retry_pause=1 ` +
    "{ backup = inline:{b=backup} }}",
    `"odd\\=static:v`,
  ]);
  await using prometheus = await Prometheus.start(serving.metrics!);
  await prometheus.untilUp();
  const up = (query: string, value: number) =>
    prometheus.untilValue(`memcache_table_${query}`, value);
  await up('requests_total{table="t",reply="ok"}', 0);
  using client = await RawClient.connect(serving.endpoint);
  for (const key of ["k", "k", "b", "none"]) await client.ask(`t ${key}`);
  await client.ask('"odd\\ k');
  await up('requests_total{table="t",reply="ok"}', 3);
  await up('requests_total{table="t",reply="notfound"}', 1);
  await up(`requests_total{table='"odd\\\\',reply="ok"}`, 1);
  await up('hits_total{table="t"}', 2);
  await up('backup_answers_total{table="t"}', 1);
  await up('lookup_duration_seconds_count{table="t"}', 4);
  await up("clients", 1);
  await prometheus.untilValue("process_resident_memory_bytes > bool 1e7", 1);

  // The backup answers while memcached is down.
  await memcached.stop();
  await client.ask("t b");
  await up('outages_total{table="t",of="memcached"}', 1);
  await up('on_backup{table="t"}', 1);
  assertEquals(await read(serving, "/healthz"), [200, "ok\n"]);
  {
    await using again = await Memcached.tcp(port);
    await again.set("k", "v");
    while (await client.ask("t k") !== "OK v");
    await up('on_backup{table="t"}', 0);
    await up('up{table="t"}', 1);
    await prometheus.untilValue(
      'memcache_table_reconnects_total{table="t"} > bool 0',
      1,
    );
  }
  // The README has them all.
  const names = new Set(
    (await prometheus.names()).filter((name) =>
      /^(memcache_table|process)_/.test(name)
    ).map((name) =>
      name.replace(/(duration_seconds)_(bucket|count|sum)$/, "$1")
    ),
  );
  assertEquals([...names].sort(), (await readmeMetrics()).sort());

  const accept = { headers: { Accept: "text/plain" } };
  const [, plain] = await read(serving, "/metrics", accept);
  assert(!plain.includes("# EOF"));
  const checked = await run("promtool", ["check", "metrics"], { stdin: plain });
  assertEquals(checked, { code: 0, stdout: "", stderr: "" });
  assertEquals(await serving.stop(), 0);
});

Deno.test("/metrics and /healthz answer GET and HEAD, and nothing else is there", async () => {
  await using serving = await Serving.start([...withMetrics, "t=static:v"]);
  const table: [string, string, number, RegExp][] = [
    ["GET", "/healthz", 200, /^ok\n$/],
    ["HEAD", "/healthz", 200, /^$/],
    ["GET", "/metrics?x=y", 200, /# EOF\n$/],
    ["HEAD", "/metrics", 200, /^$/],
    ["GET", "/", 404, /\/metrics and \/healthz/],
    ["GET", "/metrics/", 404, /\/metrics and \/healthz/],
    ["POST", "/nosuch", 404, /\/metrics and \/healthz/],
    ["POST", "/metrics", 405, /use GET or HEAD/],
    ["DELETE", "/healthz", 405, /use GET or HEAD/],
  ];
  for (const [method, path, status, body] of table) {
    const [found, text] = await read(serving, path, { method });
    assertEquals(found, status, `${method} ${path}`);
    assertMatch(text, body);
  }
  const types: [string, string][] = [
    [
      "application/openmetrics-text",
      "application/openmetrics-text; version=1.0.0; charset=utf-8",
    ],
    ["text/plain", "text/plain; version=0.0.4; charset=utf-8"],
  ];
  for (const [Accept, type] of types) {
    const response = await fetch(`${serving.metrics}/metrics`, {
      headers: { Accept },
    });
    await response.body?.cancel();
    assertEquals(response.headers.get("content-type"), type);
  }
});

Deno.test("/healthz names each table that does not answer, and why", async () => {
  const port = freePort();
  await using silent = await Memcached.tcp();
  await silent.signal("SIGSTOP");
  const silence = `memcache=${silent.server}, timeout=60`;
  await using serving = await Serving.start([
    ...withMetrics,
    ...["--timeout", "1"],
    "good=static:v",
    `down=memcache:{memcache=inet:127.0.0.1:${port}, max_try=1}`,
    `silent=memcache:{${silence}}`,
    `backed=memcache:{memcache=inet:127.0.0.1:${port} {backup=inline:{a=b}}}`,
  ]);
  // However many ask.
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => read(serving, "/healthz")),
  );
  for (const [status, body] of answers) {
    assertEquals(status, 503);
    assertMatch(
      body,
      /^down: memcache:.*: cannot connect to .*\nsilent: no answer within 1 s\n$/,
    );
  }
  const asked = await valueOf(serving, 'failed_lookups_total{table="down"}');
  assertEquals(asked, 1);
  await silent.signal("SIGCONT");
  await using _ = await Memcached.tcp(port);
  // An answer is a second old at most.
  for (let look = 0; look < 500; look++) {
    const [status, body] = await read(serving, "/healthz");
    if (status === 200) return assertEquals(body, "ok\n");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error("it is never well");
});

Deno.test("serve counts on when its tables are opened again", async () => {
  await using folder = await Folder.make();
  const source = await folder.write("source", "k old\n");
  await using memcached = await Memcached.tcp();
  await memcached.set("k", "v");
  const cf = (more: string) =>
    folder.write("t.cf", `memcache = ${memcached.server}\n${more}`);
  const file = await cf("");
  await using serving = await Serving.start([
    ...withMetrics,
    ...["--socketmap", `unix:${folder.path}/s`],
    `t=memcache:${file}`,
    `s=texthash:${source}`,
  ]);
  const ask = async (place: string, request: string) => {
    using client = await RawClient.connect(place);
    return await client.ask(request);
  };
  const places = [serving.endpoint, `unix:${folder.path}/s`];
  for (const place of places) {
    assertEquals(await ask(place, "t k"), "OK v");
    assertEquals(await ask(place, "s k"), "OK old");
  }
  const reload = async (count: number) => {
    serving.kill("SIGHUP");
    const isDone = () =>
      serving.lines.filter((line) => line.includes("opened again: ")).length ===
        count;
    for (let look = 0; look < 500 && !isDone(); look++) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    assert(isDone(), serving.lines.join("\n"));
  };
  // A backup comes, and an outage during which it answers.
  await cf("max_try = 1\nbackup = inline:{k=backup}\n");
  await folder.write("source", "k new\n");
  await reload(1);
  await memcached.stop();
  assertEquals(await ask(places[1], "t k"), "OK backup");
  assertEquals(await ask(places[1], "s k"), "OK new");
  assertEquals(await valueOf(serving, 'on_backup{table="t"}'), 1);
  // The outage ends with the table that was in it.
  await cf("max_try = 1\n");
  await reload(2);
  assertEquals((await ask(places[0], "t k"))?.slice(0, 4), "TEMP");
  const [, text] = await read(serving);
  const all = samples(text);
  const expected: [string, number][] = [
    ['requests_total{table="t",reply="ok"}', 3],
    ['requests_total{table="t",reply="temp"}', 1],
    ['requests_total{table="s",reply="ok"}', 3],
    ['hits_total{table="t"}', 2],
    ['backup_answers_total{table="t"}', 1],
    ['failed_lookups_total{table="t"}', 1],
    ['on_backup{table="t"}', 0],
    ['outages_total{table="t",of="memcached"}', 1],
    ['outages_total{table="t",of="table"}', 1],
    ['up{table="t"}', 0],
    ['up{table="s"}', 1],
    [`clients{place="${places[0]}"}`, 0],
    [`clients{place="${places[1]}"}`, 0],
  ];
  for (const [name, value] of expected) {
    assertEquals(all[`memcache_table_${name}`], value, name);
  }
  assertEquals(await serving.stop(), 0);
});

Deno.test("serve shows metrics at a UNIX-domain socket, with --mode", async () => {
  await using folder = await Folder.make();
  const path = `${folder.path}/metrics`;
  await using serving = await Serving.start([
    ...anywhere,
    ...["--metrics", `unix:${path}`, "--mode", "0600", "t=static:v"],
  ]);
  assertEquals(serving.metrics, `unix:${path}`);
  assertEquals((await Deno.stat(path)).mode! & 0o777, 0o600);
  using client = await RawClient.connect(serving.metrics!);
  await client.send("GET /healthz HTTP/1.0\r\n\r\n");
  const answer = await client.rest();
  assertMatch(answer, /^HTTP\/1.1 200 OK\r\n[^]*\r\n\r\nok\n$/);
  assertEquals(await serving.stop(), 0);
  assertEquals([...Deno.readDirSync(folder.path)], []);
});

Deno.test("serve says what is wrong with --metrics, and does not start", async () => {
  await using folder = await Folder.make();
  await folder.write("file", "");
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = taken.addr;
  const socket = `${folder.path}/s`;
  const table: [string[], string][] = [
    [[], "--metrics needs a value: --metrics ENDPOINT"],
    [
      [`inet:127.0.0.1:${port}`],
      `cannot listen on inet:127.0.0.1:${port}: another program listens there: ` +
      "stop it, or listen elsewhere",
    ],
    [["inet:127.0.0.1:http"], 'inet:127.0.0.1:http: "http" is no port number'],
    [
      ["tls:127.0.0.1:1"],
      "tls:127.0.0.1:1: metrics have no TLS: use inet:HOST:PORT",
    ],
    [
      ["127.0.0.1:9119"],
      '127.0.0.1:9119: unknown transport "127.0.0.1": ' +
      "need inet:HOST:PORT or unix:PATH",
    ],
    [
      [`unix:${folder.path}/file`],
      `unix:${folder.path}/file: there is something that is no socket: ` +
      "move it away, or listen elsewhere",
    ],
    // Where the socketmap is.
    [
      [`unix:${socket}`],
      `unix:${socket} is given twice: --socketmap and --metrics need a place each`,
    ],
    [
      ["inet:127.0.0.1:0", "--metrics", "inet:[::1]:0"],
      "give --metrics only once",
    ],
  ];
  for (const [value, message] of table) {
    const { code, stderr } = await runCli([
      "serve",
      "t=static:v",
      ...["--socketmap", `unix:${socket}`, "--metrics", ...value],
    ]);
    const [first] = stderr.split("\n").filter((line) => line.includes("fatal"));
    assertEquals([code, first], [1, `memcache-table: fatal: ${message}`]);
    // Nothing is left where it would have listened.
    assertEquals([...Deno.readDirSync(folder.path)].length, 1, message);
  }
});

Deno.test("serve asks at the start for the permission to show metrics", async () => {
  const { code, stderr } = await runCli([
    "serve",
    ...withMetrics.slice(0, 2),
    ...["--metrics", "inet:127.0.0.1:9119", "t=static:v"],
  ], { permissions: ["--allow-net=127.0.0.1:0", "--allow-read"] });
  assertEquals(code, 1);
  assertMatch(
    stderr,
    /^memcache-table: fatal: no permission to listen on inet:127.0.0.1:9119: run Deno with --allow-net=127.0.0.1:9119$/m,
  );
  // It needs no other.
  await using serving = await Serving.start([...withMetrics, "t=static:v"], {
    permissions: ["--allow-net=127.0.0.1:0", "--allow-read"],
  });
  assertEquals((await read(serving, "/healthz"))[0], 200);
  assert(await valueOf(serving, 'up{table="t"}') === 1);
  assertEquals(serving.lines, []);
});

Deno.test("serve --log-clients names the client of a bad request", async () => {
  await using folder = await Folder.make();
  const place = `unix:${folder.path}/s`;
  await using serving = await Serving.start([
    ...anywhere,
    ...["--socketmap", place, "--log-clients", "t=static:v"],
  ]);
  using tcp = await RawClient.connect(serving.endpoint);
  await tcp.ask("nosuch k");
  const { port } = tcp.connection.localAddr as Deno.NetAddr;
  using unix = await RawClient.connect(place);
  await unix.ask("nosuch k");
  assertEquals(await serving.stop(), 0);
  const warning = (name: string) =>
    `memcache-table: warning: ${name} was refused: no table "nosuch": there are t`;
  assertEquals(serving.lines.filter((line) => line.includes("warning")), [
    warning(`client inet:127.0.0.1:${port}`),
    warning(`a client at ${place}`),
  ]);
});

Deno.test("serve ends in time with clients of its metrics that do not leave", async () => {
  await using memcached = await Memcached.tcp();
  await memcached.signal("SIGSTOP");
  await using serving = await Serving.start([
    ...withMetrics,
    `t=memcache:{memcache=${memcached.server}, timeout=60}`,
  ], { command: [Deno.execPath(), "run", "-A", `${root}cli.ts`] });
  const place = serving.metrics!.replace("http://", "inet:");
  using silent = await RawClient.connect(place);
  using half = await RawClient.connect(place);
  await half.send("GET /");
  using waits = await RawClient.connect(place);
  await waits.send("GET /healthz HTTP/1.0\r\n\r\n");
  // The server has read what came before this.
  assertEquals((await read(serving, "/nosuch"))[0], 404);
  const started = Date.now();
  assertEquals(await serving.stop(), 0);
  const seconds = (Date.now() - started) / 1000;
  assert(seconds < 8, `${seconds} s`);
  for (const client of [silent, half, waits]) await client.ended();
});

Deno.test("metrics do not keep lookups of many clients from sharing round trips", async () => {
  await using memcached = await Memcached.tcp();
  await memcached.set("k", "v");
  await using serving = await Serving.start([
    ...withMetrics,
    `t=memcache:{memcache=${memcached.server}}`,
  ]);
  const reads = async () =>
    Number(
      (await run("sh", ["-c", `cat /proc/${memcached.pid}/io`])).stdout
        .match(/syscr: (\d+)/)![1],
    );
  const clients = await Promise.all(
    Array.from({ length: 20 }, () => RawClient.connect(serving.endpoint)),
  );
  for (const client of clients) await client.ask("t k");
  const before = await reads();
  await Promise.all(clients.map(async (client) => {
    await client.send(netstring("t k").repeat(100));
    for (let count = 0; count < 100; count++) await client.reply();
  }));
  const used = await reads() - before;
  assert(used < 1000, `${used} reads of memcached for 2000 lookups`);
  assertEquals(await valueOf(serving, 'hits_total{table="t"}'), 2020);
  for (const client of clients) client[Symbol.dispose]();
});
