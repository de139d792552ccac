import {
  type DeleteResult,
  type LookupResult,
  MemcacheTable,
  openTable,
  type Table,
  type TableOptions,
  type UpdateResult,
} from "../../mod.ts";
import { NotUtf8Error } from "../../lib/errors.ts";
import { utf8Text } from "../../lib/bytes/text.ts";
import { DriverTable } from "../../lib/tables/driver_table.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { Folder } from "../support/folder.ts";
import { Memcached } from "../support/memcached.ts";
import { Random } from "../support/random.ts";

const quiet: TableOptions = { utf8: true, onWarning: () => {} };
const writing: TableOptions = { ...quiet, write: true };

/** Results up to the end, or to the failure, and what that is. */
async function told<T>(
  results: AsyncIterable<T>,
): Promise<{ results: T[]; error?: string }> {
  const all: T[] = [];
  try {
    for await (const one of results) all.push(one);
  } catch (error) {
    return { results: all, error: `${(error as Error).message}` };
  }
  return { results: all };
}

/** The same, made of requests one by one. */
async function* each<Item, T>(
  items: readonly Item[],
  request: (item: Item) => Promise<T>,
): AsyncGenerator<T> {
  for (const item of items) yield await request(item);
}

function lookupEach(table: Table, keys: readonly string[]) {
  return each(keys, async (key): Promise<LookupResult> => ({
    key,
    value: await table.lookup(key),
  }));
}

const words = ["alice", "Bob", "STRAßE", "käse", "日本", "İ", "ς", "%s", "😀"];

function randomKey(random: Random, tooLong: boolean): string {
  const shape = random.number();
  const user = random.pick(words) + random.integer(0, 20);
  if (shape < 0.4) return user;
  if (shape < 0.7) return `${user}@${random.pick(["a.org", "B.org", "c.com"])}`;
  if (shape < 0.9) {
    return random.pick([
      "",
      " ",
      "a b",
      "a\0b",
      "\0",
      "\n",
      "a\r",
      "\ud800",
      "@",
      "a@",
      "\x7f",
    ]);
  }
  return "k".repeat(random.integer(1, tooLong ? 300 : 240));
}

/** Parameters of tables, in which a key may be too long, or not. */
const configurations: { more: string; tooLong: boolean; utf8?: false }[] = [
  { more: "", tooLong: true },
  { more: "key_format=x:%s:y", tooLong: false },
  { more: "key_format=x:%u.%d", tooLong: false },
  { more: "key_digest=sha256", tooLong: true },
  { more: "{domain=a.org,b.org} key_format=%d/%u", tooLong: false },
  { more: "", tooLong: true, utf8: false },
  { more: "backup=kv: key_format=b:%s", tooLong: true },
  { more: "data_size_limit=3", tooLong: false },
];

Deno.test("memcache table does for many random keys what it does one by one", async () => {
  const random = Random.seeded("bulk");
  await using folder = await Folder.make();
  const servers = await Memcached.everyWay(folder.path);
  for (const start of [servers[0], servers[2]]) {
    await using memcached = await start();
    for (const { more, tooLong, utf8 } of configurations) {
      for (let round = 0; round < 3; round++) {
        const name = `memcache:{memcache=${memcached.server} ${more}}`;
        const opening = () =>
          openTable(name, {
            ...writing,
            utf8: utf8 ?? true,
            openKv: () => Deno.openKv(":memory:"),
          });
        const key = () => randomKey(random, tooLong && random.chance(0.1));
        const entries = random.list(0, 80, () => ({
          key: key(),
          value: random.pick(["", "v", "ö", `${random.integer(0, 999999)}`]),
        }));
        const asked = random.list(
          0,
          200,
          () =>
            entries.length > 0 && random.chance(0.6)
              ? random.pick(entries).key
              : key(),
        );
        const gone = random.list(
          0,
          60,
          () => entries.length > 0 ? random.pick(entries).key : key(),
        );
        const outcomes = [];
        for (const together of [true, false]) {
          await memcached.flush();
          await using table = await opening();
          outcomes.push([
            await told<UpdateResult>(
              together
                ? table.updateMany(entries)
                : each(entries, async ({ key, value }) => ({
                  key,
                  stored: await table.update(key, value),
                })),
            ),
            await told<LookupResult>(
              together ? table.lookupMany(asked) : lookupEach(table, asked),
            ),
            await told<DeleteResult>(
              together ? table.deleteMany(gone) : each(gone, async (key) => ({
                key,
                deleted: await table.delete(key),
              })),
            ),
            await told<LookupResult>(
              together ? table.lookupMany(asked) : lookupEach(table, asked),
            ),
          ]);
        }
        const [together, single] = outcomes;
        const message = JSON.stringify({ more, entries, asked, gone });
        // A batch of writes that fails tells of none, and may have stored more.
        const wroteAlike = single[0].error === undefined;
        for (const at of [0, 2]) {
          assertEquals(together[at].error, single[at].error, message);
          if (wroteAlike && single[at].error === undefined) {
            assertEquals(together[at].results, single[at].results, message);
          }
        }
        assertEquals(together[1].error, single[1].error, message);
        if (wroteAlike) assertEquals(together[1], single[1], message);
        if (wroteAlike && single[2].error === undefined) {
          assertEquals(together[3], single[3], message);
        }
      }
    }
  }
});

