import {
  type Entry,
  openTable,
  type TableOptions,
  TemporaryError,
} from "../../../mod.ts";
import { KeyFilter } from "../../../lib/tables/kv/key_filter.ts";
import { assert, assertEquals, assertRejects } from "../../support/assert.ts";
import { Folder } from "../../support/folder.ts";
import { runCli } from "../../support/processes.ts";
import { Random } from "../../support/random.ts";

const quiet = { utf8: true, onWarning: () => {} };

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function numbered(from: number, to: number, value: string): Entry[] {
  return Array.from({ length: to - from }, (_, at) => ({
    key: `k${from + at}`,
    value,
  }));
}

/** All keys of a database, as they are stored, with their versionstamps. */
async function stored(
  path: string,
): Promise<Map<string, { key: Deno.KvKey; versionstamp: string }>> {
  using kv = await Deno.openKv(path);
  const found = new Map<string, { key: Deno.KvKey; versionstamp: string }>();
  for await (const { key, versionstamp } of kv.list({ prefix: [] })) {
    found.set(key.map(String).join("/"), { key, versionstamp });
  }
  return found;
}

/**
 * A library over Deno KV that counts the checks and the commits, and runs `before`
 * before each commit.
 */
function counting(before?: (commit: number) => Promise<void>) {
  const counts = { checks: 0, commits: 0 };
  const kvLibrary: TableOptions["kvLibrary"] = () =>
    Promise.resolve({
      async openKv(path) {
        const kv = await Deno.openKv(path);
        const atomic = kv.atomic.bind(kv);
        return Object.assign(kv, {
          atomic: () => {
            const made = atomic();
            const check = made.check.bind(made);
            const commit = made.commit.bind(made);
            return Object.assign(made, {
              check: (...checks: Deno.AtomicCheck[]) => {
                counts.checks += checks.length;
                return check(...checks);
              },
              commit: async () => {
                counts.commits++;
                await before?.(counts.commits);
                return await commit();
              },
            });
          },
        });
      },
    });
  return { counts, kvLibrary };
}

/** A source that runs `between` before each of its lists but the first. */
async function* inParts(
  parts: readonly (readonly Entry[])[],
  between: (at: number) => Promise<unknown>,
): AsyncGenerator<Entry> {
  for (const [at, part] of parts.entries()) {
    if (at > 0) await between(at);
    yield* part;
  }
}

const keeping = { ...quiet, write: true, duplicates: "ignore" } as const;

Deno.test("kv: a filter forgets no key, and knows few others", () => {
  const filter = new KeyFilter();
  const key = (name: string, number: number) =>
    encode(`${name}${number}@example.com`);
  const count = 200_000;
  for (let number = 0; number < count; number++) {
    filter.add(key("user", number));
  }
  let others = 0;
  for (let number = 0; number < count; number++) {
    assert(filter.mayHave(key("user", number)));
    if (filter.mayHave(key("other", number))) others++;
  }
  assert(others < count / 10_000, `${others}`);
  assert(!new KeyFilter().mayHave(new Uint8Array()));
});

Deno.test("kv: fills an empty table with one check for many entries, and leaves no mark", async () => {
  await using folder = await Folder.make();
  const path = `${folder.path}/t.kv`;
  const { counts, kvLibrary } = counting();
  {
    await using table = await openTable(`kv:${path}`, {
      ...keeping,
      kvLibrary,
    });
    const entries = [...numbered(0, 2000, "v"), ...numbered(5, 7, "again")];
    const results = await Array.fromAsync(table.updateMany(entries));
    assertEquals(
      results.map(({ stored }) => stored),
      entries.map((_, at) => at < 2000),
    );
    assert(counts.checks < 20, `${counts.checks}`);
    assertEquals(await table.lookup("k5"), "v");
  }
  assertEquals(counts.commits, counts.checks + 1);
  const keys = await stored(path);
  assertEquals(keys.size, 2000);
  assert([...keys.keys()].every((key) => key.startsWith("table/")));
});

