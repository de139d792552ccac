import { ConfigError, TemporaryError } from "../../lib/errors.ts";
import { byteText, utf8Text } from "../../lib/bytes/text.ts";
import {
  type ClientOptions,
  MemcacheClient,
} from "../../lib/memcached/client.ts";
import { encodeDelete, encodeGet } from "../../lib/memcached/protocol.ts";
import type { Socket } from "../../lib/socket/socket.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { FakeConnection, FakeServer } from "../support/fake_server.ts";

class Scene {
  readonly server = new FakeServer();
  readonly clock = new FakeClock();
  readonly warnings: string[] = [];
  readonly client: MemcacheClient;

  constructor(more: Partial<ClientOptions> = {}) {
    this.client = new MemcacheClient({
      table: "memcache:t",
      endpoint: { transport: "tcp", hostname: "h", port: 1 },
      connect: this.server.connect,
      timeout: 2000,
      maxTry: 2,
      retryPause: 1000,
      lineSizeLimit: 1024,
      dataSizeLimit: 10240,
      clock: this.clock,
      loadMergeGets: async () =>
        (await import("../../lib/memcached/merged_gets.ts")).mergeGets,
      onWarning: (message) => this.warnings.push(message),
      ...more,
    });
  }

  async get(key: string, signal?: AbortSignal): Promise<string | undefined> {
    const reply = await this.client.request(
      "get",
      encodeGet(utf8Text, key),
      signal,
    );
    return reply.kind === "value" ? byteText.decode(reply.data) : undefined;
  }

  /** As a table does it. */
  async lookup(key: string, signal?: AbortSignal): Promise<string | undefined> {
    const reply = await this.client.get(utf8Text, key, signal);
    return reply.kind === "value" ? byteText.decode(reply.data) : undefined;
  }

  async delete(key: string): Promise<boolean> {
    const reply = await this.client.request(
      "delete",
      encodeDelete(utf8Text, key),
    );
    return reply.kind === "deleted";
  }
}

const value = (text: string, key = "k") =>
  `VALUE ${key} 0 ${text.length}\r\n${text}\r\nEND\r\n`;

Deno.test("MemcacheClient connects when it is first asked, once", async () => {
  const { client, server, get, delete: remove } = bound(new Scene());
  assertEquals(server.attempts, 0);
  const first = get("a");
  const connection = await server.connection(0);
  assertEquals(await connection.take(), "get a\r\n");
  connection.send(value("1"));
  assertEquals(await first, "1");
  const second = remove("b");
  assertEquals(await connection.take(), "delete b\r\n");
  connection.send("NOT_FOUND\r\n");
  assertEquals(await second, false);
  assertEquals(server.attempts, 1);
  await client.close();
  assert(connection.closed);
});

Deno.test("MemcacheClient sends concurrent requests together, in their order", async () => {
  const { client, server, get } = bound(new Scene());
  const answers = Promise.all(["a", "b", "c"].map((key) => get(key)));
  const connection = await server.connection(0);
  assertEquals(await connection.take(), "get a\r\nget b\r\nget c\r\n");
  connection.send(value("A", "a") + "END\r\n" + value("C", "c").slice(0, 9));
  // What is asked while others wait goes out at the end of the turn.
  const later = Promise.all([get("d"), get("e")]);
  assert(!connection.hasRequest);
  assertEquals(await connection.take(), "get d\r\nget e\r\n");
  connection.send(value("C", "c").slice(9) + "END\r\n" + value("E", "e"));
  assertEquals(await answers, ["A", undefined, "C"]);
  assertEquals(await later, [undefined, "E"]);
  // A lone one goes out at once.
  const lone = get("f");
  assert(connection.hasRequest);
  connection.send(value("F"));
  assertEquals(await lone, "F");
  await client.close();
});

