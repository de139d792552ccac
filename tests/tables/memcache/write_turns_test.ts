import { openTable, type Table } from "../../../mod.ts";
import { WriteTurns } from "../../../lib/tables/memcache/write_turns.ts";
import { assertEquals, assertRejects } from "../../support/assert.ts";
import { Memcached } from "../../support/memcached.ts";
import { MemoryKv } from "../../support/memory_kv.ts";

/** Databases in memory: one of domains, which may be slow, and one as backup. */
class Scene implements AsyncDisposable {
  readonly memcached: Memcached;
  readonly table: Table;
  readonly backup: Table;
  #domains: SlowKv;

  private constructor(
    memcached: Memcached,
    table: Table,
    backup: Table,
    domains: SlowKv,
  ) {
    this.memcached = memcached;
    this.table = table;
    this.backup = backup;
    this.#domains = domains;
  }

  static async open(hasBackup: boolean): Promise<Scene> {
    const memcached = await Memcached.tcp();
    const domains = new SlowKv();
    const kept = new MemoryKv();
    const openKv = (path: string | undefined) =>
      Promise.resolve(path === "/domains" ? domains : kept);
    const options = { openKv, write: true } as const;
    {
      await using list = await openTable("kv:/domains", options);
      await list.update("x.org", "1");
    }
    const backup = hasBackup ? " backup=kv:/kept" : "";
    const table = await openTable(
      `memcache:{memcache=${memcached.server} domain=kv:/domains${backup}}`,
      { ...options, duplicates: "replace" },
    );
    const asked = hasBackup
      ? await openTable("kv:/kept", options)
      : await openTable("static:none");
    return new Scene(memcached, table, asked, domains);
  }

  /** The next lookup of a domain takes until `goOn` is called. */
  slowDown(): SlowLookup {
    return this.#domains.slowDown();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.table.close();
    await this.backup.close();
    await this.memcached[Symbol.asyncDispose]();
  }
}

interface SlowLookup {
  /** Resolves when the lookup has begun. */
  readonly begun: Promise<void>;
  goOn(): void;
}

class SlowKv extends MemoryKv {
  #slow: { begin(): void; readonly over: Promise<void> } | undefined;

  slowDown(): SlowLookup {
    const begun = Promise.withResolvers<void>();
    const over = Promise.withResolvers<void>();
    this.#slow = { begin: begun.resolve, over: over.promise };
    return { begun: begun.promise, goOn: over.resolve };
  }

  override async get(key: Parameters<MemoryKv["get"]>[0]) {
    const slow = this.#slow;
    this.#slow = undefined;
    slow?.begin();
    await slow?.over;
    return await super.get(key);
  }
}

function numbered(count: number, value: string) {
  return Array.from(
    { length: count },
    (_, at) => ({ key: `k${at}@x.org`, value }),
  );
}

for (const hasBackup of [false, true]) {
  const which = hasBackup ? "with a backup" : "without a backup";

  Deno.test(`writes of a memcache table keep their order where a domain list takes its time, ${which}`, async () => {
    await using scene = await Scene.open(hasBackup);
    const { memcached, table, backup } = scene;
    const key = "a@x.org";
    type Write = (value: string) => Promise<unknown>;
    const update: Write = (value) => table.update(key, value);
    const updateMany: Write = (value) =>
      Array.fromAsync(table.updateMany([{ key, value }]));
    const remove: Write = () => table.delete(key);
    const removeMany: Write = () => Array.fromAsync(table.deleteMany([key]));
    const pairs: [Write, Write, string | undefined][] = [
      [update, update, "new"],
      [update, updateMany, "new"],
      [updateMany, update, "new"],
      [update, remove, undefined],
      [updateMany, removeMany, undefined],
      [remove, update, "new"],
      [removeMany, updateMany, "new"],
    ];
    for (const [first, second, end] of pairs) {
      const slow = scene.slowDown();
      const earlier = first("old");
      await slow.begun;
      const later = second("new");
      // As far as it comes alone.
      await table.lookup("b@x.org");
      slow.goOn();
      await Promise.all([earlier, later]);
      assertEquals(await memcached.get(key), end);
      if (hasBackup) assertEquals(await backup.lookup(key), end);
    }
  });

  Deno.test(`many writes of a memcache table keep their order where a domain list takes its time, ${which}`, async () => {
    await using scene = await Scene.open(hasBackup);
    const { memcached, table, backup } = scene;
    for (const count of [198, 990, 1024, 2048]) {
      // The last one is alone in its batch, and has the shortest way.
      const entries = numbered(count, "old");
      const last = { ...entries[count - 1], value: `new ${count}` };
      const told = await Array.fromAsync(table.updateMany([...entries, last]));
      assertEquals(told.filter(({ stored }) => !stored), []);
      assertEquals(await memcached.get(last.key), last.value);
      if (hasBackup) assertEquals(await backup.lookup(last.key), last.value);
    }
  });
}

Deno.test("a value that fits stays in memcached, whatever was requested just before it", async () => {
  await using memcached = await Memcached.tcp();
  const kept = new MemoryKv();
  await using table = await openTable(
    `memcache:{memcache=${memcached.server} backup=kv: data_size_limit=8}`,
    {
      openKv: () => Promise.resolve(kept),
      write: true,
      duplicates: "replace",
      onWarning: () => {},
    },
  );
  await table.update("k", "old");
  for (let between = 0; between < 40; between++) {
    // Each begins some microtasks after the one before it.
    const others = Array.from({ length: between }, (_, at) => `other${at}`);
    await Promise.all([
      table.update("k", "too large for it"),
      ...others.map((key) => table.update(key, "v")),
      table.update("k", `new ${between}`),
    ]);
    assertEquals(await memcached.get("k"), `new ${between}`);
    assertEquals(await table.lookup("k"), `new ${between}`);
  }
});

Deno.test("a write that cannot be made lets later ones go on, after those before it", async () => {
  const turns = new WriteTurns();
  const sent: string[] = [];
  const first = Promise.withResolvers<string>();
  const send = (made: string) => void sent.push(made);
  const writes = [
    turns.inTurn(() => first.promise, send),
    turns.inTurn(() => Promise.reject(new Error("no such table")), send),
    turns.inTurn(() => Promise.resolve("third"), send),
  ];
  const failing = assertRejects(() => writes[1], Error, "no such table");
  const third = writes[2].then(() => sent.length);
  first.resolve("first");
  assertEquals(await third, 2);
  await Promise.all([writes[0], failing]);
  assertEquals(sent, ["first", "third"]);
});