Deno.test("kv: a table that has entries, or gets few, is not filled: each is checked", async () => {
  await using folder = await Folder.make();
  for (const [had, gets] of [[1, 300], [0, 99]]) {
    const path = `${folder.path}/${had}.kv`;
    {
      await using table = await openTable(`kv:${path}`, keeping);
      await Array.fromAsync(table.updateMany(numbered(0, had, "old")));
    }
    const { counts, kvLibrary } = counting();
    await using table = await openTable(`kv:${path}`, {
      ...keeping,
      kvLibrary,
    });
    const added = numbered(had, had + gets, "new");
    await Array.fromAsync(table.updateMany(added));
    assertEquals(counts.checks, gets);
    assertEquals(counts.commits, Math.ceil(gets / 99));
    assertEquals((await stored(path)).size, had + gets);
  }
});

Deno.test("kv: whoever stores an entry meanwhile ends a filling, and nothing is overwritten", async () => {
  await using folder = await Folder.make();
  const others: [string, (path: string) => Promise<unknown>][] = [
    [
      "another process",
      (path) => runCli(["-i", "-r", `kv:${path}`], { stdin: "k1500 theirs\n" }),
    ],
    [
      "one that adds",
      (path) => runCli(["-i", `kv:${path}`], { stdin: "k1500 theirs\n" }),
    ],
    ["one that adds many", (path) => {
      const lines = numbered(1500, 1800, "theirs");
      return runCli(["-i", `kv:${path}`], {
        stdin: lines.map(({ key, value }) => `${key} ${value}\n`).join(""),
      });
    }],
    ["a database that is handed in", async (path) => {
      await using table = await openTable(`kv:${path}`, {
        ...quiet,
        write: true,
        openKv: (path) => Deno.openKv(path),
      });
      await table.update("k1500", "theirs");
    }],
    ["the same process", async (path) => {
      await using table = await openTable(`kv:${path}`, {
        ...quiet,
        write: true,
      });
      await table.update("k1500", "theirs");
    }],
  ];
  for (const [who, store] of others) {
    const path = `${folder.path}/${who}.kv`;
    let marks = 0;
    {
      await using table = await openTable(`kv:${path}`, keeping);
      const parts = [numbered(0, 1024, "ours"), numbered(1024, 2048, "ours")];
      const results = await Array.fromAsync(
        table.updateMany(inParts(parts, async () => {
          // The first part is stored before the source goes on.
          while (await table.lookup("k1023") === undefined);
          marks = [...(await stored(path)).keys()]
            .filter((key) => !key.startsWith("table/")).length;
          await store(path);
        })),
      );
      assertEquals(await table.lookup("k1500"), "theirs", who);
      const kept = results.filter(({ stored }) => !stored);
      assertEquals(kept[0], { key: "k1500", stored: false });
      assertEquals(kept.length, who === "one that adds many" ? 300 : 1, who);
    }
    assertEquals(marks, 1, who);
    assertEquals((await stored(path)).size, 2048, who);
  }
});

Deno.test("kv: an entry that is stored just before the mark is not overwritten", async () => {
  await using folder = await Folder.make();
  const path = `${folder.path}/t.kv`;
  const { kvLibrary } = counting(async (commit) => {
    if (commit > 1) return;
    using kv = await Deno.openKv(path);
    await kv.set(["table", "", encode("k5")], encode("theirs"));
  });
  await using table = await openTable(`kv:${path}`, { ...keeping, kvLibrary });
  await Array.fromAsync(table.updateMany(numbered(0, 200, "ours")));
  assertEquals(await table.lookup("k5"), "theirs");
  assertEquals(await table.lookup("k6"), "ours");
  assertEquals((await stored(path)).size, 200);
});

Deno.test("kv: a filling that cannot begin fails its batch, and the next one begins", async () => {
  await using folder = await Folder.make();
  const path = `${folder.path}/t.kv`;
  const { counts, kvLibrary } = counting((commit) => {
    if (commit === 1) throw new Error("it is not the day for it");
    return Promise.resolve();
  });
  await using table = await openTable(`kv:${path}`, { ...keeping, kvLibrary });
  const all = numbered(0, 200, "v");
  await assertRejects(
    () => Array.fromAsync(table.updateMany(all)),
    TemporaryError,
    "it is not the day for it",
  );
  const results = await Array.fromAsync(table.updateMany(all));
  assert(results.every(({ stored }) => stored));
  assertEquals(counts.checks, 1);
});

