import {
  ConfigError,
  type Entry,
  type KvKey,
  MemcacheTable,
  openTable,
  ReadOnlyError,
  TemporaryError,
} from "../../mod.ts";
import {
  type Change,
  type Synced,
  type SyncOptions,
  syncTable,
} from "../../lib/maintenance/mod.ts";
import {
  HeldEntries,
  SortedEntries,
} from "../../lib/maintenance/sorted_entries.ts";
import { byteText, utf8Text } from "../../lib/bytes/text.ts";
import { assertEquals, assertRejects } from "../support/assert.ts";
import { Folder } from "../support/folder.ts";
import { Memcached } from "../support/memcached.ts";
import { MemoryKv } from "../support/memory_kv.ts";
import { Random } from "../support/random.ts";

const options: SyncOptions = {
  configDirectory: "/nonexistent",
  onWarning: (line) => {
    if (!line.includes("no such database yet")) throw new Error(line);
  },
};

function entriesOf(text: string): Entry[] {
  return text.split(" ").filter((part) => part !== "").map((part) => {
    const [key, value] = part.split("=");
    return { key, value };
  });
}

async function contentOf(
  name: string,
  { configDirectory }: SyncOptions = options,
): Promise<string> {
  await using table = await openTable(name, { configDirectory });
  const parts: string[] = [];
  for await (const { key, value } of table) parts.push(`${key}=${value}`);
  return parts.join(" ");
}

function done(text: string): Synced {
  const [added, changed, removed, kept, leftOut = 0] = text.split(" ")
    .map(Number);
  return { added, changed, removed, kept, leftOut };
}

/** What a table has, its source, what is done, and what the table has then. */
const steps: [string, SyncOptions, string, string][] = [
  ["b=1 a=2 c=3", {}, "3 0 0 0", "a=2 b=1 c=3"],
  ["c=3 b=1 a=2", {}, "0 0 0 3", "a=2 b=1 c=3"],
  ["a=2 b=9 d=4", {}, "1 1 1 1", "a=2 b=9 d=4"],
  ["D=5 a=2", {}, "0 1 1 1", "a=2 d=5"],
  ["D=5 a=2", { fold: false }, "1 0 1 1", "D=5 a=2"],
  ["a=1 a=2", { duplicates: "replace" }, "0 0 1 1", "a=2"],
  ["a=1 A=2", { duplicates: "ignore" }, "0 1 0 0", "a=1"],
  // In UTF-16 the order of the last two is the other way round.
  ["é=1 ｆ=2 😀=3 ÉÉ=4", {}, "4 0 1 0", "é=1 éé=4 ｆ=2 😀=3"],
  ["é=1 ｆ=2 😀=3 z=4", {}, "1 0 1 3", "z=4 é=1 ｆ=2 😀=3"],
  ["", { allowEmpty: true }, "0 0 4 0", ""],
];

Deno.test("syncTable() makes a table hold what its source has", async () => {
  await using folder = await Folder.make();
  const name = `kv:${folder.path}/t.kv`;
  for (const [source, more, result, content] of steps) {
    const given = { ...options, ...more };
    const shown: string[] = [];
    const onChange = ({ kind, key }: Change) =>
      void shown.push(`${kind} ${key}`);
    const dry = await syncTable(name, entriesOf(source), {
      ...given,
      dryRun: true,
      onChange,
    });
    assertEquals(dry, done(result), source);
    assertEquals(shown.length, dry.added + dry.changed + dry.removed);
    const told: string[] = [];
    const synced = await syncTable(name, entriesOf(source), {
      ...given,
      onChange: ({ kind, key }) => void told.push(`${kind} ${key}`),
    });
    assertEquals(synced, done(result), source);
    assertEquals(told.sort(), shown.sort());
    assertEquals(await contentOf(name), content);
  }
});

Deno.test("syncTable() brings what changes to memcached too, and leaves the rest alone", async () => {
  await using memcached = await Memcached.tcp();
  await using folder = await Folder.make();
  const name = `memcache:{ memcache=${memcached.server}, key_format=s:%s, ` +
    `backup=kv:${folder.path}/t.kv }`;
  await syncTable(name, entriesOf("a=1 b=2 c=3"), options);
  assertEquals(await memcached.get("s:a"), "1");
  await memcached.set("s:a", "not written");
  await syncTable(name, entriesOf("a=1 b=4"), options);
  const cached = await Promise.all(
    ["a", "b", "c"].map((key) => memcached.get(`s:${key}`)),
  );
  assertEquals(cached, ["not written", "4", undefined]);
  assertEquals(await contentOf(name), "a=1 b=4");
});

Deno.test("syncTable() sorts what its table lists in another order", async () => {
  await using folder = await Folder.make();
  const name = `hash:${folder.path}/t`;
  await folder.write("t", "zeta 1\n");
  const configDirectory = await folder.mailConfiguration();
  await new Deno.Command("postmap", {
    args: ["-c", configDirectory, name],
  }).output();
  const options: SyncOptions = { configDirectory, onWarning: console.warn };
  const many = Array.from(
    { length: 300 },
    (_, at) => ({ key: `key${at}`, value: `${at}` }),
  );
  assertEquals(await syncTable(name, many, options), done("300 0 1 0"));
  const other = many.slice(10).map(({ key, value }) => ({
    key,
    value: value.endsWith("7") ? "seven" : value,
  }));
  assertEquals(await syncTable(name, other, options), done("0 29 10 261"));
  assertEquals((await contentOf(name, options)).split(" ").length, 290);
});

