import {
  ClosedError,
  type KvDatabase,
  openTable,
  TemporaryError,
} from "../../../mod.ts";
import { byteText, utf8Text } from "../../../lib/bytes/text.ts";
import { assert, assertEquals, assertRejects } from "../../support/assert.ts";
import { Folder } from "../../support/folder.ts";
import { Random } from "../../support/random.ts";

const quiet = { utf8: true, onWarning: () => {} };

/** What was asked of a database, and how much of it at once. */
class Watched {
  readonly calls: Record<string, number> = {};
  most = 0;
  /** Told of each key that is read; may throw. */
  onRead: (key: string) => void = () => {};
  #underWay = 0;

  /** The methods of a real database, without those of `lacking`. */
  of(
    kv: Deno.Kv,
    lacking: readonly ("getMany" | "delete")[] = [],
  ): KvDatabase {
    const count = (name: string) => {
      this.calls[name] = (this.calls[name] ?? 0) + 1;
    };
    const read = async <T>(keys: Deno.KvKey[], reading: () => Promise<T>) => {
      this.most = Math.max(this.most, ++this.#underWay);
      try {
        for (const key of keys) {
          this.onRead(byteText.decode(key.at(-1) as Uint8Array)!);
        }
        return await reading();
      } finally {
        this.#underWay--;
      }
    };
    const get = (key: Deno.KvKey) => {
      count("get");
      return read([key], () => kv.get(key));
    };
    const database: KvDatabase = {
      get,
      set: (key, value) => kv.set(key, value),
      list: (selector, options) => kv.list(selector, options),
      close: () => kv.close(),
      delete: (key) => {
        count("delete");
        return kv.delete(key);
      },
      atomic: () => {
        count("atomic");
        const atomic = kv.atomic();
        return lacking.includes("delete")
          ? {
            check: atomic.check.bind(atomic),
            set: atomic.set.bind(atomic),
            commit: atomic.commit.bind(atomic),
          }
          : atomic;
      },
    };
    return lacking.includes("getMany") ? database : {
      ...database,
      getMany: (keys) => {
        count("getMany");
        return read(keys, () => kv.getMany(keys));
      },
    };
  }
}

async function opened(
  folder: Folder,
  watched: Watched,
  lacking: readonly ("getMany" | "delete")[] = [],
) {
  return await openTable(`kv:${folder.path}/t.kv`, {
    ...quiet,
    write: true,
    openKv: async (path) => watched.of(await Deno.openKv(path), lacking),
  });
}

function numbered(count: number): { key: string; value: string }[] {
  return Array.from(
    { length: count },
    (_, number) => ({ key: `k${number}`, value: `v${number}` }),
  );
}

Deno.test("kv: reads many keys in calls of ten, or several at once, with a bound", async () => {
  await using folder = await Folder.make();
  {
    await using table = await opened(folder, new Watched());
    await Array.fromAsync(table.updateMany(numbered(1500)));
  }
  for (const lacking of [[], ["getMany"]] as const) {
    const watched = new Watched();
    await using table = await opened(folder, watched, lacking);
    const keys = Array.from({ length: 2000 }, (_, number) => `K${number}`);
    const found = await Array.fromAsync(table.lookupMany(keys));
    assertEquals(
      found,
      keys.map((key, number) => ({
        key,
        value: number < 1500 ? `v${number}` : undefined,
      })),
    );
    assertEquals(
      watched.calls,
      lacking.length === 0 ? { getMany: 103 + 98 } : { get: 2000 },
    );
    assert(watched.most > 4 && watched.most <= 64, `${watched.most}`);
  }
});

Deno.test("kv: does for random keys together what it does one by one", async () => {
  const random = Random.seeded("kv batches");
  const key = () =>
    random.pick([
      () => "",
      () => `k${random.integer(0, 40)}`,
      () => `K${random.integer(0, 40)}`,
      () => `käse\0${random.integer(0, 3)}`,
      () => "\ud800",
      () => " a b\n",
      () => "k".repeat(random.integer(2028, 2036)),
      () => "\0".repeat(random.integer(1012, 1018)),
    ])();
  for (const lacking of [[], ["getMany"], ["delete"]] as const) {
    await using together = await openTable("kv:", {
      ...quiet,
      write: true,
      openKv: async () =>
        new Watched().of(await Deno.openKv(":memory:"), lacking),
    });
    await using single = await openTable("kv:", {
      ...quiet,
      write: true,
      openKv: () => Deno.openKv(":memory:"),
    });
    for (let round = 0; round < 20; round++) {
      const entries = random.list(0, 40, () => ({
        key: key(),
        value: random.pick(["", "v", "ö", `${round}`]),
      }));
      const stored = await Array.fromAsync(together.updateMany(entries));
      for (const [at, { key, value }] of entries.entries()) {
        assertEquals(stored[at].stored, await single.update(key, value));
      }
      const keys = random.list(0, 60, key);
      for (const found of await Array.fromAsync(together.lookupMany(keys))) {
        assertEquals(found.value, await single.lookup(found.key));
      }
      const gone = random.list(0, 20, key);
      for (const told of await Array.fromAsync(together.deleteMany(gone))) {
        assertEquals(told.deleted, await single.delete(told.key), told.key);
      }
      assertEquals(
        await Array.fromAsync(together),
        await Array.fromAsync(single),
      );
    }
  }
});

Deno.test("kv: tells of the key that could not be read, and answers those before it", async () => {
  await using folder = await Folder.make();
  for (const lacking of [[], ["getMany"]] as const) {
    const watched = new Watched();
    await using table = await opened(folder, watched, lacking);
    await Array.fromAsync(table.updateMany(numbered(100)));
    watched.onRead = (key) => {
      if (key === "k47" || key === "k90") throw new Error(`cannot read ${key}`);
    };
    const told: string[] = [];
    await assertRejects(
      async () => {
        const keys = numbered(100).map(({ key }) => key);
        for await (const { value } of table.lookupMany(keys)) told.push(value!);
      },
      TemporaryError,
      "cannot read k47",
    );
    assertEquals(told, numbered(47).map(({ value }) => value));
    await assertRejects(
      () => Array.fromAsync(table.deleteMany(["k1", "k90"])),
      TemporaryError,
      "cannot read k90",
    );
    watched.onRead = () => {};
    assertEquals(await table.lookup("k1"), "v1");
  }
});

Deno.test("kv: tells of the value that is none of its own", async () => {
  await using folder = await Folder.make();
  const file = `${folder.path}/t.kv`;
  {
    using kv = await Deno.openKv(file);
    for (const [key, value] of [["a", "text"], ["b", Uint8Array.of(255)]]) {
      const encoded = utf8Text.encode(key as string);
      await kv.set(["table", "", encoded], value);
    }
    await kv.set(["table", "", utf8Text.encode("c")], utf8Text.encode("v"));
  }
  await using table = await openTable(`kv:${file}`, quiet);
  const cases: [string[], string, number][] = [
    [["c", "d", "a"], 'value of key "a" is no byte value', 2],
    [["c", "B", "a"], "not UTF-8", 1],
  ];
  for (const [keys, message, before] of cases) {
    let answered = 0;
    await assertRejects(
      async () => {
        for await (const _ of table.lookupMany(keys)) answered++;
      },
      Error,
      message,
    );
    assertEquals(answered, before);
  }
});

Deno.test("kv: removes many keys in one commit, a key that comes twice once", async () => {
  await using folder = await Folder.make();
  const watched = new Watched();
  await using table = await opened(folder, watched);
  assertEquals(await Array.fromAsync(table.deleteMany(["a"])), [
    { key: "a", deleted: false },
  ]);
  await Array.fromAsync(table.updateMany(numbered(900)));
  watched.calls.atomic = 0;
  const keys = ["K1", "nobody", "k2", "k1", "k1", ""];
  assertEquals(
    (await Array.fromAsync(table.deleteMany(keys))).map(({ deleted }) =>
      deleted
    ),
    [true, false, true, false, false, false],
  );
  assertEquals(watched.calls.atomic, 1);
  const rest = numbered(900).map(({ key }) => key);
  const told = await Array.fromAsync(table.deleteMany(rest));
  assertEquals(
    told.filter(({ deleted }) => !deleted).map(({ key }) => key),
    ["k1", "k2"],
  );
  assertEquals(watched.calls.atomic, 2);
  assertEquals(await table.first(), undefined);
});

Deno.test("kv: divides what is too much for one commit", async () => {
  await using folder = await Folder.make();
  for (const duplicates of ["replace", "ignore"] as const) {
    await using table = await openTable(`kv:${folder.path}/${duplicates}.kv`, {
      ...quiet,
      write: true,
      duplicates,
    });
    // Of long keys, fewer fit than of anything else.
    const entries = Array.from({ length: 1000 }, (_, number) => ({
      key: `${number}`.padStart(number % 2 === 0 ? 2000 : 150, "k"),
      value: "v".repeat(number % 100 === 0 ? 65536 : 1),
    }));
    const stored = await Array.fromAsync(table.updateMany(entries));
    assertEquals(stored.filter(({ stored }) => !stored), []);
    const keys = entries.map(({ key }) => key);
    const found = await Array.fromAsync(table.lookupMany(keys));
    assert(found.every(({ value }, at) => value === entries[at].value));
    const deleted = await Array.fromAsync(table.deleteMany(keys));
    assertEquals(deleted.filter(({ deleted }) => !deleted), []);
    assertEquals(await table.first(), undefined);
  }
});

Deno.test("kv: opens nothing once it is closed in the middle of a batch", async () => {
  let opened = 0;
  let closed = 0;
  let commits = 0;
  const table = await openTable("kv:", {
    ...quiet,
    write: true,
    duplicates: "ignore",
    openKv: async () => {
      opened++;
      const database = new Watched().of(await Deno.openKv(":memory:"));
      return {
        ...database,
        atomic: () => {
          if (++commits === 2) closing = table.close();
          return database.atomic();
        },
        close: () => {
          closed++;
          database.close();
        },
      };
    },
  });
  let closing: Promise<void> | undefined;
  // Each commit has a hundred.
  await assertRejects(
    () => Array.fromAsync(table.updateMany(numbered(500))),
    ClosedError,
  );
  await closing;
  assertEquals([opened, closed], [1, 1]);
});
