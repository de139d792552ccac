import { NoAnswerError, TemporaryError } from "../../lib/errors.ts";
import { byteText, utf8Text } from "../../lib/bytes/text.ts";
import { MemcacheClient } from "../../lib/memcached/client.ts";
import { deleteCommand, encodeGet } from "../../lib/memcached/protocol.ts";
import { WriteMany } from "../../lib/memcached/write_many.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { FakeServer } from "../support/fake_server.ts";

const pause = 1000;
const timeout = 2000;

/** A client before a fake server, and what became of what it was asked. */
function scene(maxTry = 2) {
  const server = new FakeServer();
  const clock = new FakeClock();
  const warnings: string[] = [];
  const limits = { lineSizeLimit: 1024, dataSizeLimit: 10240 };
  const client = new MemcacheClient({
    table: "memcache:t",
    endpoint: { transport: "tcp", hostname: "h", port: 1 },
    connect: server.connect,
    timeout,
    maxTry,
    retryPause: pause,
    ...limits,
    clock,
    onWarning: (message) => warnings.push(message),
  });
  const get = async (key: string, signal?: AbortSignal) => {
    const request = encodeGet(utf8Text, key);
    const reply = await client.request("get", request, signal);
    return reply.kind === "value" ? byteText.decode(reply.data) : undefined;
  };
  return {
    server,
    clock,
    warnings,
    client,
    get,
    getAll: (keys: readonly string[]) =>
      Promise.allSettled(keys.map((key) => get(key))),
    deletes: (keys: readonly string[]) => {
      const writes = new WriteMany("delete", utf8Text, limits);
      for (const key of keys) writes.add(deleteCommand(key));
      return writes;
    },
    /** How many pauses there were. */
    pauses: () => clock.set.filter((length) => length === pause).length,
  };
}

const value = (key: string) => `VALUE ${key} 0 1\r\n${key}\r\nEND\r\n`;
const lines = (...keys: string[]) =>
  keys.map((key) => `get ${key}\r\n`).join("");

/** Values of what was answered, the message of what failed. */
function outcomes(settled: PromiseSettledResult<string | undefined>[]) {
  return settled.map((one) =>
    one.status === "fulfilled"
      ? one.value
      : (one.reason as Error).message.replace(/^.* failed: /, "failed: ")
  );
}

Deno.test("MemcacheClient in the middle of others: a command that is refused is tried again after one pause", async () => {
  const { server, clock, client, getAll, pauses, warnings } = scene();
  const answers = getAll(["a", "b", "c", "d"]);
  const first = await server.connection(0);
  assertEquals(await first.take(), lines("a", "b", "c", "d"));
  first.send(value("a") + "SERVER_ERROR busy\r\nSERVER_ERROR busy\r\n");
  first.send(value("d"));
  await clock.untilSet(pause);
  assert(first.closed);
  clock.pass(pause);
  const second = await server.connection(1);
  assertEquals(await second.take(), lines("b", "c"));
  second.send(value("b") + value("c"));
  assertEquals(outcomes(await answers), ["a", "b", "c", "d"]);
  assertEquals([pauses(), server.attempts, warnings], [1, 2, []]);
  await client.close();
});

Deno.test("MemcacheClient in the middle of others: only the command that is refused fails in the end", async () => {
  const { server, clock, client, getAll, pauses } = scene();
  clock.passPauses(pause);
  const answers = getAll(["a", "b", "c"]);
  const first = await server.connection(0);
  await first.take();
  first.send(value("a") + "SERVER_ERROR one\r\n" + value("c"));
  const second = await server.connection(1);
  assertEquals(await second.take(), lines("b"));
  second.send("SERVER_ERROR two\r\n");
  const [a, b, c] = outcomes(await answers);
  assertEquals([a, c], ["a", "c"]);
  assert(b!.includes("two"), b);
  assertEquals(pauses(), 1);
  await client.close();
});