Deno.test("memcache table answers 5000 keys, those that come twice as well", async () => {
  await using memcached = await Memcached.tcp();
  await using table = await openTable(
    `memcache:{memcache=${memcached.server}}`,
    writing,
  );
  const entries = Array.from({ length: 5000 }, (_, number) => ({
    key: `Key${number % 4000}`,
    value: number % 7 === 0 ? "" : `v${number}`.repeat(number % 40),
  }));
  const stored = await Array.fromAsync(table.updateMany(entries));
  assertEquals(stored, entries.map(({ key }) => ({ key, stored: true })));
  const last = new Map(entries.map(({ key, value }) => [key, value]));
  const keys = entries.map(({ key }) => key).toReversed();
  keys.splice(2500, 0, "nobody", "", "key1");
  const found = await Array.fromAsync(table.lookupMany(keys));
  assertEquals(
    found,
    keys.map((key) => ({
      key,
      value: last.get(key.replace("key", "Key")),
    })),
  );
  const deleted = await Array.fromAsync(table.deleteMany(keys));
  const there = new Set(last.keys());
  assertEquals(
    deleted,
    keys.map((key) => ({
      key,
      deleted: there.delete(key.replace("key", "Key")),
    })),
  );
});

Deno.test("memcache table cuts values at a null byte, and tells of the one that is no text", async () => {
  await using memcached = await Memcached.tcp();
  const name = `memcache:{memcache=${memcached.server}}`;
  for (let number = 0; number < 300; number++) {
    await memcached.set(`k${number}`, `v${number}`);
  }
  await memcached.set("k10", "a\0b");
  await memcached.set("k11", "\0");
  await memcached.set("k12", "");
  await memcached.set("k201", Uint8Array.of(118, 0, 255));
  await memcached.set("k202", Uint8Array.of(255, 118));
  await memcached.set("k250", Uint8Array.of(255));
  const keys = Array.from({ length: 300 }, (_, number) => `K${number}`);
  const values = keys.map((_, number) => `v${number}`);
  values.splice(10, 3, "a", "", "");
  values[201] = "v";
  await using table = await openTable(name, quiet);
  const results: LookupResult[] = [];
  const error = await assertRejects(async () => {
    for await (const one of table.lookupMany(keys)) results.push(one);
  }, NotUtf8Error);
  assert(error.message.includes('"K202"'), error.message);
  assertEquals(results.map(({ value }) => value), values.slice(0, 202));
  await using bytes = await openTable(name, { ...quiet, utf8: false });
  values[202] = "\xffv";
  values[250] = "\xff";
  const all = await Array.fromAsync(bytes.lookupMany(keys));
  assertEquals(all.map(({ value }) => value), values);
});

