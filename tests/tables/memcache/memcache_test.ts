import {
  ConfigError,
  MemcacheTable,
  openTable,
  ReadOnlyError,
  TemporaryError,
} from "../../../mod.ts";
import { assert, assertEquals, assertRejects } from "../../support/assert.ts";
import { Folder } from "../../support/folder.ts";
import { freePort, Memcached } from "../../support/memcached.ts";

const quiet = { utf8: true, onWarning: () => {} };

Deno.test("memcache table looks up, updates and deletes in a real memcached", async () => {
  await using folder = await Folder.make();
  for (const start of await Memcached.everyWay(folder.path)) {
    await using memcached = await start();
    const file = await folder.write(
      "t.cf",
      `memcache = ${memcached.server}\nkey_format = t:%s\nflags = 5\n`,
    );
    await using table = await openTable(`memcache:${file}`, {
      ...quiet,
      write: true,
    });
    assertEquals(table.name, `memcache:${file}`);
    assertEquals(await table.lookup("Key"), undefined);
    assertEquals(await table.update("Key", "wért"), true);
    assertEquals(await table.lookup("kEY"), "wért");
    assertEquals(
      await memcached.talk("get t:key\r\n", "END\r\n"),
      "VALUE t:key 5 5\r\nw\xc3\xa9rt\r\nEND\r\n",
    );
    assertEquals(await table.delete("KEY"), true);
    assertEquals(await table.delete("KEY"), false);
    assertEquals(await table.update("empty", ""), true);
    assertEquals(await table.lookup("empty"), "");
  }
});

Deno.test("memcache table cuts a value at its null byte, and wants UTF-8", async () => {
  await using memcached = await Memcached.tcp();
  const name = `memcache:{memcache=${memcached.server}}`;
  await memcached.set("null", "a\0b");
  await memcached.set("bytes", Uint8Array.of(0xff, 0x41));
  {
    await using table = await openTable(name, quiet);
    assertEquals(await table.lookup("null"), "a");
    await assertRejects(
      () => table.lookup("bytes"),
      ConfigError,
      "is not UTF-8",
    );
    assertEquals(await table.lookup("null"), "a");
  }
  await using table = await openTable(name, {
    ...quiet,
    utf8: false,
    write: true,
  });
  assertEquals(await table.lookup("bytes"), "\xffA");
  assertEquals(await table.update("B\xe4", "\xe4\x80"), true);
  assertEquals(await memcached.get("b\xe4".normalize()), undefined);
  assertEquals(await table.lookup("B\xe4"), "\xe4\x80");
});

Deno.test("memcache table refuses what it cannot store, with a warning", async () => {
  await using memcached = await Memcached.tcp();
  const warnings: string[] = [];
  await using table = await openTable(
    `memcache:{memcache=${memcached.server} data_size_limit=5 key_format=%u}`,
    { utf8: true, write: true, onWarning: (line) => warnings.push(line) },
  );
  assertEquals(await table.update("long", "123456"), false);
  assertEquals(await table.update("a b", "1"), false);
  assertEquals(await table.update("@x", "1"), false);
  assertEquals(await table.update("", "1"), false);
  assertEquals(await table.update("k\r\nset x 0 0 1\r\n1\r\n", "1"), false);
  assertEquals(await table.update("\ud800", "1"), false);
  assertEquals(await table.update("k", "\ud800"), false);
  assertEquals(warnings.length, 7);
  assertEquals(await table.update("fits", "12345"), true);
  assertEquals(await table.update("bytes", "éé1"), true);
  assertEquals(warnings.length, 7);
  assertEquals(await table.delete("a b"), false);
  assertEquals(await table.lookup("a b"), undefined);
  assertEquals(warnings.length, 7);
});

