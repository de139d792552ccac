import { byteText } from "../../../lib/bytes/text.ts";
import {
  type KvEntry,
  type KvKey,
  MemcacheTable,
  openTable,
  type Table,
} from "../../../mod.ts";
import { assert, assertEquals } from "../../support/assert.ts";
import { AutoClock } from "../../support/auto_clock.ts";
import { MemoryKv } from "../../support/memory_kv.ts";
import { type Fault, MemoryServer } from "../../support/memory_server.ts";

// A write that reaches the backup and not memcached leaves an old value there.
// Lookups must not find it, and it is removed as soon as memcached answers.

/** A KV database whose lookups wait until they are let go on. */
class SlowKv extends MemoryKv {
  #waiting: (() => void)[] = [];
  #wake = () => {};
  isSlow = false;

  override async get(key: KvKey): Promise<KvEntry> {
    const entry = await super.get(key);
    if (!this.isSlow) return entry;
    await new Promise<void>((resolve) => {
      this.#waiting.push(resolve);
      this.#wake();
    });
    return entry;
  }

  override async getMany(keys: KvKey[]): Promise<KvEntry[]> {
    return await Promise.all(keys.map((key) => this.get(key)));
  }

  /** Waits for so many lookups that wait. */
  async untilWaiting(count: number): Promise<void> {
    while (this.#waiting.length < count) {
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  letGo(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

class Scene {
  readonly server = new MemoryServer("none");
  readonly kv = new SlowKv();
  readonly clock = new AutoClock();
  readonly warnings: string[] = [];
  readonly table: Table;

  constructor(parameters: Record<string, number> = {}) {
    this.table = new MemcacheTable({ backup: "kv:", ...parameters }, {
      write: true,
      clock: this.clock,
      connect: this.server.connect,
      openKv: () => Promise.resolve(this.kv),
      openTable,
      onWarning: (warning) => this.warnings.push(warning),
    });
  }

  /** Puts old values into both, of keys `a` and so on. */
  async storeOld(keys: string): Promise<void> {
    for (const key of keys) {
      await this.clock.during(this.table.update(key, "old"));
    }
  }

  cached(keys: string): (string | undefined)[] {
    return [...keys].map((key) => this.server.entries.get(key)?.data);
  }

  kept(key: string): string | undefined {
    const data = this.kv.values.get(key);
    return data && byteText.decode(data);
  }
}

async function lookUp(
  table: Table,
  keys: string,
  isBulk: boolean,
): Promise<(string | undefined)[]> {
  if (!isBulk) {
    return await Promise.all([...keys].map((key) => table.lookup(key)));
  }
  const found = await Array.fromAsync(table.lookupMany([...keys]));
  return found.map(({ value }) => value);
}

Deno.test("thousands of old values are removed at once when memcached answers", async () => {
  const scene = new Scene();
  const { server, clock, table } = scene;
  const update = (value: string) =>
    Array.fromAsync(table.updateMany(
      Array.from({ length: 2500 }, (_, at) => ({ key: `k${at}`, value })),
    ));
  await clock.during(update("old"));
  assertEquals(server.entries.size, 2500);
  server.fault = "refuses";
  await clock.during(update("new"));
  server.fault = "none";
  await clock.during(table.close());
  assertEquals(server.entries.size, 0);
});

const faults: Fault[] = [
  { says: "SERVER_ERROR busy" },
  { says: "CLIENT_ERROR unauthenticated" },
  "silent",
  "refuses",
  "closes",
];

for (const fault of faults) {
  for (const isBulk of [false, true]) {
    const what = `${JSON.stringify(fault)}, ${isBulk ? "in bulk" : "singly"}`;
    Deno.test(`no lookup finds what was replaced while memcached failed: ${what}`, async () => {
      const scene = new Scene();
      const { server, clock, table, warnings } = scene;
      await scene.storeOld("abcd");
      server.fault = fault;
      const write = async () => {
        if (isBulk) {
          await Array.fromAsync(table.updateMany([
            { key: "a", value: "new" },
            { key: "e", value: "new" },
          ]));
          await Array.fromAsync(table.deleteMany(["b"]));
        } else {
          await table.update("a", "new");
          await table.update("e", "new");
          await table.delete("b");
        }
      };
      await clock.during(write());
      assertEquals(scene.cached("abcd"), ["old", "old", "old", "old"]);
      const expected = ["new", undefined, "old", "old", "new"];
      assertEquals(
        await clock.during(lookUp(table, "abcde", isBulk)),
        expected,
      );
      // It answers again: at once, and as soon as the old ones are gone.
      server.fault = "none";
      assertEquals(
        await clock.during(lookUp(table, "abcde", isBulk)),
        expected,
      );
      await clock.during(
        new Promise<void>((resolve) => clock.setTimer(20_000, resolve)),
      );
      assertEquals(await clock.during(lookUp(table, "d", isBulk)), ["old"]);
      assertEquals(
        await clock.during(lookUp(table, "abcde", !isBulk)),
        expected,
      );
      await clock.during(table.close());
      assertEquals(
        scene.cached("abcde").filter((_, at) => at !== 1),
        ["new", "old", "old", "new"],
      );
      assertEquals(scene.cached("b"), [undefined]);
      assertEquals(warnings.length, 1, warnings.join("\n"));
    });
  }
}

Deno.test("what could not be removed from memcached by the end is said, with the cure", async () => {
  const scene = new Scene({ ttl: 600 });
  await scene.storeOld("ab");
  scene.server.fault = "refuses";
  await scene.clock.during(scene.table.update("a", "new"));
  await scene.clock.during(scene.table.delete("b"));
  await scene.clock.during(scene.table.delete("b"));
  await scene.clock.during(scene.table.close());
  const [, unsure, ...more] = scene.warnings;
  assert(
    /old values of 2 keys, for up to 600 seconds .*memcache-table warm/
      .test(unsure),
    unsure,
  );
  assertEquals(more, []);
});

Deno.test("a memcached that is well by the end is rid of old values then", async () => {
  const scene = new Scene();
  await scene.storeOld("a");
  scene.server.fault = { says: "SERVER_ERROR out of memory" };
  await scene.clock.during(scene.table.update("a", "new"));
  scene.server.fault = "none";
  await scene.clock.during(scene.table.update("b", "new"));
  await scene.clock.during(scene.table.close());
  assertEquals(scene.cached("ab"), [undefined, "new"]);
  assertEquals(scene.warnings.length, 1, scene.warnings.join("\n"));
});

Deno.test("more keys than can be remembered are said to be unknown", async () => {
  const scene = new Scene();
  const { server, table, clock, warnings } = scene;
  server.fault = "refuses";
  const entries = Array.from(
    { length: 100_001 },
    (_, number) => ({ key: `k${number}`, value: "v" }),
  );
  await clock.during(Array.fromAsync(table.updateMany(entries)));
  assertEquals(warnings.length, 2);
  assert(/more than 100000 keys/.test(warnings[1]), warnings[1]);
  await clock.during(table.close());
  assert(/more than 100000 keys/.test(warnings[2]), warnings[2]);
});

for (const isBulk of [false, true]) {
  const how = isBulk ? "in bulk" : "singly";
  Deno.test(`a lookup that fills memcached loses to a write of its key, ${how}`, async () => {
    for (
      const [write, left] of [
        [(table: Table) => table.delete("a"), undefined],
        [(table: Table) => table.update("a", "new"), "new"],
        [
          (table: Table) => Array.fromAsync(table.deleteMany(["b", "a"])),
          undefined,
        ],
        [
          (table: Table) =>
            Array.fromAsync(table.updateMany([{ key: "a", value: "new" }])),
          "new",
        ],
      ] as const
    ) {
      const scene = new Scene();
      const { server, kv, table, clock } = scene;
      kv.values.set("a", byteText.encode("old"));
      kv.isSlow = true;
      const looking = lookUp(table, "a", isBulk);
      await kv.untilWaiting(1);
      kv.isSlow = false;
      await clock.during<unknown>(write(table));
      kv.letGo();
      // The answer is of the time when the lookup began.
      assertEquals(await clock.during(looking), ["old"]);
      assertEquals(await clock.during(table.lookup("a")), left);
      await clock.during(table.close());
      assertEquals(scene.cached("a"), [left]);
      assertEquals(scene.kept("a"), left);
      assert(
        !server.commands.some((line) => /^set a 0 \d+ 3$/.test(line)) ||
          left === "new",
      );
    }
  });
}

Deno.test("a key that nobody has is answered while memcached takes what was found beside it", async () => {
  const { server, kv, clock, table } = new Scene();
  await clock.during(table.lookup("other"));
  kv.values.set("known", byteText.encode("v"));
  // It never says that it stored what the backup had.
  server.corrupt = (reply) => reply === "STORED\r\n" ? [] : [reply];
  const keys = ["nosuch", "known"];
  const lookUpAll = () => Array.fromAsync(table.lookupMany(keys));
  const expected = [
    { key: "nosuch", value: undefined },
    { key: "known", value: "v" },
  ];
  assertEquals(await clock.during(lookUpAll()), expected);
  assertEquals(await clock.during(lookUpAll()), expected);
  assertEquals(
    await clock.during(
      Promise.all(keys.map((key) => table.lookup(key))),
    ),
    [undefined, "v"],
  );
  await clock.during(table.close());
});

for (const isBulk of [false, true]) {
  const what = isBulk ? "in bulk" : "singly";
  Deno.test(`a value that is too large for memcached leaves no old one there: ${what}`, async () => {
    const scene = new Scene({ data_size_limit: 3 });
    const { clock, table } = scene;
    const update = async (...values: string[]) => {
      const entries = values.map((value) => ({ key: "a", value }));
      if (isBulk) await Array.fromAsync(table.updateMany(entries));
      else for (const { value } of entries) await table.update("a", value);
    };
    await scene.storeOld("a");
    assertEquals(scene.cached("a"), ["old"]);
    await clock.during(update("larger"));
    // Other programs must not find it either, long before this one asks again.
    await clock.during(
      new Promise<void>((resolve) => clock.setTimer(1, resolve)),
    );
    assertEquals(scene.cached("a"), [undefined]);
    assertEquals(await clock.during(table.lookup("a")), "larger");
    await clock.during(update("b", "larger again"));
    assertEquals(await clock.during(lookUp(table, "a", isBulk)), [
      "larger again",
    ]);
    await clock.during(update("still larger", "c"));
    assertEquals(await clock.during(table.lookup("a")), "c");
    assertEquals(scene.cached("a"), ["c"]);
    await clock.during(update("large"));
    await clock.during(table.close());
    assertEquals(scene.cached("a"), [undefined]);
    assertEquals(scene.kept("a"), "large");
  });
}

for (const isBulk of [false, true]) {
  const what = isBulk ? "in bulk" : "singly";
  Deno.test(`the last write of a key is kept, though memcached refused the first and another was aborted, ${what}`, async () => {
    const scene = new Scene();
    const { server, clock, table } = scene;
    const write = (value: string, signal?: AbortSignal): Promise<unknown> =>
      isBulk
        ? Array.fromAsync(table.updateMany([{ key: "a", value }], { signal }))
        : table.update("a", value, { signal });
    await scene.storeOld("a");
    server.fault = { says: "SERVER_ERROR busy" };
    const sent = server.commands.length;
    const first = write("first");
    while (server.commands.length === sent) {
      await new Promise((resolve) => setTimeout(resolve));
    }
    // The first one waits for its next try.
    server.fault = "none";
    const abort = new AbortController();
    server.corrupt = (reply) => {
      const isAborted = server.entries.get("a")?.data === "aborted";
      if (isAborted) abort.abort(new Error("stop"));
      return [reply];
    };
    const aborted = write("aborted", abort.signal);
    const last = write("last");
    await clock.during(Promise.allSettled([first, aborted, last]));
    assert(abort.signal.aborted);
    assertEquals(scene.kept("a"), "last");
    assertEquals(await clock.during(table.lookup("a")), "last");
    await clock.during(table.close());
  });
}