Deno.test("MemcacheClient in the middle of others: when the connection ends, what is answered stays so", async () => {
  for (const maxTry of [1, 2]) {
    const { server, clock, client, getAll, pauses } = scene(maxTry);
    clock.passPauses(pause);
    const answers = getAll(["a", "b", "c", "d"]);
    const first = await server.connection(0);
    await first.take();
    first.send(value("a") + "VALUE b 0 1\r\n");
    first.end();
    const second = await server.connection(1);
    // Only the command that was next used up a try.
    const again = maxTry === 1 ? ["c", "d"] : ["b", "c", "d"];
    assertEquals(await second.take(), lines(...again));
    second.send(again.map(value).join(""));
    const failed = "failed: the server closed the connection";
    assertEquals(
      outcomes(await answers),
      ["a", maxTry === 1 ? failed : "b", "c", "d"],
    );
    assertEquals(pauses(), maxTry - 1);
    await client.close();
  }
});

Deno.test("MemcacheClient in the middle of others: a time-out counts for all that wait", async () => {
  const { server, clock, client, getAll, pauses, warnings } = scene();
  const answers = getAll(["a", "b", "c"]);
  for (const expected of [["a", "b", "c"], ["b", "c"]]) {
    const connection = await server.connection(expected.length === 3 ? 0 : 1);
    assertEquals(await connection.take(), lines(...expected));
    if (expected.length === 3) {
      connection.send(value("a"));
      for (let turn = 0; turn < 20; turn++) await undefined;
    }
    clock.pass(timeout);
    await connection.whenClosed;
    if (expected.length === 3) clock.pass(pause);
  }
  const silent = "failed: no answer within 2 s";
  assertEquals(outcomes(await answers), ["a", silent, silent]);
  assertEquals([pauses(), warnings.length], [1, 0]);
  await client.close();
});

Deno.test("MemcacheClient in the middle of others: a bad reply counts for its command alone", async () => {
  const { server, clock, client, getAll, pauses } = scene(1);
  const answers = getAll(["a", "b", "c", "d"]);
  const first = await server.connection(0);
  await first.take();
  first.send(value("a") + "NONSENSE\r\n" + value("x"));
  const second = await server.connection(1);
  assertEquals(await second.take(), lines("c", "d"));
  second.send(value("c") + value("d"));
  const [a, b, c, d] = outcomes(await answers);
  assertEquals([a, c, d], ["a", "c", "d"]);
  assert(b!.includes("unexpected reply"), b);
  assertEquals([pauses(), clock.now()], [0, 0]);
  await client.close();
});

Deno.test("MemcacheClient tells by an exchange that fell short how many tries are gone", async () => {
  const faults: {
    name: string;
    fault: (connection: Awaited<ReturnType<FakeServer["connection"]>>) => void;
    silent?: true;
    tries: number;
    verdicts: (boolean | undefined)[];
  }[] = [
    {
      name: "it closes after some",
      fault: (connection) => {
        connection.send("DELETED\r\nNOT_FO");
        connection.end();
      },
      tries: 0,
      verdicts: [true],
    },
    {
      name: "it closes before any",
      fault: (connection) => connection.end(),
      tries: 1,
      verdicts: [],
    },
    {
      name: "it says something else",
      fault: (connection) => connection.send("DELETED\r\nSTORED\r\n"),
      tries: 0,
      verdicts: [true],
    },
    {
      name: "it falls silent",
      fault: (connection) => connection.send("DELETED\r\n"),
      silent: true,
      tries: 1,
      verdicts: [true],
    },
  ];
  for (const { name, fault, silent, tries, verdicts } of faults) {
    const { server, clock, client, deletes, get } = scene(1);
    clock.passPauses(pause);
    const writes = deletes(["a", "b", "c"]);
    const answer = client.exchange(writes);
    const first = await server.connection(0);
    assertEquals(
      await first.take(),
      "delete a\r\ndelete b\r\ndelete c\r\n",
    );
    fault(first);
    if (silent) {
      for (let turn = 0; turn < 20; turn++) await undefined;
      clock.pass(timeout);
    }
    const shortfall = (await answer)!;
    assertEquals(shortfall.tries, tries, name);
    assert(shortfall.error instanceof TemporaryError);
    assertEquals(shortfall.error instanceof NoAnswerError, silent ?? false);
    assertEquals(writes.verdicts, verdicts, name);
    // A command whose tries are gone is not sent again.
    const again = client.request(
      "delete",
      writes.commandAt(1),
      undefined,
      shortfall,
    );
    if (tries === 1) {
      const error = await again.catch((error) => error);
      assertEquals(error, shortfall.error);
    }
    if (tries === 0) {
      const second = await server.connection(1);
      assertEquals(await second.take(), "delete b\r\n");
      second.send("NOT_FOUND\r\n");
      assertEquals((await again).kind, "not found");
    }
    const next = get("d");
    const second = await server.connection(1);
    assertEquals(await second.take(), "get d\r\n");
    second.send(value("d"));
    assertEquals(await next, "d");
    await client.close();
  }
});