Deno.test("memcache table sends no key of more than 250 bytes", async () => {
  await using memcached = await Memcached.tcp();
  const name = (more: string) =>
    `memcache:{memcache=${memcached.server} ${more}}`;
  const key = "k".repeat(251);
  await using plain = await openTable(name(""), { ...quiet, write: true });
  await assertRejects(() => plain.lookup(key), TemporaryError, "key_digest");
  await assertRejects(
    () => plain.update(key, "v"),
    TemporaryError,
    "key_digest",
  );
  await assertRejects(() => plain.delete(key), TemporaryError, "key_digest");
  assertEquals(await plain.lookup("still in step"), undefined);
  await using digested = await openTable(name("key_digest=sha256"), {
    ...quiet,
    write: true,
  });
  assertEquals(await digested.update(key, "v"), true);
  assertEquals(await digested.lookup(key), "v");
  await using backed = await openTable(name("backup=static:b"), quiet);
  assertEquals(await backed.lookup(key), "b");
});

Deno.test("memcache table fills the cache from its backup, under the lookup key", async () => {
  await using memcached = await Memcached.tcp();
  await using table = await openTable(
    `memcache:{memcache=${memcached.server} key_format=c:%u key_digest=md5 ` +
      `{backup = inline:{alice@example.com=one}}}`,
    quiet,
  );
  assertEquals(await table.lookup("Alice@Example.com"), "one");
  assertEquals(await table.lookup("bob@example.com"), undefined);
  const stats = await memcached.talk("stats\r\n", "END\r\n");
  assert(stats.includes("STAT cmd_set 1\r\n"));
  assert(stats.includes("STAT get_misses 2\r\n"));
  assertEquals(await table.lookup("alice@example.com"), "one");
  assert(
    (await memcached.talk("stats\r\n", "END\r\n")).includes(
      "STAT get_hits 1\r\n",
    ),
  );
});

Deno.test("memcache table stores many entries, and tells of each in order", async () => {
  await using memcached = await Memcached.tcp();
  await using folder = await Folder.make();
  for (const backup of ["", `backup=kv:${folder.path}/t.kv`]) {
    await using table = await openTable(
      `memcache:{memcache=${memcached.server} data_size_limit=9 ${backup}}`,
      { ...quiet, write: true },
    );
    const entries = [
      { key: "A", value: "1" },
      { key: "b c", value: "2" },
      { key: "d", value: "too long for it" },
      { key: "\ud800", value: "3" },
      { key: "e", value: "4" },
    ];
    const told: [string, boolean][] = [];
    for await (const { key, stored } of table.updateMany(entries)) {
      told.push([key, stored]);
    }
    // With a backup its verdict counts.
    assertEquals(told, [["A", true], ["b c", false], ["d", backup !== ""], [
      "\ud800",
      false,
    ], ["e", true]]);
    assertEquals(await memcached.get("a"), "1");
    assertEquals(await table.lookup("e"), "4");
    assertEquals(
      await table.lookup("d"),
      backup === "" ? undefined : "too long for it",
    );
  }
  await using reading = await openTable(
    `memcache:{memcache=${memcached.server}}`,
    quiet,
  );
  await assertRejects(() => reading.updateMany([]).next(), ReadOnlyError);
});

Deno.test("memcache table passes a backup's failure on, and says not found for its not found", async () => {
  await using memcached = await Memcached.tcp();
  await memcached.set("cached", "here");
  await using table = await openTable(
    `memcache:{memcache=${memcached.server} backup=fail:broken}`,
    { ...quiet, write: true },
  );
  assertEquals(await table.lookup("cached"), "here");
  await assertRejects(
    () => table.lookup("other"),
    TemporaryError,
    "fail:broken",
  );
  await assertRejects(
    () => table.update("other", "1"),
    TemporaryError,
    "fail:broken",
  );
  assertEquals(await memcached.get("other"), "1");
  await assertRejects(
    () => table.delete("cached"),
    TemporaryError,
    "fail:broken",
  );
  assertEquals(await memcached.get("cached"), undefined);
});

