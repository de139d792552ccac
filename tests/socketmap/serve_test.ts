import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { Folder } from "../support/folder.ts";
import { freePort, Memcached } from "../support/memcached.ts";
import { root, run, runCli, runPostmap } from "../support/processes.ts";
import { Random } from "../support/random.ts";
import {
  ForeignSocket,
  resetConnections,
  type SocketKind,
} from "../support/foreign_socket.ts";
import { Serving } from "../support/serving.ts";
import { netstring, RawClient } from "../support/socketmap.ts";

const anywhere = ["--socketmap", "inet:127.0.0.1:0"];

Deno.test("postmap finds by serve what it finds in memcached itself", async () => {
  const random = Random.seeded("serve");
  await using folder = await Folder.make();
  await using memcached = await Memcached.tcp();
  const config = ["-c", await folder.mailConfiguration()];
  const tables = {
    plain: "key_format = a:%s",
    users: "key_format = u:%u\ndomain = example.com, bücher.example",
    digested: "key_digest = sha256",
  };
  const operands: string[] = [];
  for (const [name, settings] of Object.entries(tables)) {
    const content = `memcache = ${memcached.server}\n${settings}\n`;
    const file = await folder.write(`${name}.cf`, content);
    operands.push(`${name}=memcache:${file}`);
  }
  await using serving = await Serving.start([
    ...config,
    ...anywhere,
    ...operands,
  ]);
  const words = [
    "alice",
    "Bob",
    "STRAßE",
    "日本",
    "x y",
    "'q'",
    "a:b",
    "%s",
    "",
  ];
  const domains = ["", "@example.com", "@BÜCHER.example", "@other.example"];
  const keys = Array.from({ length: 200 }, () => {
    const word = random.list(1, 2, () => random.pick(words)).join("");
    return word + random.integer(0, 30) + random.pick(domains);
  });
  keys.push("", " ", "@", "a@", "@example.com");
  for (const key of keys) {
    if (random.chance(0.3)) continue;
    const folded = key.toLowerCase().replaceAll("ß", "ss");
    const value = random.list(1, 20, () => random.pick([...words, " ", "ä"]));
    for (const name of [`a:${folded}`, `u:${folded.replace(/@.*/, "")}`]) {
      if (/\s/.test(name)) continue;
      await memcached.set(name, value.join("") || "v");
    }
  }
  const stdin = keys.join("\n") + "\n";
  for (const operand of operands) {
    const [name, table] = operand.split("=");
    // Debian's has no key_digest, and would ask for the plain key.
    if (name === "digested") continue;
    const theirs = await runPostmap([...config, "-q", "-", table], { stdin });
    const ours = await runPostmap(
      [...config, "-q", "-", `socketmap:${serving.endpoint}:${name}`],
      { stdin },
    );
    assert(theirs.stdout.length > 1000);
    assertEquals([ours.code, ours.stdout], [theirs.code, theirs.stdout]);
  }
  const digest = await run("sh", ["-c", "printf %s carol | sha256sum"]);
  await memcached.set(digest.stdout.slice(0, 64), "digested");
  await memcached.set("a:latin", Uint8Array.of(0xff));
  const single: [string, string, number, string][] = [
    ["plain", "latin", 1, ""],
    ["plain", "\n", 1, ""],
    ["digested", "CAROL", 0, "digested\n"],
    ["nosuch", "k", 1, ""],
  ];
  // At once, for postmap rests for a second when it fails.
  await Promise.all(single.map(async ([name, key, code, stdout]) => {
    const socketmap = `socketmap:${serving.endpoint}:${name}`;
    const answer = await runPostmap([...config, "-q", key, socketmap]);
    assertEquals([answer.code, answer.stdout], [code, stdout], key);
  }));
  assertEquals(await serving.stop(), 0);
  assertEquals(
    serving.lines.map((line) => line.replace(/ the value.*/, "")).toSorted(),
    [
      `memcache-table: warning: a client was refused: no table "nosuch": ` +
      `there are plain, users, digested`,
      `memcache-table: warning: plain: memcache:${folder.path}/plain.cf:`,
    ],
  );
});

