import {
  ConfigError,
  type OpenOptions,
  openTable,
  TemporaryError,
} from "../../../mod.ts";
import { utf8Text } from "../../../lib/bytes/text.ts";
import {
  AttributeParser,
  encodeAttributes,
} from "../../../lib/tables/proxy/attributes.ts";
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "../../support/assert.ts";
import { FakeServer } from "../../support/fake_server.ts";
import { entryLines } from "../../support/entry_lines.ts";
import { Memcached } from "../../support/memcached.ts";
import { Postfix } from "../../support/postfix.ts";
import { runCli, runPostmap } from "../../support/processes.ts";

const quiet = { utf8: true, onWarning: () => {} };

Deno.test("AttributeParser reads a message however it is cut", () => {
  const sent = encodeAttributes([
    ["status", utf8Text.encode("0")],
    ["value", utf8Text.encode("")],
    ["key", utf8Text.encode("ä\nb")],
  ]);
  for (let size = 1; size <= sent.length; size++) {
    const parser = new AttributeParser(100);
    for (let at = 0; at < sent.length; at += size) {
      assertEquals(parser.message, undefined);
      parser.push(sent.subarray(at, at + size));
    }
    assertEquals(parser.broken, false);
    assertEquals(utf8Text.decode(parser.message!.get("key")!), "ä\nb");
    assertEquals(parser.message!.get("value")!.length, 0);
  }
  const endless = new AttributeParser(10);
  endless.push(new Uint8Array(20).fill(65));
  assert(endless.broken);
  const more = new AttributeParser(100);
  more.push(Uint8Array.of(0, 65));
  assert(more.broken);
});

Deno.test("proxy: asks a real Postfix, and writes through it", async () => {
  await using postfix = await Postfix.start((data) => [
    `proxy:btree:${data}/t`,
    `proxy:regexp:${data}/patterns`,
  ]);
  const database = `btree:${postfix.dataDirectory}/t`;
  const name = `proxy:${database}`;
  await postfix.make(database, "alice one\nbob two\nkäse Brot\n");
  const options: OpenOptions = {
    ...quiet,
    configDirectory: postfix.configDirectory,
  };
  const config = ["-c", postfix.configDirectory];

  {
    await using table = await openTable(name, options);
    assertEquals(await table.lookup("ALICE"), "one");
    assertEquals(await table.lookup("KÄSE"), "Brot");
    assertEquals(await table.lookup("nobody"), undefined);
    assertEquals(await table.lookup(""), undefined);
    assertEquals(await table.lookup("a\0b"), undefined);
    assertEquals(
      await Promise.all(["bob", "x", "alice"].map((key) => table.lookup(key))),
      ["two", undefined, "one"],
    );
    assertEquals((await entryLines(table)).toSorted(), [
      "alice\tone",
      "bob\ttwo",
      "käse\tBrot",
    ]);
    await using plain = await openTable(name, { ...options, fold: false });
    assertEquals(await plain.lookup("ALICE"), undefined);
    // To be asked what it cannot do would end the service.
    const patterns = `proxy:regexp:${postfix.dataDirectory}/patterns`;
    await using pattern = await openTable(patterns, options);
    await assertRejects(() => pattern.first(), ConfigError, "cannot be listed");
    assertEquals(await table.lookup("bob"), "two");
    // The service starts anew: the connection is replaced unseen.
    await postfix.command("reload");
    assertEquals(await table.lookup("bob"), "two");
  }
  {
    await using table = await openTable(name, { ...options, write: true });
    assertEquals(await table.update("Carol", "three"), true);
    assertEquals(await table.update("carol", "four"), true);
    assertEquals(await table.lookup("carol"), "four");
    assertEquals(
      (await runPostmap([...config, "-q", "carol", database])).stdout,
      "four\n",
    );
    assertEquals(await table.delete("CAROL"), true);
    assertEquals(await table.delete("carol"), false);
    await using keeping = await openTable(name, {
      ...options,
      write: true,
      duplicates: "ignore",
    });
    assertEquals(await keeping.update("alice", "again"), false);
    assertEquals(await keeping.lookup("alice"), "one");
  }
  for (
    const [args, stdin] of [[["-q", "ALICE"], ""], [["-q", "x"], ""], [[
      "-q",
      "-",
    ], "bob\nx\nKÄSE\n"]] as const
  ) {
    const theirs = await runPostmap([...config, ...args, name], { stdin });
    const ours = await runCli([...config, ...args, name], { stdin });
    assertEquals([ours.code, ours.stdout], [theirs.code, theirs.stdout]);
  }

  await Deno.writeTextFile(
    `${postfix.dataDirectory}/patterns`,
    "/^(A.*)$/ found $1\n",
  );
  await using patterns = await openTable(
    `proxy:regexp:${postfix.dataDirectory}/patterns`,
    options,
  );
  assertEquals(await patterns.lookup("Abc"), "found Abc");

  await using memcached = await Memcached.tcp();
  await using cached = await openTable(
    `memcache:{memcache=${memcached.server} backup=${name}}`,
    { ...options, write: true },
  );
  assertEquals(await cached.lookup("alice"), "one");
  await memcached.until("alice", "one");
  assertEquals(await cached.update("dave", "five"), true);
  assertEquals(
    (await runPostmap([...config, "-q", "dave", database])).stdout,
    "five\n",
  );

  for (
    const [write, parameter] of [[false, "proxy_read_maps"], [
      true,
      "proxy_write_maps",
    ]] as const
  ) {
    await using refused = await openTable("proxy:btree:/etc/nothing", {
      ...options,
      write,
    });
    await assertRejects(
      () => refused.lookup("k"),
      ConfigError,
      `list proxy:btree:/etc/nothing in ${parameter}`,
    );
  }
});