Deno.test("memcache table fills in what the backup has, in the order of the keys", async () => {
  await using memcached = await Memcached.tcp();
  const kv: Deno.Kv = await Deno.openKv(":memory:");
  const encode = (text: string) => new TextEncoder().encode(text);
  for (let number = 0; number < 400; number += 2) {
    await kv.set(["table", "", encode(`k${number}`)], encode(`kept ${number}`));
  }
  const long = "k".repeat(300);
  await kv.set(["table", "", encode(long)], encode("long"));
  await memcached.set("b:k4", "cached");
  await using table = await openTable(
    `memcache:{memcache=${memcached.server} backup=kv: key_format=b:%s}`,
    { ...quiet, openKv: () => Promise.resolve(kv) },
  );
  const keys = Array.from({ length: 400 }, (_, number) => `K${number}`);
  keys.splice(100, 0, long, "a b", "");
  const found = await told(table.lookupMany(keys));
  assertEquals(found, {
    results: keys.map((key) => {
      const number = Number(key.slice(1));
      const value = key === long
        ? "long"
        : key === "K4"
        ? "cached"
        : number % 2 === 0 && key.startsWith("K")
        ? `kept ${number}`
        : undefined;
      return { key, value };
    }),
  });
  for (let number = 0; number < 400; number++) {
    const expected = number === 4 ? "cached" : `kept ${number}`;
    await memcached.until(
      `b:k${number}`,
      number % 2 === 0 ? expected : undefined,
    );
  }
});

Deno.test("memcache table finds in memcached what the backup had for a key that is the same there", async () => {
  await using memcached = await Memcached.tcp();
  const random = Random.seeded("bulk, keys that are the same");
  const backup = "inline:{a@x.org=1, b@x.org=2, c@y.org=3, d@z.org=toolong}";
  const keys = ["a", "b", "c", "d", "e"].flatMap((user) =>
    ["x.org", "y.org", "z.org"].map((domain) => `${user}@${domain}`)
  );
  await using table = await openTable(
    `memcache:{memcache=${memcached.server} key_format=%d data_size_limit=5 ` +
      `{ backup = ${backup} }}`,
    quiet,
  );
  const sets = async () =>
    /cmd_set \d+/.exec(await memcached.talk("stats\r\n", "END\r\n"))![0];
  for (let round = 0; round < 20; round++) {
    const asked = random.list(2, 30, () => random.pick(keys));
    const results: [unknown, number][] = [];
    for (const many of [true, false]) {
      await memcached.flush();
      const before = await sets();
      const found = await Array.fromAsync(
        many ? table.lookupMany(asked) : lookupEach(table, asked),
      );
      // Its answer comes after all that was stored before.
      assertEquals(await table.lookup("nobody@nowhere.org"), undefined);
      const done = Number((await sets()).slice(8)) - Number(before.slice(8));
      results.push([found, done]);
    }
    assertEquals(results[0], results[1]);
  }
});

Deno.test("memcache table answers what comes before a failure of the backup", async () => {
  await using memcached = await Memcached.tcp();
  const kv: Deno.Kv = await Deno.openKv(":memory:");
  const encode = (text: string) => new TextEncoder().encode(text);
  const long = "k".repeat(300);
  await kv.set(["table", "", encode(long)], encode("long"));
  await kv.set(["table", "", encode("bad")], "no bytes");
  await memcached.set("a", "1");
  await using table = await openTable(
    `memcache:{memcache=${memcached.server} backup=kv:}`,
    { ...quiet, openKv: () => Promise.resolve(kv) },
  );
  const keys = ["A", long, "nobody", "a", "bad", "a"];
  const { results, error } = await told(table.lookupMany(keys));
  assertEquals(
    results.map(({ value }) => value),
    ["1", "long", undefined, "1"],
  );
  assert(error?.includes('the value of key "bad"'), error);
});

