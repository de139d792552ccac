import { ConfigError, TemporaryError } from "../../lib/errors.ts";
import type { LookupTable } from "../../lib/socketmap/answers.ts";
import {
  serveSocketmap,
  type SocketmapOptions,
  type SocketmapServer,
} from "../../lib/socketmap/server.ts";
import type { Listener, Socket } from "../../lib/socket/socket.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { FakeConnection } from "../support/fake_server.ts";
import { Folder } from "../support/folder.ts";
import { netstring, RawClient } from "../support/socketmap.ts";

/** A table whose lookups a test answers. */
class SlowTable implements LookupTable {
  readonly name = "slow:t";
  readonly asked = new Map<string, PromiseWithResolvers<string | undefined>>();
  started = 0;
  #wake: (() => void) | undefined;

  lookup(key: string): Promise<string | undefined> {
    this.started++;
    const answer = Promise.withResolvers<string | undefined>();
    this.asked.set(key, answer);
    this.#wake?.();
    return answer.promise;
  }

  /** Waits until so many lookups were started. */
  async until(count: number): Promise<void> {
    while (this.started < count) {
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }
}

const table = (
  lookup: (key: string) => string | undefined,
): LookupTable => ({
  name: "test:t",
  lookup: (key) => new Promise((resolve) => resolve(lookup(key))),
});

const echo = table((key) => key === "" ? undefined : key.toLowerCase());

/** A server, its warnings, and a clock that a test moves. */
async function start(
  tables: Record<string, LookupTable>,
  options: Partial<SocketmapOptions> = {},
) {
  const warnings: string[] = [];
  const clock = new FakeClock();
  const server = await serveSocketmap(tables, {
    endpoint: "inet:127.0.0.1:0",
    onWarning: (line) => warnings.push(line),
    clock,
    ...options,
  });
  return { server, warnings, clock };
}

const connect = ({ endpoint }: SocketmapServer) => RawClient.connect(endpoint);

Deno.test("serveSocketmap() answers as socketmap_table(5) has it", async () => {
  const { server, warnings } = await start({
    e: echo,
    bad: table(() => {
      throw new ConfigError("a value that is\nno value");
    }),
    down: table(() => {
      throw new TemporaryError("it is down");
    }),
    odd: table(() => {
      throw new RangeError("what?");
    }),
    long: table((key) =>
      "ü".repeat(Number(key) / 2) + "v".repeat(Number(key) % 2)
    ),
    käse: echo,
  });
  await using _ = server;
  using client = await connect(server);
  const utf8 = (text: string) =>
    String.fromCharCode(...new TextEncoder().encode(text));
  const replies: [string, string][] = [
    ["e Alice", "OK alice"],
    ["e a b", "OK a b"],
    ["e ", "NOTFOUND "],
    ["e \xff", "NOTFOUND "],
    [utf8("e Ä"), utf8("OK ä")],
    [utf8("käse Ä"), utf8("OK ä")],
    ["bad k", "PERM a value that is no value"],
    ["down k", "TEMP it is down"],
    ["odd k", "TEMP odd: test:t: RangeError: what?"],
    ["long 99996", "OK " + "\xc3\xbc".repeat(49998)],
    ["long 99997", "OK " + "\xc3\xbc".repeat(49998) + "v"],
    [
      "long 99998",
      "PERM a value of 99998 bytes, and a socketmap reply has at most 99997",
    ],
    [
      "nosuch k",
      utf8(`PERM no table "nosuch": there are e, bad, down, odd, long, käse`),
    ],
    ["e", "PERM no request: need NAME, a space, KEY"],
    ["", "PERM no request: need NAME, a space, KEY"],
    ["e still there", "OK still there"],
  ];
  for (const [request, reply] of replies) {
    assertEquals(await client.ask(request), reply, request);
  }
  assertEquals(warnings, [
    "bad: a value that is\nno value",
    "down: it is down",
    "odd: test:t: RangeError: what?",
    "long: a value of 99998 bytes, and a socketmap reply has at most 99997",
    `a client was refused: no table "nosuch": there are e, bad, down, odd, long, käse`,
    "a client was refused: no request: need NAME, a space, KEY",
    "a client was refused: no request: need NAME, a space, KEY",
  ]);
});

Deno.test("serveSocketmap() passes bytes through without UTF-8", async () => {
  const long = table(() => "\xff\xfe".repeat(20_000));
  const { server } = await start({ e: echo, long }, { utf8: false });
  await using _ = server;
  using client = await connect(server);
  assertEquals(await client.ask("e A\xff\xfe"), "OK a\xff\xfe");
  assertEquals(await client.ask("long k"), "OK " + "\xff\xfe".repeat(20_000));
  assertEquals((await client.ask("ü k"))?.slice(0, 14), "PERM no table ");
});

Deno.test("serveSocketmap() starts lookups at once, and answers in order", async () => {
  const slow = new SlowTable();
  const { server } = await start({ slow, e: echo });
  await using _ = server;
  using client = await connect(server);
  await client.send(["slow a", "e b", "slow c", "e d"].map(netstring).join(""));
  await slow.until(2);
  using other = await connect(server);
  assertEquals(await other.ask("e x"), "OK x");
  slow.asked.get("c")!.resolve(undefined);
  slow.asked.get("a")!.resolve("1");
  const replies = [];
  for (let count = 0; count < 4; count++) replies.push(await client.reply());
  assertEquals(replies, ["OK 1", "OK b", "NOTFOUND ", "OK d"]);
});

Deno.test("serveSocketmap() sends what is ready together in one write", async () => {
  const listener = new FakeListener();
  const { server } = await start({ e: echo }, {
    listen: () => Promise.resolve(listener),
  });
  await using _ = server;
  const client = listener.connect();
  const requests = Array.from({ length: 100 }, (_, at) => `e ${at}`);
  client.send(requests.map(netstring).join(""));
  assertEquals(
    await client.take(),
    requests.map((request) => netstring(request.replace("e", "OK"))).join(""),
  );
});

/** Hands connections that exist in memory alone to a server. */
class FakeListener implements Listener {
  readonly endpoint = { transport: "unix", path: "/fake" } as const;
  /** What the next `accept` rejects with. */
  failure: Error | undefined;
  accepts = 0;
  #waiting: (Socket | null)[] = [];
  #wake: (() => void) | undefined;

