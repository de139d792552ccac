import { ConfigError, openTable, TemporaryError } from "../../mod.ts";
import { warmCache } from "../../lib/maintenance/mod.ts";
import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
} from "../support/assert.ts";
import { Folder } from "../support/folder.ts";
import { freePort, Memcached } from "../support/memcached.ts";
import { run } from "../support/processes.ts";

const options = {
  configDirectory: "/nonexistent",
  onWarning: (line: string) => {
    throw new Error(line);
  },
};

Deno.test("warmCache() copies what memcached takes, as lookups would", async () => {
  await using memcached = await Memcached.tcp();
  await using folder = await Folder.make();
  const backup = `texthash:${await folder.write(
    "source",
    [
      "alice@example.com one",
      "KÄSE@Example.COM zwei",
      "bob@other.example three",
      "nobody four",
      `${"x".repeat(300)}@example.com five`,
      `carol@example.com ${"6".repeat(200)}`,
      '"d e"@example.com seven',
      "",
    ].join("\n"),
  )}`;
  const parameters = [
    `memcache = ${memcached.server}`,
    `backup = ${backup}`,
    "key_format = w:%u",
    "domain = example.com",
    "data_size_limit = 100",
    "ttl = 600",
    "flags = 7",
    "",
  ];
  const name = `memcache:${await folder.write("t.cf", parameters.join("\n"))}`;
  const details: string[] = [];
  const done = await warmCache(name, {
    ...options,
    onDetail: (line) => details.push(line),
  });
  assertEquals(done, { copied: 2, leftOut: 5 });
  assertEquals(await memcached.get("w:alice"), "one");
  const reply = await memcached.talk("get w:käse\r\n", "END\r\n");
  assert(reply.startsWith("VALUE w:kÃ¤se 7 4\r\nzwei"), reply);
  const reasons = details.filter((line) =>
    /not storing|set key_digest/.test(line)
  );
  assertEquals(reasons.length, 5, reasons.join("\n"));

  // What it copied is what a lookup finds without the backup.
  await using table = await openTable(
    `memcache:{memcache=${memcached.server}, key_format=w:%u}`,
    options,
  );
  assertEquals(await table.lookup("KÄSE@example.com"), "zwei");
});

Deno.test("warmCache() copies bytes as they are, and keys as they are stored", async () => {
  await using memcached = await Memcached.tcp();
  await using folder = await Folder.make();
  const backup = `kv:${folder.path}/t.kv`;
  {
    await using table = await openTable(backup, {
      ...options,
      write: true,
      fold: false,
      utf8: false,
    });
    for (let at = 0; at < 21; at++) {
      await table.update(`Key${at}\xff`, `value \xfe ${at}`);
    }
    const many = Array.from({ length: 5000 }, (_, at) => ({
      key: `many${at}`,
      value: `${at}`,
    }));
    for await (const { stored } of table.updateMany(many)) assert(stored);
  }
  const seen: number[] = [];
  const done = await warmCache(
    `memcache:{memcache=${memcached.server}, {backup = ${backup}}, key_digest=sha256}`,
    {
      ...options,
      utf8: false,
      onProgress: ({ entries }) => void seen.push(entries),
    },
  );
  assertEquals(done, { copied: 5021, leftOut: 0 });
  assertEquals(seen, [1024, 2048, 3072, 4096, 5021]);
  await using cached = await openTable(
    `memcache:{memcache=${memcached.server}, key_digest=sha256}`,
    { ...options, fold: false, utf8: false },
  );
  assertEquals(await cached.lookup("Key7\xff"), "value \xfe 7");
  assertEquals(await cached.lookup("many4999"), "4999");
});

Deno.test("warmCache() says what keeps it from it", async () => {
  const down = `inet:127.0.0.1:${freePort()}`;
  const table: [string, typeof ConfigError | typeof TemporaryError, string][] =
    [
      ["kv:/nonexistent/x", ConfigError, "no cache to fill"],
      ["memcache:{}", ConfigError, 'add a "backup" that can be listed'],
      ["memcache:{backup=static:x}", ConfigError, "static:x cannot be listed"],
      ["memcache:{backup=fail:x}", TemporaryError, "fail:x fails"],
      [
        `memcache:{memcache=${down}, {backup=inline:{a=1}}}`,
        TemporaryError,
        "Connection refused",
      ],
    ];
  for (const [name, kind, message] of table) {
    await assertRejects(
      () => warmCache(name, options),
      kind as typeof ConfigError,
      message,
    );
  }
});

