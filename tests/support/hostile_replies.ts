import { byteText } from "../../lib/bytes/text.ts";
import { MemcacheTable, openTable, TableError } from "../../mod.ts";
import { assert, assertEquals } from "./assert.ts";
import { AutoClock } from "./auto_clock.ts";
import { MemoryKv } from "./memory_kv.ts";
import { MemoryServer } from "./memory_server.ts";
import type { Random } from "./random.ts";
import type { Transport } from "./transport.ts";

// Servers whose reply streams are damaged in random ways: whatever they send,
// each request settles in time, none gets the value of another key, and the next
// one works when the server does. ROUNDS=30000 for a night, SEED=… to repeat.

const keys = ["a", "b", "c", "d", "e", "f"];
const lines = [
  "SERVER_ERROR out of memory\r\n",
  "CLIENT_ERROR bad data chunk\r\n",
  "ERROR\r\n",
  "ERROR Too many open connections\r\n",
  "END\r\n",
  "STORED\r\n",
  "NOT_STORED\r\n",
  "DELETED\r\n",
  "NOT_FOUND\r\n",
  "VALUE a 0 10\r\nvalue of a\r\n",
  "VALUE nosuch 0 1\r\nx\r\n",
  "VALUE a 0 99999999999999999999\r\n",
  "VALUE a 0 -1\r\n",
  "VALUE  0 1\r\nx\r\n",
  "VALUE a 0\r\n",
  "\r\n",
  "\n",
  "\0",
  "x".repeat(3000),
];

/** Damages whole replies: what it sends has no value that the server has not. */
function damageReplies(random: Random): (reply: string) => string[] {
  const rate = random.pick([0.05, 0.3, 0.8]);
  const held: string[] = [];
  return (reply) => {
    if (!random.chance(rate)) return [...held.splice(0), reply];
    switch (random.pick(["drop", "twice", "more", "later", "instead"])) {
      case "drop":
        return [];
      case "twice":
        return [reply, reply];
      case "more":
        return [reply + random.pick(lines)];
      case "later":
        held.push(reply);
        return [];
      default:
        return [random.pick(lines)];
    }
  };
}

/** Damages bytes: chunks are cut, bytes lost, changed, added; or it ends. */
function damageBytes(
  random: Random,
): (reply: string) => (string | undefined)[] {
  const rate = random.pick([0.02, 0.2, 0.6]);
  return (reply) => {
    const chunks: (string | undefined)[] = [];
    const at = random.integer(0, reply.length);
    if (!random.chance(rate)) return [reply.slice(0, at), reply.slice(at)];
    switch (random.pick(["cut", "change", "add", "line", "end"])) {
      case "cut":
        return [reply.slice(0, at) + reply.slice(at + random.integer(1, 5))];
      case "change":
        return [
          reply.slice(0, at) + String.fromCharCode(random.integer(0, 255)) +
          reply.slice(at + 1),
        ];
      case "add":
        return [reply.slice(0, at) + random.pick(lines), reply.slice(at)];
      case "line":
        return [reply + random.pick(lines) + random.pick(lines)];
      default:
        chunks.push(reply.slice(0, at), undefined);
        return chunks;
    }
  };
}

/**
 * Attacks so many times: in memory, or over a transport. Returns in how many of them
 * there were several connections.
 */
export async function attack(
  random: Random,
  rounds: number,
  transport?: Transport,
): Promise<number> {
  let several = 0;
  for (let round = 0; round < rounds; round++) {
    const isExact = random.chance(0.5);
    const server = new MemoryServer("none");
    server.corrupt = isExact ? damageReplies(random) : damageBytes(random);
    const clock = new AutoClock(transport?.quietTurns);
    await using opened = await transport?.open(server.connect, clock);
    // With long memcache keys a batch is enough to do for several connections.
    const isLong = random.chance(0.12);
    const prefix = isLong ? "p".repeat(240) : "";
    const parameters = {
      connections: random.integer(isLong ? 2 : 1, 8),
      key_format: `${prefix}%s`,
      max_try: random.integer(1, 3),
      retry_pause: random.integer(1, 3),
      timeout: random.integer(1, 5),
      backup: random.pick(["", "", "kv:"]),
    };
    const what = `round ${round}: ${JSON.stringify({ isExact, parameters })}`;
    const kv = new MemoryKv();
    for (const key of keys.slice(0, 4)) {
      const data = `value of ${key}`;
      server.entries.set(prefix + key, { flags: "0", data });
      kv.values.set(key, byteText.encode(data));
    }
    await using table = new MemcacheTable({
      ...parameters,
      ...opened?.parameters,
    }, {
      write: true,
      clock,
      connect: opened?.connect ?? server.connect,
      openKv: () => Promise.resolve(kv),
      openTable,
      onWarning: () => {},
    });
    await table.open();
    const { max_try, timeout, retry_pause } = parameters;
    const bound = 1000 * (max_try * timeout + (max_try - 1) * retry_pause);
    const settles = async (request: Promise<unknown>) => {
      const start = clock.now();
      try {
        await request;
      } catch (error) {
        assert(error instanceof TableError, `${what}: ${error}`);
      }
      const took = clock.now() - start;
      assert(took <= bound, `${what}: took ${took} ms`);
    };
    const lookup = async (key: string) => {
      const value = await table.lookup(key);
      if (isExact && value !== undefined) {
        assertEquals(value, `value of ${key}`, what);
      }
    };
    const lookupAll = async () => {
      for await (const { key, value } of table.lookupMany(batch)) {
        if (isExact && value !== undefined) {
          assertEquals(value, `value of ${key}`, what);
        }
      }
    };
    const batch = Array.from({ length: isLong ? 40 : 1 }).flatMap(() => keys);
    const updateAll = async () => {
      const entries = keys.map((key) => ({ key, value: `value of ${key}` }));
      for await (const _ of table.updateMany(entries));
    };
    for (let turn = random.integer(1, 4); turn > 0; turn--) {
      const requests = random.list(1, 12, () => {
        const key = random.pick(keys);
        return random.pick([
          () => lookup(key),
          () => lookup(key),
          () => lookup(key),
          lookupAll,
          () => table.update(key, `value of ${key}`),
          () => table.delete(key),
          updateAll,
        ]);
      });
      if (isLong) requests.unshift(lookupAll);
      await clock.during(
        Promise.all(requests.map((request) => settles(request()))),
      );
    }
    // The server is as it should be again.
    server.corrupt = undefined;
    // After a time-out, a table with a backup leaves it alone for retry_pause.
    const untilAsked = 2 * bound + 1000 * retry_pause;
    await clock.during(
      new Promise<void>((resolve) => clock.setTimer(untilAsked, resolve)),
    );
    await clock.during(table.update("a", "value of a"));
    assertEquals(await clock.during(table.lookup("a")), "value of a", what);
    assertEquals(server.entries.get(`${prefix}a`)?.data, "value of a", what);
    await clock.during(table.close());
    if (server.mostOpen > 1) several++;
  }
  return several;
}