Deno.test("memcache table ends many lookups by a signal, a break, or its close", async () => {
  await using memcached = await Memcached.tcp();
  const name = `memcache:{memcache=${memcached.server}}`;
  let given = 0;
  function* endless() {
    for (;;) yield `k${given++}`;
  }
  await using table = await openTable(name, writing);
  const abort = new AbortController();
  let seen = 0;
  await assertRejects(
    async () => {
      for await (const _ of table.lookupMany(endless(), abort)) {
        if (++seen === 2000) abort.abort(new Error("enough"));
      }
    },
    Error,
    "enough",
  );
  assert(seen >= 2000 && seen <= 2000 + 5 * 1024, `${seen}`);
  for (const part of [0, 1, 1023, 1024, 1025]) {
    given = 0;
    let left = part;
    for await (const { key } of table.lookupMany(endless())) {
      assertEquals(key, `k${part - left}`);
      if (left-- === 0) break;
    }
    assert(given <= part + 6 * 1024, `${given}`);
  }
  const closing = await openTable(name, writing);
  seen = 0;
  await assertRejects(
    async () => {
      for await (const _ of closing.lookupMany(endless())) {
        if (++seen === 1500) await closing.close();
      }
    },
    Error,
    "closed",
  );
  assertEquals(await table.lookup("k1"), undefined);
});

Deno.test("memcache table takes strings and nothing else, and answers what comes before", async () => {
  await using memcached = await Memcached.tcp();
  await using table = await openTable(
    `memcache:{memcache=${memcached.server}}`,
    writing,
  );
  await table.update("a", "1");
  for (const wrong of [1, null, undefined, {}, ["a"]]) {
    const key = wrong as unknown as string;
    for (
      const [what, results] of [
        ["lookups", table.lookupMany(["A", "b", key, "a"])],
        [
          "updates",
          table.updateMany([{ key: "c", value: "1" }, { key, value: "1" }]),
        ],
        [
          "values",
          table.updateMany([{ key: "c", value: "1" }, {
            key: "d",
            value: key,
          }]),
        ],
        ["deletes", table.deleteMany(["c", key])],
      ] as [string, AsyncIterable<unknown>][]
    ) {
      let count = 0;
      await assertRejects(
        async () => {
          for await (const _ of results) count++;
        },
        TypeError,
        "string",
      );
      assertEquals(count, what === "lookups" ? 2 : 1, what);
    }
  }
});

Deno.test("a table of a type that knows no batches asks no more once its signal says so", async () => {
  let asked = 0;
  const store = {
    lookup: async () => {
      await new Promise((resolve) => queueMicrotask(() => resolve(asked++)));
      return "v";
    },
  };
  await using table = new DriverTable("t", store, {
    text: utf8Text,
    fold: true,
    write: false,
    onWarning: () => {},
  });
  const keys = Array.from({ length: 4096 }, (_, number) => `k${number}`);
  const abort = new AbortController();
  const ended = assertRejects(
    () => Array.fromAsync(table.lookupMany(keys, abort)),
    Error,
    "enough",
  );
  while (asked < 10) await undefined;
  abort.abort(new Error("enough"));
  await ended;
  assert(asked < 100, `${asked}`);
});

Deno.test("MemcacheTable looks up, stores and deletes many", async () => {
  await using memcached = await Memcached.tcp();
  await using table = new MemcacheTable(
    { memcache: memcached.server, key_format: "m:%s" },
    { write: true },
  );
  const entries = Array.from(
    { length: 1500 },
    (_, number) => ({ key: `K${number}`, value: `v${number}` }),
  );
  const stored = await Array.fromAsync(table.updateMany(entries));
  assertEquals(stored.filter(({ stored }) => !stored), []);
  assertEquals(await memcached.get("m:k1499"), "v1499");
  const keys = entries.map(({ key }) => key);
  assertEquals(await Array.fromAsync(table.lookupMany(keys)), entries);
  const deleted = await Array.fromAsync(table.deleteMany([...keys, "k0"]));
  assertEquals(
    deleted.filter(({ deleted }) => !deleted),
    [{ key: "k0", deleted: false }],
  );
});

Deno.test("what is no list of keys or entries is a TypeError that says what to give", async () => {
  await using table = await openTable("memcache:{}", writing);
  for (const items of ["ab", undefined, null, 5, { a: 1 }]) {
    for (const method of ["lookupMany", "updateMany", "deleteMany"] as const) {
      const all = () => Array.fromAsync(table[method](items as never) as never);
      await assertRejects(
        all,
        TypeError,
        "must be an iterable, such as an array",
      );
    }
  }
});