Deno.test("kv: the mark of a process that was killed is removed by the next one that stores", async () => {
  await using folder = await Folder.make();
  const path = `${folder.path}/t.kv`;
  {
    await using table = await openTable(`kv:${path}`, keeping);
    await Array.fromAsync(table.updateMany(numbered(0, 3, "v")));
    using kv = await Deno.openKv(path);
    await kv.set(["fill", "", new Uint8Array()], new Uint8Array());
  }
  assertEquals((await stored(path)).size, 4);
  await runCli(["-i", `kv:${path}`], { stdin: "k9 v\n" });
  assertEquals((await stored(path)).size, 4);
  {
    await using table = await openTable(`kv:${path}`, keeping);
    assertEquals(await Array.fromAsync(table, ({ key }) => key), [
      "k0",
      "k1",
      "k2",
      "k9",
    ]);
  }
});

Deno.test("kv: a filling that began in part keeps what was stored meanwhile", async () => {
  await using folder = await Folder.make();
  const path = `${folder.path}/t.kv`;
  let lists = 0;
  const kvLibrary: TableOptions["kvLibrary"] = () =>
    Promise.resolve({
      async openKv(path) {
        const kv = await Deno.openKv(path);
        const list = kv.list.bind(kv);
        return Object.assign(kv, {
          list: (selector: Deno.KvListSelector) => {
            // The mark is there, but not the answer whether the table is still empty.
            if (++lists === 2) throw new Error("no more lists today");
            return list(selector);
          },
        });
      },
    });
  await using table = await openTable(`kv:${path}`, { ...keeping, kvLibrary });
  const all = numbered(0, 200, "ours");
  await assertRejects(
    () => Array.fromAsync(table.updateMany(all)),
    TemporaryError,
    "no more lists today",
  );
  {
    using kv = await Deno.openKv(path);
    await kv.set(["table", "", encode("k5")], encode("theirs"));
  }
  const results = await Array.fromAsync(table.updateMany(all));
  assertEquals(await table.lookup("k5"), "theirs");
  assertEquals(results.filter(({ stored }) => !stored).length, 1);
});

Deno.test("kv: a commit that is done after it failed is not overwritten", async () => {
  await using folder = await Folder.make();
  const path = `${folder.path}/t.kv`;
  let commits = 0;
  let late: (() => Promise<unknown>) | undefined;
  const kvLibrary: TableOptions["kvLibrary"] = () =>
    Promise.resolve({
      async openKv(path) {
        const kv = await Deno.openKv(path);
        const atomic = kv.atomic.bind(kv);
        const getMany = kv.getMany.bind(kv);
        return Object.assign(kv, {
          getMany: async (keys: Deno.KvKey[]) => {
            const found = await getMany(keys);
            await late?.();
            return found;
          },
          atomic: () => {
            const made = atomic();
            const commit = made.commit.bind(made);
            return Object.assign(made, {
              commit: () => {
                if (++commits !== 2) return commit();
                late = commit;
                throw new Error("no answer");
              },
            });
          },
        });
      },
    });
  await using table = await openTable(`kv:${path}`, { ...keeping, kvLibrary });
  await assertRejects(
    () => Array.fromAsync(table.updateMany(numbered(0, 200, "first"))),
    TemporaryError,
    "no answer",
  );
  const isStored = await table.update("k5", "second");
  await late?.();
  assertEquals(await table.lookup("k5"), isStored ? "second" : "first");
});

Deno.test("kv: who stores into a database that cannot end fillings checks each entry", async () => {
  await using folder = await Folder.make();
  const path = `${folder.path}/t.kv`;
  const { counts, kvLibrary } = counting();
  const withoutDelete: TableOptions["kvLibrary"] = async (database) => {
    const { openKv } = await kvLibrary!(database);
    return {
      openKv: async (path) => {
        const kv = await openKv(path);
        const atomic = kv.atomic.bind(kv);
        return Object.assign(kv, {
          atomic: () => Object.assign(atomic(), { delete: undefined }),
        });
      },
    };
  };
  await using table = await openTable(`kv:${path}`, {
    ...keeping,
    kvLibrary: withoutDelete,
  });
  await Array.fromAsync(table.updateMany(numbered(0, 200, "v")));
  assertEquals(counts.checks, 200);
  assertEquals((await stored(path)).size, 200);
});

