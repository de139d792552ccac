import {
  ConfigError,
  NoAnswerError,
  TemporaryError,
} from "../../lib/errors.ts";
import {
  askServer,
  figuresOf,
  type Question,
  type ReportingServer,
} from "../../lib/memcached/server_report.ts";
import { connectDeno } from "../../lib/socket/deno.ts";
import { parseEndpoint } from "../../lib/socket/endpoint.ts";
import type { Endpoint, Socket } from "../../lib/socket/socket.ts";
import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "../support/assert.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { FakeServer } from "../support/fake_server.ts";
import { Folder } from "../support/folder.ts";
import { freePort, Memcached } from "../support/memcached.ts";

/** A server in memory, and all that is needed to ask it. */
function scene(more: Partial<ReportingServer> = {}) {
  const server = new FakeServer();
  const clock = new FakeClock();
  const asked: ReportingServer = {
    table: "memcache:t",
    endpoint: { transport: "tcp", hostname: "h", port: 1 },
    connect: server.connect,
    timeout: 2000,
    clock,
    ...more,
  };
  const ask = (question: Question) => askServer(asked, (ask) => ask(question));
  return { server, clock, ask };
}

Deno.test("askServer() asks a real memcached, however it is reached", async () => {
  await using folder = await Folder.make();
  for (const start of await Memcached.everyWay(folder.path)) {
    await using memcached = await start();
    await memcached.set("k", "v");
    const server: ReportingServer = {
      table: "memcache:t",
      endpoint: parseEndpoint(memcached.server) as Endpoint,
      connect: connectDeno,
      timeout: 2000,
    };
    await askServer(server, async (ask) => {
      assertMatch((await ask("version")).join("\n"), /^VERSION \d\S+$/);
      const figures = figuresOf(await ask("stats"));
      assertEquals(figures.get("curr_items"), "1");
      const settings = figuresOf(await ask("stats settings"));
      assertEquals(settings.get("item_size_max"), "1048576");
      assertEquals(await ask("get nobody"), []);
      assertEquals(await ask("get k"), ["VALUE k 0 1", "v"]);
    });
  }
});

Deno.test("askServer() reads an answer however it is cut", async () => {
  const answer = "STAT a 1\r\nSTAT b two words\r\nEND\r\n";
  for (let at = 1; at < answer.length; at++) {
    const { server, ask } = scene();
    const asking = ask("stats");
    const connection = await server.connection(0);
    assertEquals(await connection.take(), "stats\r\n");
    connection.send(answer.slice(0, at));
    connection.send(answer.slice(at));
    const figures = figuresOf(await asking);
    assertEquals([...figures], [["a", "1"], ["b", "two words"]]);
    assert(connection.closed);
  }
});

Deno.test("askServer() says what is wrong with an answer, and closes", async () => {
  const table: [Question, string, string][] = [
    ["version", "ERROR\r\n", 'it answers "ERROR"'],
    ["stats", "SERVER_ERROR no\r\n", 'it answers "SERVER_ERROR no"'],
    ["stats", "STAT a 1\r\nERROR\r\n", 'it answers "ERROR"'],
    [
      "version",
      "CLIENT_ERROR unauthenticated\r\n",
      'it answers "CLIENT_ERROR unauthenticated": set user and password',
    ],
    ["version", "HTTP/1.1 400 Bad\r\n", "is it memcached?"],
    ["version", "\x1b[2J\x00\r\n", 'it answers "?[2J?": is it memcached?'],
    ["version", "VERSION 1\r\nVERSION 1\r\n", '"VERSION 1": is it memcached?'],
    ["version", "VERSION 1\r\nmo", '"mo": is it memcached?'],
    ["stats", "VERSION 1\r\n", "is it memcached?"],
    ["version", "END\r\n", "is it memcached?"],
    ["version", "x".repeat(65537), "its answer is longer than 65536 bytes"],
    ["stats", "STAT a 1\r\n".repeat(7000), "longer than 65536 bytes"],
    ["version", `${"x".repeat(300)}\r\n`, `"${"x".repeat(200)}…"`],
    [
      "version",
      "ERROR Too many open connections\r\n",
      'it answers "ERROR Too many open connections"',
    ],
  ];
  for (const [question, answer, message] of table) {
    const { server, ask } = scene();
    const asking = ask(question);
    const connection = await server.connection(0);
    connection.send(answer);
    const error = await assertRejects(() => asking, TemporaryError, message);
    assertStringIncludes(error.message, "memcache:t: memcached at inet:h:1 ");
    assert(!(error instanceof NoAnswerError));
    assert(connection.closed, answer.slice(0, 40));
  }
});