Deno.test("warmCache() removes what the backup does not have, where it can know", async () => {
  await using memcached = await Memcached.tcp();
  await using folder = await Folder.make();
  const backup = `texthash:${await folder.write("source", "a 1\nä%b 2\n")}`;
  const server = `memcache=${memcached.server}`;
  const others = ["w:gone", "w:g%6fne", "w:", "w:Gone", "x:other", "gone", "w"];
  for (const key of [...others, "w:a"]) await memcached.set(key, "old");
  // So many that they come in several batches.
  const many = Array.from(
    { length: 2500 },
    (_, number) => `set w:many${number} 0 0 3\r\nold\r\n`,
  );
  await memcached.talk(many.join("") + "get none\r\n", "END\r\n");
  const name = `memcache:{${server}, {backup=${backup}}, key_format=w:%s}`;
  assertEquals(await warmCache(name, options), {
    copied: 2,
    leftOut: 0,
    removed: 2502,
  });
  assertEquals(await memcached.get("w:a"), "1");
  assertEquals(await memcached.get("w:ä%b"), "2");
  for (const key of others) {
    const isOwn = /^w:[^G]/.test(key);
    assertEquals(await memcached.get(key), isOwn ? undefined : "old", key);
  }
  // Where the entries of the table cannot be told from others, they stay.
  for (const more of ["", "key_format=%s:w", "{key_format=w:%u}"]) {
    const details: string[] = [];
    const done = await warmCache(
      `memcache:{${server}, {backup=${backup}}, ${more}}`,
      { ...options, onDetail: (line) => details.push(line) },
    );
    assertEquals(done, { copied: 2, leftOut: 0 });
    assert(/is left there: its key_format/.test(details.join("\n")), more);
  }
  assertEquals(await memcached.get("gone"), "old");
});

Deno.test("warmCache() removes what was deleted from the backup while it copied", async () => {
  await using memcached = await Memcached.tcp();
  await using folder = await Folder.make();
  const backup = `hash:${await folder.write("source", "gone 1\nkept 2\n")}`;
  const configDirectory = await folder.mailConfiguration("");
  assertEquals((await run("postmap", [backup])).code, 0);
  const done = await warmCache(
    `memcache:{memcache=${memcached.server}, {backup=${backup}}, key_format=w:%s}`,
    {
      ...options,
      configDirectory,
      // All are copied then.
      onProgress: ({ entries }) => {
        if (entries < 2) return;
        new Deno.Command("postmap", { args: ["-d", "gone", backup] })
          .outputSync();
      },
    },
  );
  assertEquals(done, { copied: 2, leftOut: 0, removed: 1 });
  assertEquals(await memcached.get("w:gone"), undefined);
  assertEquals(await memcached.get("w:kept"), "2");
});

Deno.test("warmCache() removes nothing for an empty backup, which may be the wrong one", async () => {
  await using memcached = await Memcached.tcp();
  await using folder = await Folder.make();
  await memcached.set("w:a", "old");
  const empty = await folder.write("source", "");
  for (const backup of [`kv:${folder.path}/gone.kv`, `texthash:${empty}`]) {
    const warnings: string[] = [];
    const done = await warmCache(
      `memcache:{memcache=${memcached.server}, {backup=${backup}}, key_format=w:%s}`,
      { ...options, onWarning: (line) => warnings.push(line) },
    );
    assertEquals(done, { copied: 0, leftOut: 0 });
    assertMatch(warnings.at(-1) ?? "", /has no entries: what memcached has is/);
    assertEquals(await memcached.get("w:a"), "old");
  }
});

Deno.test("warmCache() goes on without an entry that memcached refuses, and says which", async () => {
  await using memcached = await Memcached.tcp(undefined, "127.0.0.1", [
    "-I",
    "512k",
  ]);
  await using folder = await Folder.make();
  const source = await folder.write(
    "source",
    `a 1\nlarge ${"x".repeat(600_000)}\nz 26\n`,
  );
  const warnings: string[] = [];
  const done = await warmCache(
    `memcache:{memcache=${memcached.server}, {backup=texthash:${source}}, ` +
      "data_size_limit=1000000, line_size_limit=1000000}",
    { ...options, onWarning: (line) => warnings.push(line) },
  );
  assertEquals(done, { copied: 2, leftOut: 0, refused: 1 });
  assertEquals(warnings.length, 1);
  assert(
    /key "large": memcached does not take it: .*too large/.test(warnings[0]),
    warnings[0],
  );
  assertEquals(await memcached.get("z"), "26");
});