Deno.test("MemcacheClient tries again on a new connection after the pause", async () => {
  const scene = new Scene();
  const { client, server, clock, get } = bound(scene);
  const answer = get("a");
  const first = await server.connection(0);
  await first.take();
  first.send("SERVER_ERROR busy\r\n");
  await clock.untilSet(1000);
  assert(first.closed);
  assertEquals(server.attempts, 1);
  clock.pass(999);
  assertEquals(server.attempts, 1);
  clock.pass(1);
  const second = await server.connection(1);
  assertEquals(await second.take(), "get a\r\n");
  second.send(value("1"));
  assertEquals(await answer, "1");
  assertEquals(scene.warnings, []);
  await client.close();
});

Deno.test("MemcacheClient gives up after max_try, and logs failures after the first", async () => {
  const scene = new Scene({ maxTry: 3 });
  const { client, server, clock, get } = bound(scene);
  clock.passPauses(1000);
  const failed = assertRejects(
    () => get("a"),
    TemporaryError,
    "unexpected reply",
  );
  for (let number = 0; number < 3; number++) {
    const connection = await server.connection(number);
    await connection.take();
    connection.send(`SERVER_ERROR ${number}\r\n`);
  }
  const error = await failed;
  assert(
    error.message.includes("memcache:t") && error.message.includes("inet:h:1"),
  );
  assertEquals(scene.warnings.length, 1);
  assertEquals(server.attempts, 3);
  await client.close();
});

Deno.test("MemcacheClient does not try again when connecting fails", async () => {
  const scene = new Scene();
  const { client, server, get } = bound(scene);
  server.refusals.push(() => Promise.reject(new Error("Connection refused")));
  const error = await assertRejects(
    () => get("a"),
    TemporaryError,
    "Connection refused",
  );
  assertEquals((error.cause as Error).message, "Connection refused");
  assertEquals(server.attempts, 1);
  const next = get("b");
  const connection = await server.connection(0);
  await connection.take();
  connection.send("END\r\n");
  assertEquals(await next, undefined);
  await client.close();
});

Deno.test("MemcacheClient passes a ConfigError of the adapter on as it is", async () => {
  const { client, server, get } = bound(new Scene());
  server.refusals.push(() => Promise.reject(new ConfigError("no permission")));
  await assertRejects(() => get("a"), ConfigError, "no permission");
  await client.close();
});

Deno.test("MemcacheClient ends a connect, a late socket is closed", async () => {
  const { client, server, clock, get } = bound(new Scene());
  let open = (_socket: Socket) => {};
  server.refusals.push(() => new Promise((resolve) => open = resolve));
  const failed = assertRejects(
    () => get("a"),
    TemporaryError,
    "no answer within 2 s",
  );
  await clock.untilSet(2000);
  clock.pass(2000);
  await failed;
  let closed = false;
  open({
    read: () => new Promise(() => {}),
    write: () => Promise.resolve(),
    close: () => closed = true,
  });
  await Promise.resolve();
  await Promise.resolve();
  assert(closed);
  await client.close();
});

Deno.test("MemcacheClient ends a hang, and a late reply answers nobody", async () => {
  const { client, server, clock, get } = bound(new Scene({ maxTry: 1 }));
  const failed = assertRejects(
    () => get("a"),
    TemporaryError,
    "no answer within 2 s",
  );
  const first = await server.connection(0);
  await first.take();
  clock.pass(1999);
  assert(!first.closed);
  clock.pass(1);
  await failed;
  assert(first.closed);
  first.send(value("late"));
  const next = get("b");
  const second = await server.connection(1);
  assertEquals(await second.take(), "get b\r\n");
  second.send(value("own"));
  assertEquals(await next, "own");
  await client.close();
});

Deno.test("MemcacheClient counts the time-out from the last bytes that came", async () => {
  const { client, server, clock, get } = bound(new Scene({ maxTry: 1 }));
  const answer = get("a");
  const connection = await server.connection(0);
  await connection.take();
  for (const character of value("slow")) {
    clock.pass(1500);
    connection.send(character);
    for (let turn = 0; turn < 10; turn++) await Promise.resolve();
  }
  assertEquals(await answer, "slow");
  await client.close();
});

