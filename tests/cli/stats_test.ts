import { utf8Text } from "../../lib/bytes/text.ts";
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { freePort, Memcached } from "../support/memcached.ts";
import { root, runCli } from "../support/processes.ts";
import { ScriptedServer } from "../support/scripted_server.ts";

const figures: Record<string, string> = {
  version: "1.6.18",
  uptime: "273906",
  get_hits: "1234567",
  get_misses: "12345",
  cmd_set: "98765",
  curr_items: "54321",
  bytes: "12902400",
  limit_maxbytes: "67108864",
  evictions: "7",
  curr_connections: "10",
  max_connections: "1024",
};

function answer(more: Record<string, string> = {}): string {
  return Object.entries({ ...figures, ...more })
    .map(([name, value]) => `STAT ${name} ${value}\r\n`).join("") + "END\r\n";
}

/** A running `stats --watch`, and what it has printed so far. */
class Watch implements AsyncDisposable {
  readonly child: Deno.ChildProcess;
  #reader: ReadableStreamDefaultReader<Uint8Array>;
  #decoder = new TextDecoder();
  printed = "";

  constructor(program: string, args: string[]) {
    this.child = new Deno.Command(program, {
      args,
      cwd: root,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#reader = this.child.stdout.getReader();
  }

  static cli(args: string[]): Watch {
    return new Watch(Deno.execPath(), ["run", "-A", "cli.ts", ...args]);
  }

  /** Waits until what was printed is as it should be. */
  async until(condition: (printed: string) => boolean): Promise<void> {
    while (!condition(this.printed)) {
      const { value, done } = await this.#reader.read();
      if (done) throw new Error(`it ended after ${this.printed}`);
      this.printed += this.#decoder.decode(value, { stream: true });
    }
  }

  /** Its exit status and standard error, when it has ended. */
  async end(): Promise<[number, string]> {
    for (;;) {
      const { value, done } = await this.#reader.read();
      if (done) break;
      this.printed += this.#decoder.decode(value, { stream: true });
    }
    const stderr = await new Response(this.child.stderr).text();
    return [(await this.child.status).code, stderr];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await this.#reader.cancel();
    if (!this.child.stderr.locked) await this.child.stderr.cancel();
    await this.child.stdin.close().catch(() => {});
    await this.child.status;
  }
}

const lines = (count: number) => (printed: string) =>
  printed.split("\n").length > count;

Deno.test("stats prints figures that a person can read", async () => {
  await using server = new ScriptedServer(() => [answer()]);
  const table = `memcache:{memcache=${server.server}}`;
  const { code, stdout, stderr } = await runCli(["stats", table]);
  assertEquals([code, stderr], [0, ""]);
  assertEquals(
    stdout,
    `\
memcached 1.6.18 at ${server.server}, up 3 days, 04:05:06
  hits               1,234,567
  misses                12,345
  hit ratio             99.0 %
  updates               98,765
  items                 54,321
  memory              12.3 MiB  of 64.0 MiB, 19.2 %
  evictions                  7
  connections               10  of 1,024
`,
  );
  assertEquals(server.lines, ["stats"]);
});

Deno.test("stats prints what there is of figures at the edge", async () => {
  const table: [Record<string, string>, RegExp[]][] = [
    [{ get_hits: "0", get_misses: "0" }, [/hit ratio +-\n/]],
    [{ get_hits: "99999", get_misses: "1" }, [/hit ratio +99\.9 %\n/]],
    [{ get_hits: "9", get_misses: "0" }, [/hit ratio +100\.0 %\n/]],
    [{ bytes: "1023" }, [/memory +1023 bytes {2}of 64\.0 MiB, 0\.0 %\n/]],
    [{ bytes: "1024" }, [/memory +1\.0 KiB {2}of/]],
    [{ uptime: "86400" }, [/up 1 day, 00:00:00\n/]],
    [{ uptime: "59" }, [/up 00:00:59\n/]],
    [{ evictions: "x", curr_items: "", max_connections: "" }, [
      /evictions +not told\n/,
      /items +not told\n/,
      /connections +10\n/,
    ]],
    [{ version: "1\x1b[2J" }, [/^memcached 1\?\[2J at /]],
  ];
  await Promise.all(table.map(async ([more, expected]) => {
    await using server = new ScriptedServer(() => [answer(more)]);
    const name = `memcache:{memcache=${server.server}}`;
    const { code, stdout } = await runCli(["stats", name]);
    assertEquals(code, 0);
    for (const pattern of expected) assertMatch(stdout, pattern);
  }));
});

Deno.test("stats -j prints raw numbers of a real memcached", async () => {
  await using memcached = await Memcached.tcp();
  await memcached.set("a", "1");
  await memcached.get("a");
  await memcached.get("b");
  const table = `memcache:{memcache=${memcached.server}}`;
  const { code, stdout } = await runCli(["stats", "-j", table]);
  assertEquals(code, 0);
  const { version, uptime, bytes, connections, ...rest } = JSON.parse(stdout);
  assertMatch(version, /^\d/);
  assert(uptime < 100 && bytes > 10 && connections >= 1);
  assertEquals(rest, {
    table,
    server: memcached.server,
    hits: 1,
    misses: 1,
    hitRatio: 0.5,
    sets: 1,
    items: 1,
    limitBytes: 67108864,
    evictions: 0,
    maxConnections: 1024,
  });
  assertEquals(stdout.split("\n").length, 2);
});

Deno.test("stats fails when the server does", async () => {
  const table = `memcache:{memcache=inet:127.0.0.1:${freePort()}}`;
  const { code, stdout, stderr } = await runCli(["stats", "-j", table]);
  assertEquals([code, stdout], [1, ""]);
  assertMatch(stderr, /^memcache-table: fatal: .*is it running there/);
});

Deno.test("stats --watch prints again and again, with rates, until it is interrupted", async () => {
  await using memcached = await Memcached.tcp();
  const table = `memcache:{memcache=${memcached.server}}`;
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    await using watch = Watch.cli(["stats", "--watch", "--interval=.2", table]);
    await watch.until(lines(10));
    for (let number = 0; number < 50; number++) await memcached.get("nobody");
    await watch.until((printed) => /misses +\d+ {2}[1-9]/.test(printed));
    watch.child.kill(signal);
    assertEquals(await watch.end(), [0, ""]);
    const blocks = watch.printed.split("\n\n");
    assertMatch(blocks[0], /^\d\d:\d\d:\d\d {2}memcached \d\S* at inet:/);
    assert(!blocks[0].includes("/s"), "no rates at first");
    assertMatch(blocks[1], /hits +0 {2}0\/s\n/);
  }
});

Deno.test("stats --watch -j goes on while the server is away", async () => {
  const port = freePort();
  const table = `memcache:{memcache=inet:127.0.0.1:${port}}`;
  await using watch = Watch.cli([
    "stats",
    "-j",
    "--watch",
    "--interval=0.1",
    table,
  ]);
  await watch.until(lines(2));
  {
    await using _memcached = await Memcached.tcp(port);
    await watch.until((printed) => /"rates":\{[^\n]*\n/.test(printed));
  }
  const before = watch.printed.length;
  await watch.until((printed) => /"error":.*\n/.test(printed.slice(before)));
  await using _memcached = await Memcached.tcp(port);
  const away = watch.printed.length;
  await watch.until((printed) => /"rates":null/.test(printed.slice(away)));
  watch.child.kill("SIGINT");
  assertEquals(await watch.end(), [0, ""]);
  const all = watch.printed.trimEnd().split("\n").map((line) =>
    JSON.parse(line)
  );
  assertEquals(Object.keys(all[0]), ["table", "time", "error"]);
  assertMatch(all[0].error, /is it running there/);
  assert(all.every(({ time }) => !Number.isNaN(Date.parse(time))));
  const figures = all.filter(({ error }) => error === undefined);
  assertEquals(figures[0].rates, null);
  assertEquals(figures[1].rates, { hits: 0, misses: 0, sets: 0, evictions: 0 });
});

Deno.test("stats --watch shows no rates over a restart that it did not see", async () => {
  let asked = 0;
  const answers = [
    answer({ get_hits: "10" }),
    answer({ get_hits: "20", uptime: "1" }),
    answer({ get_hits: "20", uptime: "2" }),
    answer({ get_hits: "5", uptime: "3" }),
  ];
  await using server = new ScriptedServer(() => [answers[asked++] ?? "CLOSE"]);
  const table = `memcache:{memcache=${server.server}}`;
  await using watch = Watch.cli([
    "stats",
    "-j",
    "--watch",
    "--interval=.1",
    table,
  ]);
  await watch.until(lines(5));
  watch.child.kill("SIGINT");
  await watch.end();
  const all = watch.printed.trimEnd().split("\n").map((line) =>
    JSON.parse(line)
  );
  assertEquals(all.slice(0, 4).map(({ rates }) => rates?.hits ?? null), [
    null,
    null,
    0,
    null,
  ]);
  assertMatch(all[4].error, /it closed the connection/);
});

Deno.test("stats --watch ends at once though the server is silent", async () => {
  const waiting = Promise.withResolvers<void>();
  await using server = new ScriptedServer(() => {
    waiting.resolve();
    return ["HANG"];
  });
  const table = `memcache:{memcache=${server.server} timeout=0}`;
  await using watch = Watch.cli(["stats", "--watch", table]);
  await waiting.promise;
  watch.child.kill("SIGTERM");
  assertEquals(await watch.end(), [0, ""]);
});

Deno.test("stats --watch says at once what is wrong with the configuration", async () => {
  const { code, stdout, stderr } = await runCli([
    "stats",
    "--watch",
    "memcache:/nonexistent",
  ]);
  assertEquals([code, stdout], [1, ""]);
  assertMatch(stderr, /fatal: \/nonexistent: there is no such file/);
});

Deno.test("stats --watch ends quietly when nobody reads its output", async () => {
  await using memcached = await Memcached.tcp();
  const script =
    `"$0" run -A cli.ts stats -j --watch --interval 0.1 "$1" | head -n 2 >&2; echo "\${PIPESTATUS[0]}"`;
  const { stdout, stderr } = await new Deno.Command("bash", {
    args: [
      "-c",
      script,
      Deno.execPath(),
      `memcache:{memcache=${memcached.server}}`,
    ],
    cwd: root,
  }).output();
  assertEquals(utf8Text.decode(stdout), "141\n");
  assertEquals(utf8Text.decode(stderr)!.split("\n").length, 3);
});

Deno.test("stats --watch draws over what is there on a terminal", async () => {
  const port = freePort();
  const table = `memcache:{memcache=inet:127.0.0.1:${port}}`;
  const command =
    `exec '${Deno.execPath()}' run -A cli.ts stats --watch --interval 0.1 '${table}'`;
  await using watch = new Watch("script", ["-qefc", command, "/dev/null"]);
  await watch.until((printed) => printed.includes("is it running there"));
  await using _memcached = await Memcached.tcp(port);
  await watch.until((printed) => printed.includes("0/s"));
  const writer = watch.child.stdin.getWriter();
  await writer.write(new Uint8Array([3]));
  writer.releaseLock();
  const [code] = await watch.end();
  assertEquals(code, 0);
  // It clears the screen once, then goes home each time and clears the rest.
  assert(watch.printed.startsWith("\x1b[2J\x1b[H"));
  assertEquals(watch.printed.split("\x1b[2J").length, 2);
  for (const block of watch.printed.split("\x1b[H").slice(1, -1)) {
    assertMatch(block, /^\d\d:\d\d:\d\d {2}memcache/);
    assert(block.endsWith("\x1b[K\r\n\x1b[J"));
    assert(block.split("\r\n").slice(0, -1).every((l) => l.endsWith("\x1b[K")));
  }
});