Deno.test("serve takes keys as they are with -f, and bytes with -u", async () => {
  await using memcached = await Memcached.tcp();
  await memcached.set("Alice", "upper");
  await memcached.set("\xff".normalize(), "utf8");
  const table = `t=memcache:{memcache=${memcached.server}}`;
  {
    await using serving = await Serving.start(["-f", ...anywhere, table]);
    using client = await RawClient.connect(serving.endpoint);
    assertEquals(await client.ask("t Alice"), "OK upper");
    assertEquals(await client.ask("t alice"), "NOTFOUND ");
    assertEquals(await client.ask("t \xff"), "NOTFOUND ");
    assertEquals(await client.ask("t \xc3\xbf"), "OK utf8");
  }
  await using serving = await Serving.start(["-u", ...anywhere, table]);
  using client = await RawClient.connect(serving.endpoint);
  assertEquals(await client.ask("t \xc3\xbf"), "OK utf8");
  assertEquals(await client.ask("t \xff"), "NOTFOUND ");
});

Deno.test("serve answers hundreds of clients over as many connections to memcached as are allowed", async () => {
  await using memcached = await Memcached.tcp();
  for (let at = 0; at < 100; at++) await memcached.set(`k${at}`, `v${at}`);
  await using serving = await Serving.start([
    ...anywhere,
    `t=memcache:{memcache=${memcached.server}}`,
  ]);
  const connections = async () => {
    const stats = await memcached.talk("stats\r\n", "END\r\n");
    return Number(/total_connections (\d+)/.exec(stats)![1]);
  };
  const before = await connections();
  const clients = await Promise.all(
    Array.from({ length: 400 }, () => RawClient.connect(serving.endpoint)),
  );
  await Promise.all(clients.map(async (client, number) => {
    const asked = Array.from(
      { length: 50 },
      (_, at) => (at * 7 + number) % 120,
    );
    await client.send(asked.map((at) => netstring(`t K${at}`)).join(""));
    for (const at of asked) {
      const expected = at < 100 ? `OK v${at}` : "NOTFOUND ";
      assertEquals(await client.reply(), expected);
    }
  }));
  // Those of serve, two by default, and the one that asks.
  const made = await connections() - before;
  assert(made === 2 || made === 3, `${made}`);
  for (const client of clients) client[Symbol.dispose]();
  assertEquals(await serving.stop(), 0);
  assertEquals(serving.lines, []);
});

async function memory(pid: number): Promise<number> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)![1]) / 1024;
}

Deno.test("serve bears clients that mean no good", async () => {
  const random = Random.seeded("serve, hostile");
  await using serving = await Serving.start([
    ...anywhere,
    "t=inline:{alice=wonderland}",
    `big=static:${"x".repeat(90_000)}`,
  ]);
  using good = await RawClient.connect(serving.endpoint);
  assertEquals(await good.ask("t Alice"), "OK wonderland");
  const { pid } = serving;
  const before = await memory(pid);

  const noise = () => String.fromCharCode(random.integer(0, 255));
  const mischief: ((client: RawClient) => Promise<unknown>)[] = [
    (client) => client.send(random.list(1, 2000, noise).join("")),
    (client) => client.send("1".repeat(100_000)),
    (client) => client.send("9999:" + "x".repeat(100_000)),
    (client) => client.send("500:half a request"),
    (client) => client.send(netstring("big k").repeat(300)),
    (client) => client.ask("big k"),
    (client) => client.ask(random.list(0, 90, noise).join("")),
    (client) => client.send(""),
  ];
  for (let round = 0; round < 200; round++) {
    using client = await RawClient.connect(serving.endpoint);
    // It may have been disconnected by then. Then it leaves, whatever comes.
    await random.pick(mischief)(client).catch(() => {});
    assertEquals(await good.ask("t Alice"), "OK wonderland");
  }

  using greedy = await RawClient.connect(serving.endpoint);
  const requests = netstring("big k").repeat(1000);
  const sending = (async () => {
    for (;;) await greedy.send(requests);
  })().catch(() => {});
  for (let round = 0; round < 300; round++) {
    assertEquals(await good.ask("t Alice"), "OK wonderland");
  }
  const grown = await memory(pid) - before;
  assert(grown < 150, `${grown} MB more`);
  greedy[Symbol.dispose]();
  await sending;
  assertEquals(await serving.stop("SIGINT"), 0);
  // Five of a kind within a minute.
  assert(serving.lines.length <= 15, serving.lines.join("\n"));
});