Deno.test("syncTable() changes nothing when the source is not one", async () => {
  await using folder = await Folder.make();
  const kv = `kv:${folder.path}/t.kv`;
  await syncTable(kv, entriesOf("a=1 b=2"), options);
  const memcache =
    `memcache:{ backup=${kv}, key_format=x:%d, domain=d.example }`;
  const long = "x".repeat(70_000);
  async function* breaking() {
    yield { key: "c", value: "3" };
    await Promise.resolve();
    throw new Error("the source breaks off");
  }
  const table: [string, Iterable<Entry> | AsyncIterable<Entry>, string][] = [
    [kv, [], "the source has no entries: nothing was changed"],
    [kv, [{ key: "c", value: "1" }, { key: "", value: "2" }], "has an entry"],
    [kv, [{ key: long, value: "1" }, { key: "k", value: long }], "2 entries"],
    [kv, [{ key: "k", value: "\0" }], "the source has an entry"],
    [kv, [{ key: "\ud800", value: "1" }], "the source has an entry"],
    [kv, [{ key: "c", value: "\ud800" }], "the source has an entry"],
    [kv, breaking(), "the source breaks off"],
    // What the rules of a memcache table leave out.
    [memcache, entriesOf("a@d.example=1 b@other.example=2"), "has an entry"],
    [memcache, [{ key: "a b@d.example", value: long }], "has an entry"],
  ];
  for (const [name, source, message] of table) {
    const reasons: string[] = [];
    await assertRejects(
      () =>
        syncTable(name, source, {
          ...options,
          onRefusal: (_, reason, by) => void reasons.push(`${by}: ${reason}`),
        }),
      Error,
      message,
    );
    assertEquals(await contentOf(kv), "a=1 b=2", message);
    const count = /(\d+) entries|an entry/.exec(message);
    assertEquals(reasons.length, count === null ? 0 : Number(count[1] ?? 1));
  }
  const refused: string[] = [];
  const partial = await syncTable(
    kv,
    [{ key: long, value: "1" }, ...entriesOf("b=2 c=3")],
    {
      ...options,
      partial: true,
      onRefusal: (key) => void refused.push(key.slice(0, 3)),
    },
  );
  assertEquals(partial, done("1 0 1 1 1"));
  assertEquals(refused, ["xxx"]);
  assertEquals(await contentOf(kv), "b=2 c=3");
  // Without any entry that the table can have, it would be emptied.
  await assertRejects(
    () =>
      syncTable(kv, [{ key: long, value: "1" }], {
        ...options,
        partial: true,
        onRefusal: () => {},
      }),
    ConfigError,
    "the source has no entries",
  );
  assertEquals(await contentOf(kv), "b=2 c=3");
});

Deno.test("syncTable() wants a table that can be listed and written", async () => {
  const source = entriesOf("a=1");
  const table: [string, typeof ConfigError | typeof ReadOnlyError, string][] = [
    ["memcache:{}", ConfigError, 'give it a "backup" that can be listed'],
    [
      "memcache:{ { backup = memcache:{} } }",
      ConfigError,
      'give it a "backup" that can be listed',
    ],
    ["inline:{a=1}", ReadOnlyError, "is read-only"],
    ["memcache:{ { backup = inline:{a=1} } }", ReadOnlyError, "is read-only"],
  ];
  for (const [name, kind, message] of table) {
    await assertRejects(() => syncTable(name, source, options), kind, message);
  }
  await assertRejects(
    () => syncTable("static:x", source, { ...options, dryRun: true }),
    ConfigError,
    "has to be one that can be listed, such as kv:",
  );
});

Deno.test("syncTable() says which key a source has twice", async () => {
  const warnings: string[] = [];
  await syncTable("inline:{a=1}", entriesOf("a=1 A=2 a=3"), {
    ...options,
    dryRun: true,
    onWarning: (line) => void warnings.push(line),
  });
  assertEquals(
    warnings,
    Array(2).fill(
      'key "a" is in the source more than once: the first one counts',
    ),
  );
});

Deno.test("HeldEntries and SortedEntries keep what goes to their file", async () => {
  const random = Random.seeded("entries in a file");
  const letters = [..."abcé😀ｆ\0\n\xff"];
  for (const text of [utf8Text, byteText]) {
    const word = (most: number) =>
      random.list(0, most, () => random.pick(letters)).filter((letter) =>
        text.valid(letter)
      ).join("");
    const all = random.list(2000, 3000, () => ({
      key: word(6),
      value: word(random.chance(0.01) ? 100_000 : 20),
    }));
    const held = new HeldEntries(text);
    const sorted = new SortedEntries(text);
    for (const entry of all) {
      held.add(entry);
      sorted.add(entry);
      if (!random.chance(0.005)) continue;
      await held.flush();
      await sorted.flush();
    }
    assertEquals([...held.entries()], all);
    const bytes = ({ key }: Entry) =>
      [...text.encode(key)]
        .map((byte) => String.fromCharCode(byte)).join("");
    const expected = all.toSorted((one, other) =>
      bytes(one) < bytes(other) ? -1 : bytes(one) > bytes(other) ? 1 : 0
    );
    assertEquals([...sorted.entries()], expected);
    held.close();
    sorted.close();
  }
});