Deno.test("memcache table fails without a backup while memcached is down", async () => {
  await using table = await openTable(
    `memcache:{memcache=inet:127.0.0.1:${freePort()}}`,
    { ...quiet, write: true },
  );
  await assertRejects(() => table.lookup("a"), TemporaryError, "refused");
  await assertRejects(() => table.update("a", "1"), TemporaryError, "refused");
  await assertRejects(() => table.delete("a"), TemporaryError, "refused");
});

Deno.test("memcache table goes on when its server was restarted in between", async () => {
  const port = freePort();
  await using table = await openTable(
    `memcache:{memcache=inet:127.0.0.1:${port} max_try=1}`,
    { ...quiet, write: true },
  );
  for (let round = 0; round < 3; round++) {
    await using _memcached = await Memcached.tcp(port);
    assertEquals(await table.update("k", `${round}`), true);
    assertEquals(await table.lookup("k"), `${round}`);
  }
});

Deno.test("memcache table ends a lookup of a server that hangs", async () => {
  await using memcached = await Memcached.tcp();
  await using table = await openTable(
    `memcache:{memcache=${memcached.server} max_try=1 timeout=1}`,
    quiet,
  );
  assertEquals(await table.lookup("a"), undefined);
  await memcached.signal("SIGSTOP");
  await assertRejects(
    () => table.lookup("a"),
    TemporaryError,
    "no answer within 1 s",
  );
  await memcached.signal("SIGCONT");
  await memcached.set("b", "2");
  assertEquals(await table.lookup("b"), "2");
});

Deno.test("memcache table ends an update that a server does not read", async () => {
  await using memcached = await Memcached.tcp();
  await using table = await openTable(
    `memcache:{memcache=${memcached.server} max_try=1 timeout=1 data_size_limit=50000000}`,
    { ...quiet, write: true },
  );
  await memcached.signal("SIGSTOP");
  await assertRejects(
    () => table.update("a", "x".repeat(40_000_000)),
    TemporaryError,
    "no answer within 1 s",
  );
  await memcached.signal("SIGCONT");
  assertEquals(await table.update("b", "2"), true);
});

Deno.test("memcache table lets no backup hide what is no failure of memcached", async () => {
  await using memcached = await Memcached.tcp();
  await memcached.set("bytes", Uint8Array.of(0xff));
  await using table = await openTable(
    `memcache:{memcache=${memcached.server} backup=static:b}`,
    quiet,
  );
  await assertRejects(() => table.lookup("bytes"), ConfigError, "is not UTF-8");
  const signal = AbortSignal.abort(new Error("enough"));
  await assertRejects(() => table.lookup("a", { signal }), Error, "enough");
  await using refused = await openTable(
    `memcache:{memcache=${memcached.server} backup=static:b}`,
    {
      ...quiet,
      connect: () => Promise.reject(new ConfigError("no permission")),
    },
  );
  await assertRejects(() => refused.lookup("a"), ConfigError, "no permission");
});

Deno.test("memcache table lists its backup, or warns that it has none", async () => {
  const warnings: string[] = [];
  const onWarning = (line: string) => warnings.push(line);
  await using table = await openTable(
    "memcache:{{backup = inline:{a=1, b=2}}}",
    { utf8: true, onWarning },
  );
  const keys: string[] = [];
  for await (const { key, value } of table) keys.push(`${key}=${value}`);
  assertEquals(keys, ["a=1", "b=2"]);
  assertEquals(await table.first(), { key: "a", value: "1" });
  assertEquals(await table.next(), { key: "b", value: "2" });
  assertEquals(await table.next(), undefined);
  assertEquals(warnings, []);
  await using alone = await openTable("memcache:{}", { utf8: true, onWarning });
  assertEquals(await alone.first(), undefined);
  assertEquals(warnings.length, 1);
});

Deno.test("memcache table refuses what is not allowed", async () => {
  const name = "memcache:{memcache=inet:127.0.0.1:1}";
  await using table = await openTable(name, quiet);
  await assertRejects(() => table.update("a", "1"), ReadOnlyError, "read-only");
  await assertRejects(() => table.delete("a"), ReadOnlyError, "read-only");
  await assertRejects(
    () =>
      openTable("memcache:{backup=inline:{a=1}}", { ...quiet, write: true }),
    ReadOnlyError,
    "inline:{a=1} is read-only",
  );
  await assertRejects(
    () => openTable(name, { ...quiet, securitySensitive: true }),
    ConfigError,
    "whoever reaches the memcached",
  );
});