Deno.test("MemcacheClient waits for ever where there is no time-out", async () => {
  const { client, server, clock, get } = bound(new Scene({ timeout: 0 }));
  const answer = get("a");
  const connection = await server.connection(0);
  await connection.take();
  clock.pass(1e9);
  connection.send(value("1"));
  assertEquals(await answer, "1");
  assertEquals(clock.set, []);
  await client.close();
});

Deno.test("MemcacheClient notices what the server closed while it idled", async () => {
  const { client, server, clock, get } = bound(new Scene({ maxTry: 1 }));
  const first = get("a");
  const old = await server.connection(0);
  await old.take();
  old.send(value("1"));
  await first;
  old.end();
  await old.whenClosed;
  const second = get("b");
  const connection = await server.connection(1);
  await connection.take();
  connection.send(value("2"));
  assertEquals(await second, "2");
  assert(!clock.set.includes(1000));
  await client.close();
});

Deno.test("MemcacheClient sends again at once when an idle connection ends before a reply", async () => {
  const { client, server, clock, get } = bound(new Scene({ maxTry: 1 }));
  const first = get("a");
  const old = await server.connection(0);
  await old.take();
  old.send(value("1"));
  await first;
  clock.pass(60_000);
  // The end comes when the request is out already, as after a long computation.
  const second = get("b");
  assertEquals(await old.take(), "get b\r\n");
  old.end();
  const connection = await server.connection(1);
  assertEquals(await connection.take(), "get b\r\n");
  connection.send(value("2"));
  assertEquals(await second, "2");
  await client.close();
});

Deno.test("MemcacheClient sends again at once when an idle connection takes no write", async () => {
  const { client, server, clock, get } = bound(new Scene({ maxTry: 1 }));
  const first = get("a");
  const old = await server.connection(0);
  await old.take();
  old.send(value("1"));
  await first;
  clock.pass(60_000);
  old.failWrites = true;
  const second = get("b");
  const connection = await server.connection(1);
  await connection.take();
  connection.send(value("2"));
  assertEquals(await second, "2");
  await client.close();
});

Deno.test("MemcacheClient counts it as a try when a busy connection ends", async () => {
  const { client, server, get } = bound(new Scene({ maxTry: 1 }));
  const first = get("a");
  const connection = await server.connection(0);
  await connection.take();
  connection.send(value("1"));
  await first;
  const failed = assertRejects(
    () => get("b"),
    TemporaryError,
    "closed the connection",
  );
  await connection.take();
  connection.end();
  await failed;
  assertEquals(server.attempts, 1);
  await client.close();
});

Deno.test("MemcacheClient leaves a connection that says what nobody asked", async () => {
  const { client, server, get } = bound(new Scene({ maxTry: 1 }));
  const answer = get("a");
  const first = await server.connection(0);
  await first.take();
  first.send(value("1") + value("2"));
  assertEquals(await answer, "1");
  assert(first.closed);
  const next = get("b");
  const second = await server.connection(1);
  assertEquals(await second.take(), "get b\r\n");
  second.send(value("2"));
  assertEquals(await next, "2");
  second.send("END\r\n");
  await second.whenClosed;
  await client.close();
});

Deno.test("MemcacheClient never hands a value of one key to another", async () => {
  const { client, server, get } = bound(new Scene({ maxTry: 1 }));
  const answers = Promise.all([get("a"), get("b"), get("c")]);
  const first = await server.connection(0);
  await first.take();
  first.send(value("1", "a") + value("not for b", "a"));
  // From then on it asks one after the other, as Postfix does, and takes what
  // comes.
  for (const [number, key] of ["b", "c"].entries()) {
    const second = await server.connection(1);
    assertEquals(await second.take(), `get ${key}\r\n`);
    assert(!second.hasRequest);
    second.send(value(`${number + 2}`));
  }
  assert(first.closed);
  assertEquals(await answers, ["1", "2", "3"]);
  assertEquals(server.attempts, 2);
  await client.close();
});