Deno.test("askServer() says when the server goes away, or is silent", async () => {
  const { server, clock, ask } = scene();
  const first = ask("version");
  const one = await server.connection(0);
  await one.take();
  one.send("VERSION");
  one.end();
  await assertRejects(() => first, TemporaryError, "it closed the connection");
  assert(one.closed);

  const second = ask("stats");
  const two = await server.connection(1);
  await two.take();
  two.send("STAT a 1\r\n");
  clock.pass(1999);
  assert(!two.closed);
  clock.pass(1);
  await assertRejects(() => second, NoAnswerError, "no answer within 2 s");
  assert(two.closed);

  for (const code of ["ECONNREFUSED", "EHOSTUNREACH"]) {
    server.refusals.push(() =>
      Promise.reject(Object.assign(new Error("no (os error 111)"), { code }))
    );
    const { message } = await assertRejects(() => ask("stats"), NoAnswerError);
    const hint = code === "ECONNREFUSED" ? " (is it running there?)" : "";
    assert(message.endsWith(`at inet:h:1${hint}: no`), message);
  }

  const denied = new ConfigError("no permission");
  server.refusals.push(() => Promise.reject(denied));
  assertEquals(await ask("stats").catch((error) => error), denied);

  let opened = (_: Socket) => {};
  server.refusals.push(() => new Promise((resolve) => opened = resolve));
  const third = ask("version");
  clock.pass(2000);
  await assertRejects(() => third, NoAnswerError, "no answer within 2 s");
  // What opens too late is closed.
  await new Promise<void>((close) => opened({ ...one.socket, close }));
  assertEquals(clock.waiting, 0);
});

Deno.test("askServer() sets no timer without a time-out", async () => {
  const { server, clock, ask } = scene({ timeout: 0 });
  const asking = ask("version");
  const connection = await server.connection(0);
  await connection.take();
  assertEquals(clock.set, []);
  connection.send("VERSION 1\r\n");
  assertEquals(await asking, ["VERSION 1"]);
});

Deno.test("askServer() ends with its signal, wherever it is", async () => {
  const reason = new Error("enough");
  {
    const { server, ask } = scene({ signal: AbortSignal.abort(reason) });
    assertEquals(await ask("version").catch((error) => error), reason);
    assertEquals(server.attempts, 0);
  }
  const controller = new AbortController();
  const { server, clock, ask } = scene({ signal: controller.signal });
  const asking = ask("version");
  const connection = await server.connection(0);
  await connection.take();
  controller.abort(reason);
  assertEquals(await asking.catch((error) => error), reason);
  assert(connection.closed);
  assertEquals(clock.waiting, 0);

  const connecting = new AbortController();
  const hanging = scene({ signal: connecting.signal });
  hanging.server.refusals.push(() => new Promise(() => {}));
  const waiting = hanging.ask("version");
  connecting.abort(reason);
  assertEquals(await waiting.catch((error) => error), reason);
});

Deno.test("askServer() tells of a real memcached that hangs, is gone, or wants a login", async () => {
  await using folder = await Folder.make();
  await Deno.chmod(folder.path, 0o755);
  const users = await folder.write("users", "user:password\n");
  const ask = (memcached: string, timeout: number) =>
    askServer({
      table: "memcache:t",
      endpoint: parseEndpoint(memcached) as Endpoint,
      connect: connectDeno,
      timeout,
    }, (ask) => ask("version"));
  {
    await using memcached = await Memcached.tcp();
    await memcached.signal("SIGSTOP");
    await assertRejects(
      () => ask(memcached.server, 100),
      NoAnswerError,
      "no answer within 0.1 s",
    );
  }
  {
    await using memcached = await Memcached.tcp(freePort(), undefined, [
      "-Y",
      users,
    ]);
    await assertRejects(
      () => ask(memcached.server, 2000),
      TemporaryError,
      "set user and password",
    );
  }
  await assertRejects(
    () => ask(`inet:127.0.0.1:${freePort()}`, 2000),
    NoAnswerError,
    "is it running there?",
  );
});