Deno.test("serve says TEMP while memcached is down, or asks the backup", async () => {
  const port = freePort();
  const table = `memcache=inet:127.0.0.1:${port}, max_try=1`;
  await using serving = await Serving.start([
    ...anywhere,
    `alone=memcache:{${table}}`,
    `backed=memcache:{${table}, backup=inline:{k=of-the-backup}}`,
  ]);
  using client = await RawClient.connect(serving.endpoint);
  for (let time = 0; time < 20; time++) {
    const reply = await client.ask("alone k");
    assert(/^TEMP memcache:.*: cannot connect to/.test(reply!), reply);
    assertEquals(await client.ask("backed k"), "OK of-the-backup");
  }
  {
    await using memcached = await Memcached.tcp(port);
    await memcached.set("k", "v");
    assertEquals(await client.ask("alone k"), "OK v");
    while (await client.ask("backed k") !== "OK v");
  }
  assertEquals(await serving.stop(), 0);
  const lines = serving.lines.map((line) => line.replace(/\{.*\}/, "{}"));
  assertEquals(lines.length, 4, lines.join("\n"));
  const start = "^memcache-table: ";
  const over = String.raw`answers again: it failed for \d+ s, \d+ requests$`;
  assertMatch(lines[0], new RegExp(`${start}warning: alone: .*refused`));
  assertMatch(lines[1], /warning: .*; going on with the backup$/);
  assertMatch(lines[2], new RegExp(`${start}alone: memcache:{} ${over}`));
  assertMatch(
    lines[3],
    new RegExp(`${start}backed: memcache:{}: memcached ${over}`),
  );
  assert(lines[2].endsWith(", 20 requests"), lines[2]);
});

Deno.test("serve writes priorities where standard error goes to the journal", async () => {
  const line = "memcache-table: fatal: cannot listen on unix:/nonexistent/s: ";
  const table: [string, string][] = [
    ['"$(stat -L -c %d:%i /proc/self/fd/2)"', `<3>${line}`],
    ["1:2", line],
  ];
  for (const [stream, start] of table) {
    const { code, stderr } = await run("sh", [
      "-c",
      `JOURNAL_STREAM=${stream} exec "$@"`,
      ...["sh", Deno.execPath(), "run", "--no-prompt"],
      ...["--allow-env=JOURNAL_STREAM", "--allow-net", "--allow-read"],
      ...["--allow-write", `${root}cli.ts`, "serve"],
      ...["--socketmap", "unix:/nonexistent/s", "t=static:v"],
    ]);
    assertEquals(code, 1);
    assertEquals(stderr.slice(0, start.length), start);
  }
});

Deno.test("serve runs few postmaps at once, however many lookups there are", async () => {
  await using folder = await Folder.make();
  const { path } = folder;
  const patterns = await folder.write("patterns", "/^k([0-9])/ found $1\n");
  const real = (await run("sh", ["-c", "command -v postmap"])).stdout.trim();
  // The real one, between two lines of a log.
  await folder.write(
    "postmap",
    `#!/bin/sh\necho + >>${path}/log\n${real} "$@"\n` +
      `status=$?\necho - >>${path}/log\nexit $status\n`,
  );
  await Deno.chmod(`${path}/postmap`, 0o755);
  const command = [
    ...["env", `PATH=${path}:${Deno.env.get("PATH")}`],
    ...[Deno.execPath(), "run", "-A", `${root}cli.ts`],
  ];
  await using serving = await Serving.start(
    [...anywhere, `t=regexp:${patterns}`],
    { command },
  );
  using client = await RawClient.connect(serving.endpoint);
  const numbers = Array.from({ length: 100 }, (_, at) => at % 10);
  await client.send(numbers.map((at) => netstring(`t k${at}`)).join(""));
  for (const at of numbers) {
    assertEquals(await client.reply(), `OK found ${at}`);
  }
  let running = 0;
  let most = 0;
  for (const line of (await Deno.readTextFile(`${path}/log`)).split("\n")) {
    running += line === "+" ? 1 : line === "-" ? -1 : 0;
    most = Math.max(most, running);
  }
  assert(most > 1 && most <= 16, `${most} at once`);
});