Deno.test("memcache table is closed by its signal, with the reason", async () => {
  await using memcached = await Memcached.tcp();
  await memcached.signal("SIGSTOP");
  const abort = new AbortController();
  const table = await openTable(
    `memcache:{memcache=${memcached.server} timeout=0}`,
    {
      ...quiet,
      signal: abort.signal,
    },
  );
  const pending = assertRejects(
    () => table.lookup("a"),
    Error,
    "shutting down",
  );
  abort.abort(new Error("shutting down"));
  await pending;
  await assertRejects(() => table.lookup("a"), Error, "shutting down");
  await table.close();
  await memcached.signal("SIGCONT");
  await assertRejects(
    () => openTable("static:x", { signal: abort.signal }),
    Error,
    "shutting down",
  );
});

Deno.test("memcache table ends one lookup by its own signal", async () => {
  await using memcached = await Memcached.tcp();
  await using table = await openTable(
    `memcache:{memcache=${memcached.server}}`,
    quiet,
  );
  await memcached.set("b", "2");
  const abort = new AbortController();
  const first = assertRejects(
    () => table.lookup("a", { signal: abort.signal }),
    Error,
    "enough",
  );
  const second = table.lookup("b");
  abort.abort(new Error("enough"));
  await first;
  assertEquals(await second, "2");
});

Deno.test("MemcacheTable takes parameters alone", async () => {
  await using memcached = await Memcached.tcp();
  await using table = new MemcacheTable(
    {
      memcache: memcached.server,
      key_format: "x:%s",
      ttl: 60,
      backup: "inline:{a=1}",
    },
    { openTable },
  );
  assertEquals(await table.lookup("a"), "1");
  await memcached.until("x:a", "1");
  assertEquals(await table.first(), { key: "a", value: "1" });
  await using writable = new MemcacheTable(
    { memcache: memcached.server, key_format: "x:%s" },
    { write: true },
  );
  assertEquals(await writable.update("b", "2"), true);
  assertEquals(await writable.lookup("b"), "2");
  assertEquals(await writable.delete("b"), true);
  const table2 = new MemcacheTable({ memcache: memcached.server });
  await table2.close();
});

Deno.test("MemcacheTable says what is wrong with its parameters", async () => {
  const table: [Parameters<typeof opened>[0], string][] = [
    [{ backup: "inline:{a=1}" }, "hand in { openTable }"],
    [{ ["tll" as "ttl"]: 1 }, `no parameter "tll"`],
    [{ ttl: 1.5 }, "ttl = 1.5: need a whole number"],
    [{ memcache: "localhost" }, "no transport"],
    [{ key_format: "%" }, `"%" at the end`],
  ];
  for (const [parameters, message] of table) {
    await assertRejects(() => opened(parameters), ConfigError, message);
  }
});

async function opened(
  parameters: ConstructorParameters<typeof MemcacheTable>[0],
): Promise<void> {
  await using table = new MemcacheTable(parameters);
  await table.open();
}

Deno.test("MemcacheTable has keys and values in UTF-8 unless it is told otherwise", async () => {
  await using memcached = await Memcached.tcp();
  const parameters = { memcache: memcached.server };
  await using table = new MemcacheTable(parameters, { write: true });
  await table.update("\u00c4", "\u00e9\u20ac");
  // Byte strings.
  assertEquals(await memcached.get("\u00e4"), "\u00c3\u00a9\u00e2\u0082\u00ac");
  await using bytes = new MemcacheTable(parameters, { utf8: false });
  assertEquals(
    await bytes.lookup("\u00c3\u00a4"),
    "\u00c3\u00a9\u00e2\u0082\u00ac",
  );
});