  connect(): FakeConnection {
    const connection = new FakeConnection();
    this.give(connection.socket);
    return connection;
  }

  give(socket: Socket | null): void {
    this.#waiting.push(socket);
    this.#wake?.();
  }

  async accept(): Promise<Socket | null> {
    this.accepts++;
    const { failure } = this;
    this.failure = undefined;
    if (failure !== undefined) throw failure;
    while (this.#waiting.length === 0) {
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    return this.#waiting.shift()!;
  }

  close(): void {
    this.give(null);
  }
}

Deno.test("serveSocketmap() reads no more from a client that does not read", async () => {
  let lookups = 0;
  const big = "x".repeat(50_000);
  const { server, clock, warnings } = await start({
    e: echo,
    big: table(() => {
      lookups++;
      return big;
    }),
  });
  await using _ = server;
  using greedy = await connect(server);
  // Sends as long as it is let; what is not taken stays where it is.
  const requests = netstring("big k").repeat(1000);
  const sending = (async () => {
    try {
      for (;;) await greedy.send(requests);
    } catch {
      // It was disconnected.
    }
  })();
  using other = await connect(server);
  let before = -1;
  while (lookups !== before || lookups === 0) {
    before = lookups;
    // Some turns, in which it would go on if it did.
    for (let turn = 0; turn < 50; turn++) await other.ask("e k");
  }
  assert(lookups < 700, `${lookups} lookups`);
  clock.pass(99_000);
  assertEquals(await other.ask("e k"), "OK k");
  clock.pass(2_000);
  assertEquals(warnings, [
    "a client does not take its replies: disconnected",
  ]);
  await greedy.ended();
  await sending;
  assertEquals(await other.ask("e k"), "OK k");
});

Deno.test("serveSocketmap() starts so many lookups of one client, and no more", async () => {
  const slow = new SlowTable();
  const { server } = await start({ slow, e: echo });
  await using _ = server;
  using client = await connect(server);
  const keys = Array.from({ length: 1000 }, (_, at) => `k${at}`);
  await client.send(keys.map((key) => netstring(`slow ${key}`)).join(""));
  await slow.until(256);
  using other = await connect(server);
  for (let turn = 0; turn < 50; turn++) await other.ask("e k");
  assertEquals(slow.started, 256);
  for (const [at, key] of keys.entries()) {
    await slow.until(at + 1);
    slow.asked.get(key)!.resolve(key);
    assertEquals(await client.reply(), `OK ${key}`);
  }
});

Deno.test("serveSocketmap() takes fewer requests of each, the more clients there are", async () => {
  const slow = new SlowTable();
  const { server, clock } = await start({ slow, e: echo });
  await using _ = server;
  using stack = new DisposableStack();
  const clients: RawClient[] = [];
  for (let count = 0; count < 80; count++) {
    const client = stack.use(await connect(server));
    assertEquals(await client.ask("e k"), "OK k");
    clients.push(client);
  }
  const requests = netstring("slow k").repeat(200);
  await Promise.all(clients.map((client) => client.send(requests)));
  await slow.until(10_000);
  using other = await connect(server);
  for (let turn = 0; turn < 50; turn++) await other.ask("e k");
  assertEquals(slow.started, 10_000);
  const closing = server.close({ drain: 5 });
  clock.pass(5_000);
  await closing;
});

Deno.test("serveSocketmap() says TIMEOUT of a lookup that takes too long", async () => {
  const slow = new SlowTable();
  const { server, clock, warnings } = await start({ slow, e: echo }, {
    lookupTimeout: 5,
  });
  await using _ = server;
  using client = await connect(server);
  await client.send(netstring("slow a") + netstring("e b"));
  await slow.until(1);
  clock.pass(4_000);
  await client.send(netstring("slow c"));
  await slow.until(2);
  clock.pass(2_000);
  assertEquals(await client.reply(), "TIMEOUT no answer within 5 s");
  assertEquals(await client.reply(), "OK b");
  // What comes too late answers nothing else.
  slow.asked.get("a")!.resolve("late");
  slow.asked.get("c")!.resolve("in time");
  assertEquals(await client.reply(), "OK in time");
  assertEquals(warnings, ["slow: slow:t: no answer within 5 s"]);
});

Deno.test("serveSocketmap() disconnects clients that are silent, and half requests", async () => {
  const { server, clock, warnings } = await start({ e: echo }, {
    idle: 60,
    requestTimeout: 20,
  });
  await using _ = server;
  using silent = await connect(server);
  assertEquals(await silent.ask("e k"), "OK k");
  clock.pass(40_000);
  using active = await connect(server);
  assertEquals(await active.ask("e k"), "OK k");
  using half = await connect(server);
  await half.send(netstring("e k") + "5:e");
  assertEquals(await half.reply(), "OK k");
  clock.pass(19_000);
  await half.send(" ");
  assertEquals(await active.ask("e k"), "OK k");
  clock.pass(3_000);
  assertEquals(await half.reply(), undefined);
  assertEquals(await silent.reply(), undefined);
  assertEquals(warnings, ["a client sent half a request: disconnected"]);
  assertEquals(await active.ask("e k"), "OK k");
});

Deno.test("serveSocketmap() refuses what is no protocol, once that is sure", async () => {
  const { server, warnings } = await start({ e: echo });
  await using _ = server;
  const table: [string, string][] = [
    ["GET / HTTP/1.1\r\n\r\n", "no length where there must be one"],
    ["3:e k;", "no comma behind a request"],
    ["1000000000:", "a request of more than 999999999 bytes"],
    ["9".repeat(100_000), "a request of more than 999999999 bytes"],
    ["102401:" + "x".repeat(102_401) + ";", "no comma behind a request"],
  ];
  for (const [sent, reason] of table) {
    using client = await connect(server);
    await client.send(netstring("e k") + sent);
    assertEquals(await client.reply(), "OK k");
    assertEquals(await client.reply(), `PERM ${reason}`);
    assertEquals(await client.reply(), undefined);
  }
  assertEquals(
    warnings,
    table.map(([, reason]) => `a client was refused: ${reason}`),
  );
});

Deno.test("serveSocketmap() looks up requests of 102,400 bytes, and says NOTFOUND to longer ones", async () => {
  const { server, warnings } = await start({
    length: table((key) => `${key.length}`),
  });
  await using _ = server;
  using client = await connect(server);
  const request = (length: number) => "length ".padEnd(length, "x");
  const lengths: [number, string][] = [
    [10_000, "OK 9993"],
    [10_001, "OK 9994"],
    [102_400, "OK 102393"],
    [102_401, "NOTFOUND "],
    [1_000_000, "NOTFOUND "],
    [20, "OK 13"],
  ];
  for (const [length, reply] of lengths) {
    assertEquals(await client.ask(request(length)), reply);
  }
  // And in one go, also without a space, and of a table that is not there.
  const sent = [
    "x".repeat(200_000),
    ...lengths.map(([length]) => request(length)),
  ];
  const sending = client.send(sent.map(netstring).join(""));
  assertEquals(await client.reply(), "NOTFOUND ");
  for (const [, reply] of lengths) assertEquals(await client.reply(), reply);
  await sending;
  assertEquals(warnings, []);
});

Deno.test("serveSocketmap() does not let clients fill the log", async () => {
  const { server, warnings, clock } = await start({ e: echo });
  await using _ = server;
  using client = await connect(server);
  for (let at = 0; at < 500; at++) {
    assert((await client.ask(`x${at} k`))?.startsWith("PERM no table"));
  }
  assertEquals(warnings.length, 5);
  clock.pass(60_000);
  await client.ask("y k");
  assertEquals(warnings.slice(5), [
    `a client was refused: no table "y": there are e (and 495 more before)`,
  ]);
});

Deno.test("serveSocketmap() warns once an outage", async () => {
  let down = true;
  const { server, warnings } = await start({
    t: table((key) => {
      if (down) throw new TemporaryError(`down, for ${key}`);
      return key;
    }),
  });
  await using _ = server;
  using client = await connect(server);
  for (const key of ["a", "b", "c"]) {
    assertEquals(await client.ask(`t ${key}`), `TEMP down, for ${key}`);
  }
  down = false;
  assertEquals(await client.ask("t d"), "OK d");
  down = true;
  assertEquals(await client.ask("t e"), "TEMP down, for e");
  assertEquals(warnings, ["t: down, for a", "t: down, for e"]);
});

Deno.test("serveSocketmap() takes so many clients, and others when they leave", async () => {
  const { server, warnings } = await start({ e: echo }, { clients: 2 });
  await using _ = server;
  using one = await connect(server);
  assertEquals(await one.ask("e k"), "OK k");
  {
    using two = await connect(server);
    assertEquals(await two.ask("e k"), "OK k");
    for (let more = 0; more < 3; more++) {
      using three = await connect(server);
      await three.ended();
    }
    assertEquals(warnings, ["there are 2 clients: no more are taken"]);
  }
  for (;;) {
    using next = await connect(server);
    try {
      if (await next.ask("e k") === "OK k") break;
    } catch {
      // The server has not seen yet that the second is gone.
    }
  }
  assertEquals(await one.ask("e k"), "OK k");
  // One had to leave first, so it is said again.
  warnings.length = 0;
  for (let more = 0; more < 100 && warnings.length === 0; more++) {
    using next = await connect(server);
    using tooMany = await connect(server);
    await Promise.any([next.ended(), tooMany.ended()]);
  }
  assertEquals(warnings, ["there are 2 clients: no more are taken"]);
});

Deno.test("serveSocketmap() goes on when it cannot take a client for the moment", async () => {
  const listener = new FakeListener();
  listener.failure = new Error("Too many open files (os error 24)");
  const { server, warnings, clock } = await start({ e: echo }, {
    listen: () => Promise.resolve(listener),
  });
  await using _ = server;
  await clock.untilSet(1000);
  assertEquals(listener.accepts, 1);
  clock.pass(1000);
  const client = listener.connect();
  client.send(netstring("e k"));
  assertEquals(await client.take(), netstring("OK k"));
  assertEquals(warnings, ["cannot take a client: Too many open files"]);
});

Deno.test("serveSocketmap() rests only where descriptors or memory are lacking", async () => {
  const lacking = ["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"];
  const harmless = ["ENOTCONN", "ECONNABORTED", "EPROTO", "EPERM", undefined];
  for (const code of [...lacking, ...harmless]) {
    const listener = new FakeListener();
    listener.failure = Object.assign(new Error("it failed"), { code });
    const { server, warnings, clock } = await start({ e: echo }, {
      listen: () => Promise.resolve(listener),
    });
    const client = listener.connect();
    client.send(netstring("e k"));
    const rests = lacking.includes(code!);
    if (rests) {
      await clock.untilSet(1000);
      assertEquals(listener.accepts, 1);
      clock.pass(1000);
    }
    assertEquals(await client.take(), netstring("OK k"));
    const expected = rests ? ["cannot take a client: it failed"] : [];
    assertEquals(warnings, expected, code);
    await server.close({ drain: 0 });
  }
});

Deno.test("serveSocketmap() takes a client again as soon as another leaves", async () => {
  const listener = new FakeListener();
  const { server, clock } = await start({ e: echo }, {
    listen: () => Promise.resolve(listener),
  });
  await using _ = server;
  const first = listener.connect();
  first.send(netstring("e k"));
  assertEquals(await first.take(), netstring("OK k"));
  listener.failure = new Error("Too many open files (os error 24)");
  // The listener waits for this one, and fails after it.
  const second = listener.connect();
  const third = listener.connect();
  for (const client of [second, third]) client.send(netstring("e k"));
  assertEquals(await second.take(), netstring("OK k"));
  // One timer is that of all clients.
  assertEquals(clock.set, [1000, 1000]);
  assertEquals(third.hasRequest, false);
  first.end();
  assertEquals(await third.take(), netstring("OK k"));
});

/** The server's end of a connection whose client reads nothing, or all. */
class SlowSocket implements Socket {
  reads: boolean;
  closed = false;
  /** What was written, or is being written. */
  written = "";
  #chunks: Uint8Array[] = [];
  #wakeReader = () => {};
  #wakeWriter = () => {};