Deno.test("serve answers what was asked when SIGTERM comes, and ends", async () => {
  await using folder = await Folder.make();
  await using memcached = await Memcached.tcp();
  await memcached.set("k", "v");
  const path = `${folder.path}/s`;
  const start = () =>
    Serving.start([
      "--socketmap",
      `unix:${path}`,
      `t=memcache:{memcache=${memcached.server}}`,
    ]);
  /** Sends a signal, and waits until nobody can connect any more. */
  const stop = async (serving: Serving) => {
    serving.kill("SIGTERM");
    for (;;) {
      try {
        (await Deno.connect({ transport: "unix", path })).close();
      } catch (error) {
        // Anything else is a queue that is full.
        if (error instanceof Deno.errors.NotFound) return;
        if (error instanceof Deno.errors.ConnectionRefused) return;
      }
    }
  };
  {
    await using serving = await start();
    using client = await RawClient.connect(serving.endpoint);
    assertEquals(await client.ask("t k"), "OK v");
    await memcached.signal("SIGSTOP");
    await client.send(netstring("t k") + netstring("t k"));
    using other = await RawClient.connect(serving.endpoint);
    // It has read what came before this.
    assertEquals((await other.ask("no k"))?.slice(0, 4), "PERM");
    await stop(serving);
    await memcached.signal("SIGCONT");
    assertEquals(await client.reply(), "OK v");
    assertEquals(await client.reply(), "OK v");
    assertEquals(await client.reply(), undefined);
    assertEquals(await serving.ended(), 0);
  }
  // Who sends a second signal does not want to wait.
  await using serving = await start();
  using client = await RawClient.connect(serving.endpoint);
  await memcached.signal("SIGSTOP");
  await client.send(netstring("t k"));
  using other = await RawClient.connect(serving.endpoint);
  assertEquals((await other.ask("no k"))?.slice(0, 4), "PERM");
  await stop(serving);
  assertEquals(await serving.stop(), 0);
  assertEquals(await client.reply(), undefined);
});

Deno.test("serve replaces the socket of a dead server, and nothing else", async () => {
  await using folder = await Folder.make();
  const path = `${folder.path}/s`;
  const where = ["--socketmap", `unix:${path}`];
  {
    await using dead = await Serving.start([...where, "t=static:old"]);
    assertEquals((await Deno.stat(path)).mode! & 0o777, 0o660);
    await dead.stop("SIGKILL");
  }
  assert((await Deno.lstat(path)).isSocket);
  {
    await using serving = await Serving.start([
      ...where,
      ...["--mode", "0606"],
      "t=static:new",
    ]);
    assertEquals((await Deno.stat(path)).mode! & 0o777, 0o606);
    using client = await RawClient.connect(`unix:${path}`);
    assertEquals(await client.ask("t k"), "OK new");
    const second = await runCli(["serve", ...where, "t=static:other"]);
    assertEquals(second, {
      code: 1,
      stdout: "",
      stderr: `memcache-table: fatal: unix:${path} is already served: ` +
        `stop that server, or listen elsewhere\n`,
    });
    assertEquals(await client.ask("t k"), "OK new");
    assertEquals(await serving.stop(), 0);
  }
  assertEquals([...Deno.readDirSync(folder.path)], []);
  const kinds: [SocketKind | "file" | "link", string][] = [
    ["file", "something that is no socket"],
    ["link", "something that is no socket"],
    ["full", "is already served"],
    ["datagram", "is already served"],
    ["sequenced", "is already served"],
  ];
  for (const [kind, reason] of kinds) {
    await using stack = new AsyncDisposableStack();
    if (kind === "file") await Deno.writeTextFile(path, "precious");
    else if (kind === "link") await Deno.symlink("/nonexistent", path);
    else stack.use(await ForeignSocket.make(kind, path));
    const { ino } = await Deno.lstat(path);
    const refused = await runCli(["serve", ...where, "t=static:v"]);
    assertEquals(refused.code, 1, kind);
    assert(refused.stderr.includes(reason), refused.stderr);
    assertEquals((await Deno.lstat(path)).ino, ino);
    assertEquals([...Deno.readDirSync(folder.path)].length, 1);
    await Deno.remove(path);
  }
});