Deno.test("MemcacheClient sends an exchange again at once when an idle connection had ended", async () => {
  const { server, clock, client, deletes, get, pauses } = scene(1);
  const first = get("a");
  const old = await server.connection(0);
  await old.take();
  old.send(value("a"));
  await first;
  clock.pass(60_000);
  const writes = deletes(["a", "b"]);
  const answer = client.exchange(writes);
  assertEquals(await old.take(), "delete a\r\ndelete b\r\n");
  old.end();
  const connection = await server.connection(1);
  assertEquals(await connection.take(), "delete a\r\ndelete b\r\n");
  connection.send("DELETED\r\nDELETED\r\n");
  assertEquals(await answer, undefined);
  assertEquals(writes.verdicts, [true, true]);
  assertEquals(pauses(), 0);
  await client.close();
});

Deno.test("MemcacheClient leaves an exchange that is given up, and answers the others", async () => {
  const { server, client, deletes, get } = scene();
  const abort = new AbortController();
  const writes = deletes(["a", "b"]);
  const before = get("x");
  const given = assertRejects(
    () => client.exchange(writes, abort.signal),
    Error,
    "enough",
  );
  const behind = get("y");
  const connection = await server.connection(0);
  assertEquals(
    await connection.take(),
    "get x\r\ndelete a\r\ndelete b\r\nget y\r\n",
  );
  abort.abort(new Error("enough"));
  await given;
  connection.send(value("x") + "DELETED\r\nDELETED\r\n" + value("y"));
  assertEquals([await before, await behind], ["x", "y"]);
  assertEquals(server.attempts, 1);
  await client.close();
});

Deno.test("MemcacheClient does not send a huge queue at once", async () => {
  const { server, client, get } = scene();
  const keys = Array.from(
    { length: 8000 },
    (_, number) => `${number}`.padStart(200, "k"),
  );
  const answers = keys.map((key) => get(key));
  const connection = await server.connection(0);
  let unanswered = 0;
  let most = 0;
  let largest = 0;
  for (let answered = 0; answered < keys.length;) {
    let taken = "";
    while (connection.hasRequest || taken === "") {
      const write = await connection.take();
      largest = Math.max(largest, write.length);
      taken += write;
      for (let turn = 0; turn < 20; turn++) await undefined;
    }
    unanswered = taken.length;
    most = Math.max(most, unanswered);
    const count = taken.split("\r\n").length - 1;
    answered += count;
    connection.send("END\r\n".repeat(count));
    for (let turn = 0; turn < 20; turn++) await undefined;
  }
  assertEquals(
    (await Promise.all(answers)).filter((found) => found !== undefined),
    [],
  );
  assert(most <= 262144 + 65536 + 300, `${most} bytes under way`);
  assert(most >= 65536, `${most} bytes under way`);
  assert(largest <= 65536 + 300, `${largest} bytes in one write`);
  await client.close();
});