Deno.test("proxy: says when there is no Postfix to ask", async () => {
  await using table = await openTable("proxy:btree:/etc/x", {
    ...quiet,
    configDirectory: "/nonexistent",
    connect: () =>
      Promise.reject(new Error("No such file or directory (os error 2)")),
  });
  const { message } = await assertRejects(
    () => table.lookup("k"),
    TemporaryError,
    "unix:/var/spool/postfix/private/proxymap (is it running, and may you reach it?): No such file",
  );
  assert(message.endsWith(": No such file or directory"), message);
  await assertRejects(
    () => openTable("proxy:btree", quiet),
    ConfigError,
    "need proxy:type:name",
  );
});

Deno.test("proxy: speaks as Postfix 3.11 wants it, and bears a service that breaks off", async () => {
  const server = new FakeServer();
  await using table = await openTable("proxy:btree:/x", {
    ...quiet,
    connect: server.connect,
  });
  const answer = table.lookup("K");
  const first = await server.connection(0);
  first.send("protocol\0proxymap_protocol\0\0");
  assertEquals(
    await first.take(),
    "request\0open\0table\0btree:/x\0flags\x000\0\0",
  );
  first.send("status\x003\0flags\x000\0\0");
  const flags = String((1 << 6) | (1 << 7) | (1 << 19));
  assertEquals(
    await first.take(),
    `request\0open\0table\0btree:/x\0instance_flags\x000\0flags\0${flags}\0\0`,
  );
  first.send("status\x000\0flags\x0016\0\0");
  assertEquals(
    await first.take(),
    `request\0lookup\0table\0btree:/x\0instance_flags\x000\0flags\0${flags}\0key\0k\0\0`,
  );
  first.send("status\x000\0value\0v");
  first.send("\0\0");
  assertEquals(await answer, "v");

  const again = table.lookup("l");
  await first.take();
  first.end();
  const second = await server.connection(1);
  second.send("protocol\0proxymap_protocol\0\0");
  await second.take();
  second.send("status\x002\0value\0\0\0");
  await assertRejects(() => again, TemporaryError, "could not do");
  const odd = table.lookup("m");
  await second.take();
  second.send("status\x000\0value\0v\0\0more");
  const third = await server.connection(2);
  third.send("protocol\0other\0\0");
  await assertRejects(() => odd, TemporaryError, "it speaks other");
});

Deno.test("proxy: names a table by its bytes, with UTF-8 support and without", async () => {
  for (const utf8 of [true, false]) {
    const server = new FakeServer();
    await using table = await openTable("proxy:hash:/é\udce9", {
      ...quiet,
      utf8,
      connect: server.connect,
    });
    const answer = table.lookup(utf8 ? "é" : "\xc3\xa9");
    const connection = await server.connection(0);
    connection.send("protocol\0proxymap_protocol\0\0");
    const name = "\0table\0hash:/\xc3\xa9\xe9\0";
    assertStringIncludes(await connection.take(), name);
    connection.send("status\x000\0flags\x0016\0\0");
    const asked = await connection.take();
    assertStringIncludes(asked, name);
    assertStringIncludes(asked, "\0key\0\xc3\xa9\0");
    connection.send("status\x000\0value\0v\0\0");
    assertEquals(await answer, "v");
  }
});

Deno.test("proxy: shares the handle of a daemon that has its cache locked", async () => {
  const mainCf = "postscreen_cache_map = memcache:{backup=proxy:btree:/x}\n";
  const openLock = 1 << 16;
  const table: [string, OpenOptions, string, number][] = [
    ["proxy:btree:/x", { daemonCache: true }, "proxywrite", openLock],
    ["proxy:btree:/x", {}, "proxywrite", openLock],
    ["proxy:btree:/y", {}, "proxymap", 0],
    ["memcache:{backup=proxy:btree:/x}", {}, "proxywrite", openLock],
    [
      "memcache:{backup=proxy:btree:/x}",
      { daemonCache: false },
      "proxymap",
      0,
    ],
    ["memcache:{{backup = proxy:btree:/x}}", {}, "proxywrite", openLock],
    ["memcache:{backup=proxy:btree:/y}", {}, "proxymap", 0],
  ];
  for (const [name, options, service, flags] of table) {
    const server = new FakeServer();
    let path = "";
    await using opened = await openTable(name, {
      ...quiet,
      ...options,
      readFile: () => Promise.resolve(utf8Text.encode(mainCf)),
      connect: (endpoint, options) => {
        if (endpoint.transport === "unix") path = endpoint.path;
        return server.connect(endpoint, options);
      },
    });
    const answer = opened.first();
    const connection = await server.connection(0);
    connection.send("protocol\0proxymap_protocol\0\0");
    assertEquals(
      await connection.take(),
      `request\0open\0table\0${/btree:\/./.exec(name)}\0flags\0${flags}\0\0`,
    );
    connection.send("status\x000\0flags\x0016\0\0");
    await connection.take();
    connection.send("status\x001\0key\0\0value\0\0\0");
    assertEquals(await answer, undefined);
    assertEquals(path, `/var/spool/postfix/private/${service}`, name);
  }
});
