import { type KvEntry, type KvKey, MemcacheTable } from "../../../mod.ts";
import { openTable, TemporaryError } from "../../../mod.ts";
import { formatEndpoint } from "../../../lib/socket/endpoint.ts";
import { assertEquals, assertRejects } from "../../support/assert.ts";
import { AutoClock } from "../../support/auto_clock.ts";
import { MemoryKv } from "../../support/memory_kv.ts";
import { MemoryServer } from "../../support/memory_server.ts";

// A log of mails has the same unknown address many times, and many clients of a
// server ask for it at once. The backup is asked once, not by one after the other.

/** A KV database that takes its time, counts what it is asked, and may fail. */
class CountingKv extends MemoryKv {
  readonly clock = new AutoClock();
  asked = 0;
  fails = false;
  before: (() => unknown) | undefined;

  override async get(key: KvKey): Promise<KvEntry> {
    return (await this.getMany([key]))[0];
  }

  override async getMany(keys: KvKey[]): Promise<KvEntry[]> {
    this.asked += keys.length;
    const entries = await super.getMany(keys);
    await new Promise<void>((resolve) => this.clock.setTimer(1000, resolve));
    await this.before?.();
    if (this.fails) throw new TemporaryError("no database");
    return entries;
  }

  /** A table with it as the backup. */
  table(parameters: Record<string, string | number> = {}): MemcacheTable {
    return new MemcacheTable({ backup: "kv:", ...parameters }, {
      write: true,
      clock: this.clock,
      connect: new MemoryServer("none").connect,
      openKv: () => Promise.resolve(this),
      openTable,
      onWarning: () => {},
    });
  }
}

const repeated = (key: string) => Array<string>(300).fill(key);

/** Looks all keys up, in bulk or at once; returns the values. */
async function lookUp(
  table: MemcacheTable,
  keys: string[],
  isBulk: boolean,
): Promise<(string | undefined)[]> {
  if (!isBulk) return await Promise.all(keys.map((key) => table.lookup(key)));
  const found = await Array.fromAsync(table.lookupMany(keys));
  return found.map(({ value }) => value);
}

for (const isBulk of [true, false]) {
  const what = isBulk ? "in bulk" : "at once";

  Deno.test(`the backup is asked once for a key that it has not, ${what}`, async () => {
    const kv = new CountingKv();
    await using table = kv.table();
    const keys = [...repeated("nosuch"), ...repeated("NoSuch")];
    const values = await kv.clock.during(lookUp(table, keys, isBulk));
    assertEquals(new Set(values), new Set([undefined]));
    assertEquals([kv.asked, kv.clock.now()], [1, 1000]);
    await kv.clock.during(table.close());
  });

  Deno.test(`the backup is asked once for a value that memcached cannot have, ${what}`, async () => {
    const kv = new CountingKv();
    await using table = kv.table({ data_size_limit: 3 });
    kv.values.set("k", new TextEncoder().encode("larger"));
    const values = await kv.clock.during(
      lookUp(table, repeated("k"), isBulk),
    );
    assertEquals(new Set(values), new Set(["larger"]));
    assertEquals([kv.asked, kv.clock.now()], [1, 1000]);
    await kv.clock.during(table.close());
  });

  Deno.test(`a backup that fails is asked once for a key, ${what}`, async () => {
    const kv = new CountingKv();
    await using table = kv.table();
    kv.fails = true;
    await kv.clock.during(
      assertRejects(
        () => lookUp(table, repeated("k"), isBulk),
        TemporaryError,
        "no database",
      ),
    );
    assertEquals([kv.asked, kv.clock.now()], [1, 1000]);
    await kv.clock.during(table.close());
  });

  Deno.test(`keys that share a memcache key are each looked up in the backup, ${what}`, async () => {
    const kv = new CountingKv();
    await using table = kv.table({ key_format: "%d" });
    kv.values.set("c@x", new TextEncoder().encode("v"));
    const keys = ["a@x", "a@x", "b@x", "c@x", "a@x", "d@x"];
    const values = await kv.clock.during(lookUp(table, keys, isBulk));
    // Once one of them has a value, memcached has it for all.
    assertEquals(
      values.map((value) => value ?? "-").join(" "),
      isBulk ? "- - - v v v" : "- - - v - v",
    );
    await kv.clock.during(table.close());
  });
}

Deno.test("a lookup that another one answers sees a write that was acknowledged before it", async () => {
  const kv = new CountingKv();
  await using table = kv.table();
  let later: Promise<string | undefined> | undefined;
  const first = table.lookup("k");
  kv.before = async () => {
    kv.before = undefined;
    await table.update("k", "new");
    later = table.lookup("k");
  };
  const second = table.lookup("k");
  await kv.clock.during(Promise.all([first, second]));
  assertEquals(await kv.clock.during(later!), "new");
  await kv.clock.during(table.close());
});

Deno.test("a lookup that is aborted does not end others that wait for it", async () => {
  const clock = new AutoClock();
  const inner = "memcache:{memcache=inet:silent:1}";
  const silent = new MemoryServer("silent");
  const outer = new MemoryServer("none");
  await using table = new MemcacheTable({ backup: inner }, {
    clock,
    connect: (endpoint, options) =>
      formatEndpoint(endpoint) === "inet:silent:1"
        ? silent.connect(endpoint, options)
        : outer.connect(endpoint, options),
    openTable,
    onWarning: () => {},
  });
  const controller = new AbortController();
  const lookups = [controller.signal, undefined].map((signal) =>
    table.lookup("k", { signal }).then(
      String,
      (reason) => reason instanceof TemporaryError ? "no answer" : reason,
    )
  );
  clock.setTimer(500, () => controller.abort("the first"));
  assertEquals(await clock.during(Promise.all(lookups)), [
    "the first",
    "no answer",
  ]);
  await clock.during(table.close());
});