Deno.test("kv: the mark is removed from a file that was opened again meanwhile", async () => {
  await using folder = await Folder.make();
  const all = numbered(0, 200, "v");
  for (const again of [[], all]) {
    const path = `${folder.path}/${again.length}.kv`;
    {
      await using table = await openTable(`kv:${path}`, keeping);
      await Array.fromAsync(table.updateMany(all));
      // Its log is put into it when nothing was written for a while.
      await new Promise((resolve) => setTimeout(resolve, 800));
      await table.lookup("k1");
      await Array.fromAsync(table.updateMany(again));
    }
    assertEquals((await stored(path)).size, 200);
  }
});

Deno.test("kv: a filling ends when too many entries are looked for in vain", async () => {
  await using folder = await Folder.make();
  const { counts, kvLibrary } = counting();
  await using table = await openTable(`kv:${folder.path}/t.kv`, {
    ...keeping,
    kvLibrary,
  });
  await Array.fromAsync(table.updateMany(numbered(0, 250, "first")));
  for (const [removed, checks] of [[50, 1], [100, 250]]) {
    const again = numbered(0, removed, "again");
    await Array.fromAsync(table.deleteMany(again.map(({ key }) => key)));
    counts.checks = 0;
    const others = numbered(removed * 1000, removed * 999 + 250, "first");
    const entries = [...again, ...others];
    const results = await Array.fromAsync(table.updateMany(entries));
    assert(results.every(({ stored }) => stored));
    assertEquals(counts.checks, checks);
  }
});

Deno.test("kv: the mark takes no room from an entry or a commit", async () => {
  await using folder = await Folder.make();
  for (const duplicates of ["replace", "ignore"] as const) {
    for (const namespace of ["", "n".repeat(2029), "n".repeat(2036)]) {
      const path = `${folder.path}/${duplicates}${namespace.length}.kv`;
      await using table = await openTable(`kv:${path}#${namespace}`, {
        ...quiet,
        write: true,
        duplicates,
      });
      assert(await table.update("k", "v"));
    }
    // One commit of the size that Deno KV allows, or a little less. It counts each key
    // twice, of 4 bytes, and 11 of its first parts.
    const large = numbered(100, 112, "v".repeat(65536));
    const small = numbered(112, 250, "v".repeat(95));
    const rest = 819200 - 12 * 65536 - 138 * 95 - (150 + 1) * 2 * 15;
    for (let less = 0; less < 64; less += 3) {
      const entries = [
        ...large,
        ...small,
        ...numbered(250, 251, "v".repeat(rest - less)),
      ];
      await using table = await openTable(
        `kv:${folder.path}/${duplicates} ${less}.kv`,
        { ...quiet, write: true, duplicates },
      );
      const results = await Array.fromAsync(table.updateMany(entries));
      assert(results.every(({ stored }) => stored));
    }
  }
});

Deno.test("kv: of those who fill a table at once, each entry is stored by one", async () => {
  const random = Random.seeded("kv filling");
  for (let round = 0; round < 4; round++) {
    await using folder = await Folder.make();
    const path = `${folder.path}/t.kv`;
    const writers = ["a", "b", "c"].map((name) =>
      random.list(200, 1500, () => ({
        key: `k${random.integer(0, 3000)}`,
        value: name,
      }))
    );
    const stored = new Map<string, string[]>();
    await Promise.all(writers.map(async (entries, at) => {
      // Those with a database of their own are like other processes.
      await using table = await openTable(`kv:${path}`, {
        ...keeping,
        ...at === 0 ? {} : {
          kvLibrary: () => Promise.resolve({ openKv: Deno.openKv }),
        },
      });
      for await (const { key, stored: isStored } of table.updateMany(entries)) {
        if (!isStored) continue;
        stored.set(key, [...stored.get(key) ?? [], entries[0].value]);
      }
    }));
    await using table = await openTable(`kv:${path}`, quiet);
    for await (const { key, value } of table) {
      assertEquals(stored.get(key), [value], key);
      stored.delete(key);
    }
    assertEquals(stored.size, 0);
  }
});