Deno.test("serve removes at its end what it made, and nothing else", async () => {
  await using folder = await Folder.make();
  const path = `${folder.path}/s`;
  const where = ["--socketmap", `unix:${path}`];
  const narrow = [
    `--allow-net=unix:${path}`,
    `--allow-read=${path}`,
    `--allow-write=${path}`,
  ];
  for (const permissions of [["-A"], narrow]) {
    const start = (table: string) =>
      Serving.start([...where, table], { permissions });
    const changes: (() => Promise<void>)[] = [
      () => Deno.writeTextFile(path, "precious"),
      () => Deno.symlink("/etc/passwd", path),
      () => Deno.mkdir(path),
      async () => void await ForeignSocket.make("dead", path),
    ];
    for (const change of changes) {
      await using serving = await start("t=static:v");
      await Deno.remove(path);
      await change();
      const { ino } = await Deno.lstat(path);
      assertEquals(await serving.stop(), 0);
      assertEquals((await Deno.lstat(path)).ino, ino);
      assertEquals([...Deno.readDirSync(folder.path)].length, 1);
      await Deno.remove(path);
    }
    await using old = await start("t=static:old");
    await Deno.remove(path);
    await using next = await start("t=static:new");
    assertEquals(await old.stop(), 0);
    {
      using client = await RawClient.connect(`unix:${path}`);
      assertEquals(await client.ask("t k"), "OK new");
    }
    assertEquals(await next.stop(), 0);
    assertEquals([...Deno.readDirSync(folder.path)], []);
  }
});

Deno.test("serve takes a path of up to 107 bytes", async () => {
  await using folder = await Folder.make();
  for (const length of [100, 101, 106, 107]) {
    const directory = folder.path.padEnd(length - 2, "d");
    await Deno.mkdir(directory);
    const path = `${directory}/s`;
    await using serving = await Serving.start([
      ...["--socketmap", `unix:${path}`],
      "t=static:v",
    ]);
    assertEquals([...Deno.readDirSync(directory)].length, 1);
    using client = await RawClient.connect(`unix:${path}`);
    assertEquals(await client.ask("t k"), "OK v");
    assertEquals(await serving.stop(), 0);
    assertEquals([...Deno.readDirSync(directory)], []);
    await Deno.remove(directory);
  }
});

Deno.test("serve: one of many that start at once takes over from a dead server", async () => {
  await using folder = await Folder.make();
  const path = `${folder.path}/s`;
  for (let round = 0; round < 3; round++) {
    await (await ForeignSocket.make("dead", path))[Symbol.asyncDispose]();
    await using stack = new AsyncDisposableStack();
    const starts = await Promise.allSettled(
      Array.from({ length: 5 }, async () =>
        stack.use(
          await Serving.start(["--socketmap", `unix:${path}`, "t=static:v"]),
        )),
    );
    const failed = starts.filter(({ status }) => status === "rejected");
    assertEquals(failed.length, 4);
    for (const { reason } of failed as PromiseRejectedResult[]) {
      assert(`${reason}`.includes("already served"), `${reason}`);
    }
    using client = await RawClient.connect(`unix:${path}`);
    assertEquals(await client.ask("t k"), "OK v");
    assertEquals([...Deno.readDirSync(folder.path)].length, 1);
    await Deno.remove(path);
  }
});

Deno.test("serve takes clients while others reset their connections", async () => {
  await using serving = await Serving.start([...anywhere, "t=static:v"]);
  // They have left before it takes them.
  serving.kill("SIGSTOP");
  await resetConnections(serving.endpoint, 200);
  serving.kill("SIGCONT");
  const start = performance.now();
  using client = await RawClient.connect(serving.endpoint);
  assertEquals(await client.ask("t k"), "OK v");
  // It was a second for each.
  assert(performance.now() - start < 1000);
  assertEquals(await serving.stop(), 0);
  assertEquals(serving.lines, []);
});

Deno.test("serve keeps little for clients that do not read, and answers those that do", async () => {
  await using folder = await Folder.make();
  await using memcached = await Memcached.tcp();
  const long = "v".repeat(60_000);
  for (let at = 0; at < 50; at++) await memcached.set(`k${at}`, long);
  const table = `{memcache=${memcached.server}, data_size_limit=100000}`;
  await using serving = await Serving.start([
    // What the system itself keeps for a client is little here.
    ...["--socketmap", `unix:${folder.path}/s`],
    `t=memcache:${table}`,
  ]);
  const before = await memory(serving.pid);
  using stack = new DisposableStack();
  const requests = Array.from(
    { length: 256 },
    (_, at) => netstring(`t k${at % 50}`),
  ).join("");
  await Promise.all(Array.from({ length: 100 }, async () => {
    const greedy = stack.use(await RawClient.connect(serving.endpoint));
    await greedy.send(requests);
  }));
  using good = await RawClient.connect(serving.endpoint);
  for (let at = 0; at < 30; at++) {
    assertEquals(await good.ask(`t k${at}`), `OK ${long}`);
  }
  // It was 700 MB.
  const grown = await memory(serving.pid) - before;
  assert(grown < 250, `${grown} MB more`);
  assertEquals(await serving.stop("SIGINT"), 0);
});