Deno.test("syncTable() that is killed at random moments can be run again", async () => {
  const random = Random.seeded("sync killed");
  const rounds = Number(Deno.env.get("ROUNDS") ?? 5);
  await using memcached = await Memcached.tcp();
  await using folder = await Folder.make();
  const name = `memcache:${await folder.write(
    "t.cf",
    `memcache = ${memcached.server}\nkey_format = k:%s\n` +
      `backup = kv:${folder.path}/t.kv\n`,
  )}`;
  const run = async (source: string, most?: number) => {
    const start = performance.now();
    const child = new Deno.Command("sh", {
      args: [
        "-c",
        'exec "$0" run -A cli.ts sync "$1" <"$2"',
        Deno.execPath(),
        name,
        source,
      ],
      cwd: new URL("../..", import.meta.url).pathname,
      stdout: "null",
      stderr: "piped",
    }).spawn();
    const killing = most === undefined ? undefined : setTimeout(() => {
      try {
        child.kill("SIGKILL");
      } catch {
        // It has ended, and its output is still being read.
      }
    }, most);
    const { code, stderr } = await child.output();
    clearTimeout(killing);
    if (most === undefined) {
      assertEquals(code, 0, new TextDecoder().decode(stderr));
    }
    return performance.now() - start;
  };
  let usual = 0;
  for (let round = 0; round <= rounds; round++) {
    const lines = new Map<string, string>();
    for (let at = 0; at < 8000; at++) {
      if (random.chance(0.7)) {
        lines.set(`key${at}`, random.chance(0.5) ? "same" : `value${round}`);
      }
    }
    const source = await folder.write(
      "source",
      [...lines].map(([key, value]) => `${key} ${value}\n`).join(""),
    );
    if (round > 0) await run(source, random.number() * usual * 1.1);
    usual = Math.max(await run(source), usual);
    const expected = [...lines.keys()].sort().map((key) =>
      `${key}=${lines.get(key)}`
    );
    assertEquals((await contentOf(name)).split(" "), expected);
    await using cache = new MemcacheTable({
      memcache: memcached.server,
      key_format: "k:%s",
    });
    const keys = Array.from({ length: 8000 }, (_, at) => `key${at}`);
    for await (const { key, value } of cache.lookupMany(keys)) {
      if (value === undefined) continue;
      assertEquals(value, lines.get(key), `${key} in memcached`);
    }
  }
});

Deno.test("syncTable() says once what is wrong with a table that it opens twice", async () => {
  const warnings: string[] = [];
  const file = "ttl = 1\nttl = 2\nbackup = kv::memory:\n";
  await syncTable("memcache:/t.cf", entriesOf("a=1"), {
    ...options,
    dryRun: true,
    readFile: (path) =>
      path === "/t.cf"
        ? Promise.resolve(byteText.encode(file))
        : Promise.reject(new Deno.errors.NotFound()),
    onWarning: (line) => warnings.push(line),
  });
  assertEquals(warnings, ['/t.cf, line 2: "ttl = 2" replaces "1" of line 1']);
});

Deno.test("syncTable() changes nothing in a database that lists its keys out of order", async () => {
  class Unordered extends MemoryKv {
    override async *list() {
      yield* (await Array.fromAsync(super.list())).reverse();
    }
  }
  const database = new Unordered();
  for (const key of ["a", "b"]) database.values.set(key, byteText.encode("1"));
  await assertRejects(
    () =>
      syncTable("kv:/t", entriesOf("a=1 c=2"), {
        ...options,
        openKv: () => Promise.resolve(database),
      }),
    TemporaryError,
    'lists "a" out of order: nothing was changed',
  );
  assertEquals([...database.values.keys()], ["a", "b"]);
});

Deno.test("syncTable() counts once what its database refuses while it is written", async () => {
  class Small extends MemoryKv {
    measureKey(key: KvKey) {
      return { bytes: (key.at(-1) as Uint8Array).length, longest: 3 };
    }
  }
  const database = new Small();
  const refused: string[] = [];
  const synced = await syncTable("kv:/t", entriesOf("long=1 c=2"), {
    ...options,
    openKv: () => Promise.resolve(database),
    onRefusal: (key, reason) => refused.push(`${key}: ${reason}`),
  });
  assertEquals(synced, done("1 0 0 0 1"));
  assertEquals(refused, [
    "long: its 4 bytes are more than the 3 that a key may have here",
  ]);
  assertEquals([...database.values.keys()], ["c"]);
});