  constructor(reads: boolean) {
    this.reads = reads;
  }

  send(text: string): void {
    this.#chunks.push(new TextEncoder().encode(text));
    this.#wakeReader();
  }

  /** The client reads from now on. */
  startReading(): void {
    this.reads = true;
    this.#wakeWriter();
  }

  async read(): Promise<Uint8Array | null> {
    while (this.#chunks.length === 0 && !this.closed) {
      await new Promise<void>((resolve) => this.#wakeReader = resolve);
    }
    return this.#chunks.shift() ?? null;
  }

  async write(data: Uint8Array): Promise<void> {
    this.written += new TextDecoder().decode(data);
    while (!this.reads && !this.closed) {
      await new Promise<void>((resolve) => this.#wakeWriter = resolve);
    }
    if (this.closed) throw new Error("it is closed");
  }

  close(): void {
    this.closed = true;
    this.#wakeReader();
    this.#wakeWriter();
  }
}

Deno.test("serveSocketmap() drops long replies that cannot be sent, and asks again for them in their turn", async () => {
  const listener = new FakeListener();
  const asked: string[] = [];
  const { server } = await start({
    t: table((key) => {
      asked.push(key);
      return key.startsWith("long") ? key.padEnd(50_000, ".") : key;
    }),
  }, { listen: () => Promise.resolve(listener) });
  await using _ = server;
  const socket = new SlowSocket(false);
  listener.give(socket);
  const keys = ["a", "long1", "b", "long2", "long3", "c"];
  socket.send(keys.map((key) => netstring(`t ${key}`)).join(""));
  // The first is being written. What is long is not kept.
  while (asked.length < keys.length) await turn();
  assertEquals(socket.written, netstring("OK a"));
  assertEquals(asked, keys);
  socket.startReading();
  const replies = keys.map((key) =>
    netstring(`OK ${key.startsWith("long") ? key.padEnd(50_000, ".") : key}`)
  );
  const whole = replies.join("");
  while (socket.written.length < whole.length) await turn();
  assertEquals(socket.written === whole, true);
  assertEquals(asked.slice(keys.length), ["long1", "long2", "long3"]);
});

const turn = () => new Promise((resolve) => setTimeout(resolve, 0));

Deno.test("serveSocketmap() disconnects those who do not read when others need the memory", async () => {
  const listener = new FakeListener();
  const long = "x".repeat(90_000);
  const { server, clock, warnings } = await start({ t: table(() => long) }, {
    listen: () => Promise.resolve(listener),
  });
  const connect = (reads: boolean) => {
    const socket = new SlowSocket(reads);
    listener.give(socket);
    socket.send(netstring("t k"));
    return socket;
  };
  const deaf = Array.from({ length: 300 }, () => connect(false));
  const stuck = () => deaf.filter(({ written }) => written !== "").length;
  for (let before = -1; before !== stuck() || before === 0;) {
    before = stuck();
    for (let turns = 0; turns < 5; turns++) await turn();
  }
  // 23 MB for all that is long.
  assertEquals(stuck() > 200 && stuck() < 256, true, `${stuck()}`);
  const reader = connect(true);
  await turn();
  assertEquals(reader.written, "");
  for (let seconds = 0; reader.written === "" && seconds < 5; seconds++) {
    clock.pass(1000);
    await turn();
  }
  assertEquals(reader.written, netstring(`OK ${long}`));
  assert(warnings[0].includes("others need"), warnings[0]);
  assertEquals(reader.closed, false);
  // Those who have waited for the shortest time are still there.
  assertEquals(deaf.at(-1)!.closed, false);
  const left = deaf.filter(({ closed }) => !closed).length;
  assert(left >= 200, `${left} left`);
  const closing = server.close({ drain: 0 });
  clock.pass(0);
  await closing;
});

Deno.test("serveSocketmap() has its memory back, in whatever state clients leave", async () => {
  const listener = new FakeListener();
  const long = "x".repeat(50_000);
  const waiting: ((value: string) => void)[] = [];
  const asked = new Set<string>();
  const { server, clock } = await start({
    long: table(() => long),
    slow: {
      name: "test:slow",
      lookup: () => new Promise((resolve) => waiting.push(resolve)),
    },
    // Long at first, and then nobody knows.
    again: {
      name: "test:again",
      lookup: (key) => {
        if (asked.has(key)) return new Promise((found) => waiting.push(found));
        asked.add(key);
        return Promise.resolve(long);
      },
    },
  }, { listen: () => Promise.resolve(listener), lookupTimeout: 5 });
  const request = (key: string) => netstring(key.padEnd(20_000, "."));
  const turns = async () => {
    for (let count = 0; count < 4; count++) await turn();
  };
  type Sockets = readonly SlowSocket[];
  const leave = (sockets: Sockets) =>
    sockets.forEach((socket) => socket.close());
  const read = async (sockets: Sockets) => {
    for (const socket of sockets) socket.startReading();
    await turns();
  };
  const answer = async (value: string) => {
    for (const found of waiting.splice(0)) found(value);
    await turns();
  };
  const leaveLater = async (sockets: Sockets) => {
    await read(sockets);
    leave(sockets);
  };
  const answerLate = async (sockets: Sockets) => {
    await read(sockets);
    clock.pass(7_000);
    await turns();
  };
  const answerWith = (value: string) => async (sockets: Sockets) => {
    await read(sockets);
    await answer(value);
  };
  const key = () => `again ${asked.size + Math.random()}`;
  const dropped = () => netstring("e") + netstring(key());
  const ways: [
    string,
    () => string,
    (sockets: Sockets) => void | Promise<void>,
  ][] = [
    ["a reply is sent", () => netstring("long k"), leave],
    ["a reply was dropped", () => netstring("long k").repeat(3), leave],
    ["with a long key", () => netstring("e") + request("long k"), leave],
    ["a request is not complete", () => request("long k").slice(0, -1), leave],
    ["a key is looked up", () => request("slow k"), leave],
    ["a key is looked up for long", () => request("slow k"), answerLate],
    ["a key is answered", () => request("slow k"), answerWith(long)],
    ["it is asked again", dropped, leaveLater],
    ["it is asked again for long", dropped, answerLate],
    ["it is answered again", dropped, answerWith(long)],
    ["it is shorter when it is asked again", dropped, answerWith("short")],
  ];
  for (const [what, sent, end] of ways) {
    for (let round = 0; round < 5; round++) {
      const sockets = Array.from({ length: 60 }, () => {
        const socket = new SlowSocket(false);
        listener.give(socket);
        socket.send(sent());
        return socket;
      });
      await turns();
      await end(sockets);
      await answer(long);
      leave(sockets);
      await turns();
    }
    const reader = new SlowSocket(true);
    listener.give(reader);
    reader.send(netstring("long k"));
    await turns();
    assertEquals(reader.written === netstring(`OK ${long}`), true, what);
    reader.close();
  }
  await server.close();
});

Deno.test("SocketmapServer.close() answers what was asked, for a while", async () => {
  const slow = new SlowTable();
  const { server, clock } = await start({ slow, e: echo });
  using idle = await connect(server);
  assertEquals(await idle.ask("e k"), "OK k");
  using waiting = await connect(server);
  await waiting.send(netstring("slow a") + netstring("e b"));
  using hopeless = await connect(server);
  await hopeless.send(netstring("slow never"));
  await slow.until(2);
  const closing = server.close({ drain: 7 });
  assertEquals(await idle.reply(), undefined);
  await assertRejects(() => connect(server), Deno.errors.ConnectionRefused);
  slow.asked.get("a")!.resolve("1");
  assertEquals(await waiting.reply(), "OK 1");
  assertEquals(await waiting.reply(), "OK b");
  assertEquals(await waiting.reply(), undefined);
  clock.pass(7_000);
  assertEquals(await hopeless.reply(), undefined);
  await closing;
  await server.finished;
  assertEquals(clock.waiting, 0);
  slow.asked.get("never")!.reject(new TemporaryError("too late for anybody"));
});

Deno.test("serveSocketmap() answers a client that has sent all it will", async () => {
  const slow = new SlowTable();
  const { server } = await start({ slow });
  await using _ = server;
  using client = await connect(server);
  await client.send(netstring("slow a"));
  await client.connection.closeWrite();
  await slow.until(1);
  slow.asked.get("a")!.resolve("1");
  assertEquals(await client.reply(), "OK 1");
  assertEquals(await client.reply(), undefined);
});

Deno.test("serveSocketmap() says what cannot be", async () => {
  const listening: [string, string][] = [
    ["localhost:1", `unknown transport "localhost"`],
    ["inet:localhost:smtp", `"smtp" is no port number`],
    ["inet:localhost:65536", "port 65536 is not from 0 to 65535"],
    ["unix:/nonexistent/s", "there is no such directory: make it first"],
    ["unix:/dev/null", "something that is no socket"],
  ];
  for (const [endpoint, reason] of listening) {
    await assertRejects(
      () => serveSocketmap({ e: echo }, { endpoint }),
      ConfigError,
      reason,
    );
  }
  const { server } = await start({ e: echo });
  await using _ = server;
  await assertRejects(
    () => serveSocketmap({ e: echo }, { endpoint: server.endpoint }),
    ConfigError,
    `cannot listen on ${server.endpoint}: another program listens there`,
  );
  for (const name of ["", "a b", "a:b", "a,b", "a=b", "a\n"]) {
    await assertRejects(
      () => serveSocketmap({ [name]: echo }, { endpoint: "inet:127.0.0.1:0" }),
      ConfigError,
      "cannot be the name of a socketmap",
    );
  }
});

Deno.test("serveSocketmap() leaves a client that has always sent half of the next request", async () => {
  const { server, clock, warnings } = await start({ e: echo }, {
    requestTimeout: 20,
  });
  await using _ = server;
  using client = await connect(server);
  await client.send(netstring("e k") + "5:e");
  assertEquals(await client.reply(), "OK k");
  for (let round = 0; round < 3; round++) {
    clock.pass(15_000);
    await client.send(" abc,5:e");
    assertEquals(await client.reply(), "OK abc");
  }
  assertEquals(warnings, []);
});

Deno.test("serveSocketmap() that is closed warns of no lookup that fails later", async () => {
  const slow = new SlowTable();
  const { server, clock, warnings } = await start({ slow });
  using client = await connect(server);
  await client.send(netstring("slow k"));
  await slow.until(1);
  const closing = server.close({ drain: 1 });
  clock.pass(1000);
  await closing;
  slow.asked.get("k")!.reject(new TemporaryError("the table was closed"));
  await new Promise((resolve) => setTimeout(resolve));
  assertEquals(warnings, []);
});

Deno.test("serveSocketmap() names the clients of bad requests, if told to", async () => {
  const bad: [string, string][] = [
    [netstring("nosuch k"), `was refused: no table "nosuch": there are e`],
    [netstring("e"), "was refused: no request: need NAME, a space, KEY"],
    ["x", "was refused: no length where there must be one"],
  ];
  await using folder = await Folder.make();
  for (const endpoint of ["inet:127.0.0.1:0", `unix:${folder.path}/s`]) {
    const { server, warnings } = await start({ e: echo }, {
      endpoint,
      logClients: true,
    });
    await using _ = server;
    const expected: string[] = [];
    for (const [request, reason] of bad) {
      using client = await connect(server);
      const { localAddr } = client.connection;
      const name = localAddr.transport === "tcp"
        ? `client inet:127.0.0.1:${localAddr.port}`
        : `a client at ${endpoint}`;
      await client.send(request);
      assertEquals((await client.reply())?.slice(0, 4), "PERM");
      expected.push(`${name} ${reason}`);
    }
    assertEquals(warnings, expected);
  }
});

Deno.test("serveSocketmap() names the clients that hold things up, if told to", async () => {
  const { server, warnings, clock } = await start({ e: echo }, {
    logClients: true,
    requestTimeout: 5,
  });
  await using _ = server;
  using client = await connect(server);
  await client.ask("e k");
  await client.send("9:half");
  const ended = client.ended();
  // The request must have been read before time passes.
  using other = await connect(server);
  assertEquals(await other.ask("e k"), "OK k");
  clock.pass(20_000);
  await ended;
  const { port } = client.connection.localAddr as Deno.NetAddr;
  assertEquals(warnings, [
    `client inet:127.0.0.1:${port} sent half a request: disconnected`,
  ]);
});