Deno.test("serve answers all the while its tables' files change", async () => {
  await using folder = await Folder.make();
  await using memcached = await Memcached.tcp();
  for (const name of ["a", "b"]) await memcached.set(`${name}:k`, `of ${name}`);
  const own = (name: string) =>
    `memcache = ${memcached.server}\nkey_format = ${name}:%s\n`;
  const file = await folder.write("t.cf", own("a"));
  const source = await folder.write("source", "k 0\n");
  await using serving = await Serving.start([
    ...anywhere,
    `t=memcache:${file}`,
    `s=texthash:${source}`,
  ]);
  using client = await RawClient.connect(serving.endpoint);
  let latest = 0;
  for (let change = 1; change <= 3; change++) {
    const name = change % 2 === 1 ? "b" : "a";
    // One is replaced, the other one written over in pieces.
    const next = `${folder.path}/new`;
    await Deno.writeTextFile(next, own(name));
    await Deno.rename(next, file);
    await Deno.writeTextFile(source, "");
    await Deno.writeTextFile(source, `k ${change}\n`, { append: true });
    const start = performance.now();
    for (let found = ""; found !== `OK of ${name}` || latest < change;) {
      found = (await client.ask("t k"))!;
      assert(/^OK of [ab]$/.test(found), found);
      const number = /^OK (\d)$/.exec((await client.ask("s k"))!);
      assert(number !== null && Number(number[1]) >= latest);
      latest = Number(number[1]);
    }
    const took = performance.now() - start;
    assert(took < 3_000, `${took} ms`);
  }
  await Deno.writeTextFile(file, "no parameter\n");
  while (serving.lines.length < 7) {
    assertEquals(await client.ask("t k"), "OK of b");
  }
  assert(serving.lines[6].includes("cannot be opened again"));
  assertEquals(await serving.stop(), 0);
});

Deno.test("serve ends in the stated time, whatever clients do", async () => {
  await using memcached = await Memcached.tcp();
  await memcached.set("k", "v");
  await using serving = await Serving.start([
    ...anywhere,
    `t=memcache:{memcache=${memcached.server}, timeout=0}`,
  ]);
  using stack = new DisposableStack();
  const client = async (text: string) => {
    const client = stack.use(await RawClient.connect(serving.endpoint));
    await client.send(text);
  };
  await memcached.signal("SIGSTOP");
  await client("102400:" + "x".repeat(50_000));
  await client("no netstring");
  await client(netstring("t k").repeat(5000));
  using other = await RawClient.connect(serving.endpoint);
  assertEquals((await other.ask("no k"))?.slice(0, 4), "PERM");
  const start = performance.now();
  assertEquals(await serving.stop(), 0);
  const seconds = (performance.now() - start) / 1000;
  assert(seconds < 10, `${seconds} s`);
});

Deno.test("serve says what is wrong with its arguments", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const taken = `inet:127.0.0.1:${listener.addr.port}`;
  const table: [string[], string][] = [
    [[], "say where to listen: --socketmap inet:HOST:PORT or unix:PATH"],
    [anywhere, "no table; say which: NAME=type:name"],
    [[...anywhere, "static:v"], `need NAME=type:name instead of "static:v"`],
    [[...anywhere, "=static:v"], `need NAME=type:name instead of "=static:v"`],
    [[...anywhere, "t=static:v", "t=static:w"], `two tables are called "t"`],
    [[...anywhere, "t=v"], `need type:name to open a table instead of "v"`],
    [[...anywhere, "a b=static:v"], `"a b" cannot be the name of a socketmap`],
    [[...anywhere, "--idle", "0", "t=static:v"], "--idle needs a whole number"],
    [[...anywhere, "--clients=x", "t=static:v"], "--clients needs a whole"],
    [[...anywhere, "--mode=0600", "t=static:v"], "--mode is for a socket that"],
    [
      ["--socketmap=unix:/x", "--mode=8", "t=static:v"],
      "--mode needs an octal",
    ],
    [["--socketmap=tcp:1", "t=static:v"], `unknown transport "tcp"`],
    [["--socketmap=unix:/nonexistent/s", "t=static:v"], "no such directory"],
    [[`--socketmap=${taken}`, "t=static:v"], "another program listens there"],
    [
      ["--socketmap=inet:[::1]:9", "--metrics=inet:[::1]:9", "t=static:v"],
      "inet:[::1]:9 is given twice: --socketmap and --metrics need a place each",
    ],
    [
      ["--socketmap=unix:/x", "--socketmap=unix:/x", "t=static:v"],
      "unix:/x is given twice",
    ],
  ];
  await Promise.all(table.map(async ([args, reason]) => {
    const { code, stdout, stderr } = await runCli(["serve", ...args]);
    assertEquals([code, stdout], [1, ""]);
    assert(stderr.startsWith("memcache-table: fatal: "), stderr);
    assert(stderr.includes(reason), stderr);
    assertEquals(stderr.split("\n").length, 2, stderr);
  }));
  const { code, stdout } = await runCli(["serve", "--help"]);
  assertEquals(code, 0);
  assert(stdout.split("\n").length <= 25);
});

