import {
  type AnswerHttp,
  HttpServer,
} from "../../../lib/socketmap/metrics/http_server.ts";
import { listenLazily } from "../../../lib/socket/listen.ts";
import type { Listener, Socket } from "../../../lib/socket/socket.ts";
import { assert, assertEquals } from "../../support/assert.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { FakeConnection } from "../../support/fake_server.ts";
import { RawClient } from "../../support/socketmap.ts";

const request = "GET /a HTTP/1.1\r\nHost: b\r\n\r\n";

/** Answers with the request's path. */
const echo: AnswerHttp = ({ path }) =>
  Promise.resolve({ status: 200, body: path });

async function start(answer = echo, endpoint = { port: 0 }) {
  const clock = new FakeClock();
  const listener = await listenLazily(
    { transport: "tcp", hostname: "127.0.0.1", ...endpoint },
    {},
  );
  const warnings: string[] = [];
  const server = new HttpServer(listener, answer, {
    clock,
    onWarning: (line) => warnings.push(line),
  });
  return {
    clock,
    server,
    warnings,
    connect: () => RawClient.connect(server.endpoint),
    [Symbol.asyncDispose]: () => server.close(),
  };
}

const statusOf = (answer: string) => answer.slice(0, 12);
const ok = "HTTP/1.1 200";

Deno.test("HttpServer answers one request, and closes", async () => {
  await using http = await start();
  const table: [string[], string][] = [
    [[request], ok],
    [["\r\n", request], ok],
    [[...request], ok],
    [[request + request], ok],
    [[request + "x".repeat(30_000)], ok],
    [["POST /a HTTP/1.0\r\nContent-Length: 9\r\n\r\n123456789"], ok],
    [["\x16\x03\x01\x02"], "HTTP/1.1 400"],
    [["9:t absent,"], "HTTP/1.1 400"],
    [["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"], "HTTP/1.1 400"],
    [["GET /" + "a".repeat(8200)], "HTTP/1.1 431"],
    [[`GET /a HTTP/1.0\r\nA: ${"a".repeat(9000)}\r\n\r\n`], "HTTP/1.1 431"],
    [Array.from({ length: 9 }, () => "G".repeat(1000)), "HTTP/1.1 431"],
  ];
  for (const [parts, status] of table) {
    using client = await http.connect();
    for (const part of parts) await client.send(part).catch(() => {});
    const answer = await client.rest();
    assertEquals(statusOf(answer), status, parts.join(""));
    assertEquals(answer.split("Connection: close\r\n").length, 2);
    if (status === ok) assert(answer.endsWith("\r\n\r\n/a"), answer);
  }
  // A client that has ended its side still reads.
  using client = await http.connect();
  await client.send(request);
  await client.connection.closeWrite();
  assertEquals(statusOf(await client.rest()), ok);
});

Deno.test("HttpServer says no more than 500 of an answer that fails", async () => {
  await using http = await start(() => Promise.reject(new Error("secret")));
  using client = await http.connect();
  await client.send(request);
  const answer = await client.rest();
  assertEquals(statusOf(answer), "HTTP/1.1 500");
  assert(!answer.includes("secret"));
});

Deno.test("HttpServer lets go of clients that send nothing, or drip", async () => {
  await using http = await start();
  const { clock } = http;
  for (const sent of ["", "\r\n", "GET /a HTTP/1.1\r\nX: "]) {
    using slow = await http.connect();
    await slow.send(sent);
    // Then the server has taken the first one, too.
    using other = await http.connect();
    await other.send(request);
    assertEquals(statusOf(await other.rest()), ok);
    const ended = slow.ended();
    clock.pass(9000);
    await slow.send("x");
    clock.pass(1000);
    await ended;
  }
});