Deno.test("MemcacheClient ends one request by its signal, and keeps the order", async () => {
  const { client, server, get } = bound(new Scene());
  const abort = new AbortController();
  const first = assertRejects(() => get("a", abort.signal), Error, "enough");
  const queued = assertRejects(() => get("b", abort.signal), Error, "enough");
  const third = get("c");
  const connection = await server.connection(0);
  assertEquals(await connection.take(), "get a\r\nget b\r\nget c\r\n");
  abort.abort(new Error("enough"));
  await Promise.all([first, queued]);
  connection.send(value("for a", "a") + value("for b", "b"));
  connection.send(value("for c", "c"));
  assertEquals(await third, "for c");
  await assertRejects(() => get("d", abort.signal), Error, "enough");
  await client.close();
});

Deno.test("MemcacheClient.close() ends all that is under way", async () => {
  const scenes: [string, (scene: Scene) => Promise<void>][] = [
    [
      "a reply",
      async ({ server }) => void await (await server.connection(0)).take(),
    ],
    ["a pause", async ({ server, clock }) => {
      const connection = await server.connection(0);
      await connection.take();
      connection.end();
      await clock.untilSet(1000);
    }],
    ["a connect", async () => {}],
  ];
  for (const [what, until] of scenes) {
    const scene = new Scene();
    if (what === "a connect") {
      scene.server.refusals.push(() => new Promise(() => {}));
    }
    const one = assertRejects(() => scene.get("a"), TemporaryError, "closed");
    const two = assertRejects(() => scene.get("b"), TemporaryError, "closed");
    await until(scene);
    await scene.client.close();
    await Promise.all([one, two]);
    await assertRejects(() => scene.get("c"), TemporaryError, "closed");
    assertEquals(scene.clock.waiting, 0, what);
    await scene.client.close();
  }
});

Deno.test("MemcacheClient.close() closes a socket that opens at that very moment", async () => {
  // The client takes several turns to notice a socket: close in each of them.
  for (let turns = 0; turns < 12; turns++) {
    const { client, server, get } = bound(new Scene());
    const connection = new FakeConnection();
    let open = (_socket: Socket) => {};
    server.refusals.push(() => new Promise((resolve) => open = resolve));
    const failed = assertRejects(() => get("a"), TemporaryError, "closed");
    open(connection.socket);
    for (let turn = 0; turn < turns; turn++) await Promise.resolve();
    await client.close();
    await failed;
    await connection.whenClosed;
  }
});

Deno.test("MemcacheClient does not send what was given up before it could be sent", async () => {
  const { client, server, get } = bound(new Scene());
  const connection = new FakeConnection();
  let open = (_socket: Socket) => {};
  server.refusals.push(() => new Promise((resolve) => open = resolve));
  const abort = new AbortController();
  const given = assertRejects(() => get("a", abort.signal), Error, "enough");
  abort.abort(new Error("enough"));
  await given;
  const next = get("b");
  open(connection.socket);
  assertEquals(await connection.take(), "get b\r\n");
  connection.send(value("2"));
  assertEquals(await next, "2");
  await client.close();
});

Deno.test("MemcacheClient lets the process end while it idles", async () => {
  const { client, server, get } = bound(new Scene());
  const answer = get("a");
  const connection = await server.connection(0);
  await connection.take();
  connection.send(value("1"));
  await answer;
  // Unless it asks for more in the next turns.
  for (let turn = 0; turn < 32; turn++) await undefined;
  assertEquals(connection.busy.at(-1), false);
  const next = get("b");
  assertEquals(connection.busy.at(-1), true);
  await connection.take();
  connection.send(value("1"));
  await next;
  await client.close();
});