// What `help permissions` says for such a service.
const leastPermissions = [
  "--no-prompt",
  "--unstable-kv",
  "--allow-env=JOURNAL_STREAM",
  "--allow-net=localhost:11211,127.0.0.1:10027",
  "--allow-read=/etc/postfix,/var/lib/memcache-table",
  "--allow-write=/var/lib/memcache-table",
];
const leastCommand = [
  "serve",
  "--socketmap",
  "inet:127.0.0.1:10027",
  "aliases=memcache:/etc/postfix/aliases.cf",
];

Deno.test("serve needs few permissions, and no more", async () => {
  await using folder = await Folder.make();
  const { path } = folder;
  for (const name of ["etc", "state"]) await Deno.mkdir(`${path}/${name}`);
  await using memcached = await Memcached.tcp();
  await memcached.set("k", "v");
  const port = memcached.server.split(":")[2];
  const own = `127.0.0.1:${freePort()}`;
  const [permissions, args] = [leastPermissions, leastCommand].map((words) =>
    words.map((word) =>
      word.replace("localhost:11211", `localhost:${port}`)
        .replace("127.0.0.1:10027", own)
        .replaceAll("/etc/postfix", `${path}/etc`)
        .replaceAll("/var/lib/memcache-table", `${path}/state`)
    )
  );
  assertEquals(args.shift(), "serve");
  await folder.write(
    "etc/aliases.cf",
    `memcache = inet:localhost:${port}\nbackup = kv:${path}/state/t.kv\n`,
  );
  await folder.write("etc/main.cf", "compatibility_level = 3.6\n");
  const more = ["-c", `${path}/etc`];
  {
    await using serving = await Serving.start([...more, ...args], {
      permissions,
    });
    assertEquals(serving.endpoint, `inet:${own}`);
    using client = await RawClient.connect(serving.endpoint);
    assertEquals(await client.ask("aliases K"), "OK v");
    assertEquals(await client.ask("aliases x"), "NOTFOUND ");
    assertEquals(await serving.stop(), 0);
    assertEquals(
      serving.lines.filter((line) => !line.includes("no such database yet")),
      [],
    );
  }
  const socket = `${path}/state/s`;
  {
    const arg = args.map((word) =>
      word.replace(`inet:${own}`, `unix:${socket}`)
    );
    const flags = [
      `--allow-net=localhost:${port},unix:${socket}`,
      `--allow-read=${socket},${path}/etc`,
      `--allow-write=${socket}`,
    ];
    await folder.write(
      "etc/aliases.cf",
      `memcache = inet:localhost:${port}\n`,
    );
    await using serving = await Serving.start([...more, ...arg], {
      permissions: flags,
    });
    using client = await RawClient.connect(serving.endpoint);
    assertEquals(await client.ask("aliases K"), "OK v");
    assertEquals(await serving.stop(), 0);
  }
  // Each of them is needed.
  const needless: string[] = [];
  for (const flag of permissions) {
    if (!flag.startsWith("--allow-net")) continue;
    const without = flag.replace(`,${own}`, "");
    const { code, stderr } = await runCli(["serve", ...more, ...args], {
      permissions: permissions.map((one) => one === flag ? without : one),
    });
    if (code === 0) needless.push(flag);
    assert(stderr.includes(`run Deno with --allow-net=${own}`), stderr);
  }
  assertEquals(needless, []);
});