Deno.test("HttpServer lets go of clients that do not read, or do not leave", async () => {
  const big = "x".repeat(30_000_000);
  await using http = await start(() =>
    Promise.resolve({ status: 200, body: big })
  );
  const { clock } = http;
  using unread = await http.connect();
  await unread.send(request);
  // One to wait for the request, one for the client.
  while (clock.set.length < 2) {
    await new Promise((resolve) => setTimeout(resolve));
  }
  clock.pass(10_000);
  assert((await unread.rest()).length < big.length);

  await using short = await start();
  using stays = await short.connect();
  await stays.send(request);
  assertEquals(statusOf(await stays.rest()), ok);
  await short.clock.untilWaiting(2000);
  short.clock.pass(2000);
  // It has been closed: a second write finds that out.
  const failed = (async () => {
    for (;;) await stays.send("x");
  })();
  await failed.catch(() => {});
});

Deno.test("HttpServer takes a new client in place of one that it waits for", async () => {
  const answers: (() => void)[] = [];
  await using http = await start(({ path }) =>
    new Promise((resolve) => {
      const answer = () => resolve({ status: 200, body: path });
      if (path === "/slow") answers.push(answer);
      else answer();
    })
  );
  const slow = await Promise.all(Array.from({ length: 20 }, http.connect));
  for (const client of slow) {
    await client.send("GET /slow HTTP/1.0\r\n\r\n");
  }
  const silent = await Promise.all(Array.from({ length: 100 }, http.connect));
  using client = await http.connect();
  await client.send(request);
  assertEquals(statusOf(await client.rest()), ok);
  // Those that sent nothing had to go, and none that waits for an answer.
  await Promise.all(silent.slice(0, 80).map((one) => one.ended()));
  assertEquals(answers.length, 20);
  for (const answer of answers) answer();
  for (const one of slow) assertEquals(statusOf(await one.rest()), ok);

  // Where all wait for an answer, the oldest may have left long ago.
  const waiting = await Promise.all(Array.from({ length: 32 }, http.connect));
  for (const client of waiting) {
    await client.send("GET /slow HTTP/1.0\r\n\r\n");
  }
  while (answers.length < 52) {
    await new Promise((resolve) => setTimeout(resolve));
  }
  using last = await http.connect();
  await last.send(request);
  assertEquals(statusOf(await last.rest()), ok);
  await waiting[0].ended();
  for (const answer of answers) answer();
  slow.push(...waiting);
  for (const one of [...slow, ...silent]) one[Symbol.dispose]();
});

Deno.test("HttpServer bears resets at any time", async () => {
  await using http = await start();
  for (let round = 0; round < 60; round++) {
    using client = await http.connect();
    if (round % 3 > 0) {
      await client.send(request.slice(0, 5 + (round % 3) * 20));
    }
    if (round % 2 === 0) continue;
    // What is unread makes a reset of the end.
    await client.send("x".repeat(20_000)).catch(() => {});
  }
  using client = await http.connect();
  await client.send(request);
  assertEquals(statusOf(await client.rest()), ok);
});

Deno.test("HttpServer closes with clients in every state", async () => {
  let asked = () => {};
  const isAsked = new Promise<void>((resolve) => asked = resolve);
  const http = await start(() => {
    asked();
    return new Promise(() => {});
  });
  using silent = await http.connect();
  using half = await http.connect();
  await half.send("GET /");
  using waits = await http.connect();
  await waits.send(request);
  await isAsked;
  const closed = http.server.close();
  await Promise.all([silent.ended(), half.ended()]);
  await http.clock.untilWaiting(2000);
  http.clock.pass(2000);
  await closed;
  assertEquals(await waits.rest(), "");
  await http.server.close();
  // Nobody listens any more.
  const again = await http.connect().catch(() => undefined);
  assertEquals(again, undefined);
});

Deno.test("HttpServer closes everything where the connection fails", async () => {
  const answered = new FakeConnection();
  answered.failWrites = true;
  answered.send(request);
  const sockets: Socket[] = [answered.socket];
  let wake = () => {};
  const listener: Listener = {
    endpoint: { transport: "unix", path: "/s" },
    accept: () => {
      const socket = sockets.shift();
      if (socket !== undefined) return Promise.resolve(socket);
      return new Promise((resolve) => wake = () => resolve(null));
    },
    close: () => wake(),
  };
  const clock = new FakeClock();
  const server = new HttpServer(listener, echo, { clock, onWarning: () => {} });
  await answered.whenClosed;
  await server.close();
  assertEquals(clock.waiting, 0);
});