/** A scene whose client knows already that it is asked many things at once. */
async function busyScene(more: Partial<ClientOptions> = {}) {
  const scene = new Scene(more);
  const warmUp = Promise.all([scene.lookup("a"), scene.lookup("b")]);
  const connection = await scene.server.connection(0);
  await connection.take();
  connection.send("END\r\nEND\r\n");
  await warmUp;
  const lone = scene.lookup("a");
  await connection.take();
  const other = scene.lookup("b");
  // What loads meanwhile takes turns of the event loop.
  await connection.take();
  await import("../../lib/memcached/merged_gets.ts");
  await new Promise((resolve) => setTimeout(resolve));
  connection.send("END\r\nEND\r\n");
  await Promise.all([lone, other]);
  return { ...bound(scene), scene, connection };
}

const letters = [..."abcdefghij"];

Deno.test("MemcacheClient asks for the keys of many callers in one line", async () => {
  const { client, connection, lookup } = await busyScene();
  const answers = Promise.all(letters.map((key) => lookup(key)));
  assertEquals(await connection.take(), "get a\r\n");
  assertEquals(await connection.take(), "get b c d e f g h i j\r\n");
  connection.send("END\r\n" + value("D", "d").replace("END\r\n", ""));
  connection.send(value("J", "j"));
  assertEquals(
    await answers,
    letters.map((key) => "dj".includes(key) ? key.toUpperCase() : undefined),
  );
  await client.close();
});

Deno.test("MemcacheClient asks alone for what such a line leaves open", async () => {
  const { client, clock, connection, server, lookup } = await busyScene();
  const abort = new AbortController();
  const answers = Promise.allSettled(
    letters.map((key) => lookup(key, key === "e" ? abort.signal : undefined)),
  );
  await connection.take();
  await connection.take();
  abort.abort("enough");
  // The server ends after one value; the pause is that of any try.
  connection.send("END\r\n" + value("C", "c").replace("END\r\n", ""));
  connection.end();
  await clock.untilSet(1000);
  assertEquals(server.attempts, 1);
  clock.pass(1000);
  const second = await server.connection(1);
  const sent = await second.take();
  const rest = letters.filter((key) => !"ac".includes(key));
  assertEquals(
    sent.split("\r\n").filter((line) => line !== "").sort(),
    rest.filter((key) => key !== "e").map((key) => `get ${key}`),
  );
  for (const line of sent.trimEnd().split("\r\n")) {
    const key = line.slice(4);
    second.send(key === "d" ? "SERVER_ERROR busy\r\n" : value(`2${key}`, key));
  }
  // The one that was refused is tried again by itself, after the others.
  await clock.untilSet(1000);
  await second.whenClosed;
  clock.pass(1000);
  const third = await server.connection(2);
  assertEquals(await third.take(), "get d\r\n");
  third.send(value("3", "d"));
  assertEquals(
    (await answers).map((answer) =>
      answer.status === "fulfilled" ? answer.value : answer.reason
    ),
    [undefined, "2b", "C", "3", "enough", ..."fghij"].map((wanted) =>
      wanted?.length === 1 && "fghij".includes(wanted) ? `2${wanted}` : wanted
    ),
  );
  await client.close();
});

Deno.test("MemcacheClient gives up many at once when the server is silent", async () => {
  const { client, clock, server, lookup } = await busyScene({ maxTry: 1 });
  const answers = Promise.allSettled(letters.map((key) => lookup(key)));
  await (await server.connection(0)).take();
  await (await server.connection(0)).take();
  clock.pass(2000);
  for (const answer of await answers) {
    assert(answer.status === "rejected");
    assert(answer.reason instanceof TemporaryError);
  }
  // No pause is left behind that the next one would have to wait for.
  const next = lookup("k");
  const second = await server.connection(1);
  await second.take();
  second.send(value("1"));
  assertEquals(await next, "1");
  await client.close();
});

/** The scene with its methods usable by themselves. */
function bound(scene: Scene) {
  return {
    client: scene.client,
    server: scene.server,
    clock: scene.clock,
    get: scene.get.bind(scene),
    lookup: scene.lookup.bind(scene),
    delete: scene.delete.bind(scene),
  };
}
