import {
  type CheckOptions,
  checkTable,
  type TableCheck,
} from "../../lib/maintenance/mod.ts";
import { ConfigError, openTable } from "../../mod.ts";
import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "../support/assert.ts";
import { Folder } from "../support/folder.ts";
import { freePort, Memcached } from "../support/memcached.ts";
import { Nutcracker } from "../support/nutcracker.ts";
import { Postfix } from "../support/postfix.ts";
import { run } from "../support/processes.ts";
import { ScriptedServer } from "../support/scripted_server.ts";

/** A folder with a main.cf that names no tables, and options to go with it. */
async function scene() {
  const folder = await Folder.make();
  const alone: CheckOptions = {
    utf8: true,
    configDirectory: await folder.mailConfiguration(),
  };
  return {
    folder,
    alone,
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

function said({ problems }: TableCheck): string[] {
  return problems.map(({ severity, message }) => `${severity}: ${message}`);
}

/** What can be done, as letters: lookup, write, sequence. */
function abilities({ lookup, write, sequence }: TableCheck): string {
  return [lookup, write, sequence].map(({ possible }) => possible ? "y" : "n")
    .join("");
}

/** The content of all files of a folder, and when they were written. */
async function contentOf(folder: string): Promise<string> {
  const { stdout } = await run("bash", [
    "-c",
    `cd "$0" && find . -type f -printf '%P %T@ ' -exec sha1sum {} + | sort`,
    folder,
  ]);
  return stdout;
}

Deno.test("checkTable() says how a good table is understood, and writes nothing", async () => {
  await using world = await scene();
  const { alone, folder } = world;
  const source = await folder.write("aliases", "alice one\n");
  for (const type of ["hash", "btree", "lmdb"]) {
    await run("postmap", [`${type}:${source}`]);
    for (const start of await Memcached.everyWay(folder.path)) {
      await using memcached = await start();
      const backup = `${type}:${source}`;
      const path = await folder.write(
        "t.cf",
        `# a table\nmemcache = ${memcached.server}\nbackup =\n  ${backup}\nttl = 60\n`,
      );
      const before = await contentOf(folder.path);
      const checked = await checkTable(`memcache:${path}`, alone);
      assertEquals(await contentOf(folder.path), before);
      assertEquals(said(checked), []);
      assertEquals(checked.good, true);
      assertEquals(checked.type, "memcache");
      assertEquals(
        checked.parameters!.filter((one) => !one.default).map((
          { name, value, file, line },
        ) => [name, value, file, line]),
        [
          ["memcache", memcached.server, path, 2],
          ["backup", backup, path, 3],
          ["ttl", 60, path, 5],
        ],
      );
      const { endpoint, answers, version, roundTrip, itemSizeMax } = checked
        .server!;
      assertEquals([endpoint, answers, itemSizeMax], [
        memcached.server,
        true,
        1048576,
      ]);
      assertMatch(version!, /^\d+\.\d+/);
      assert(roundTrip! > 0 && roundTrip! < 2000);
      assertEquals(abilities(checked), "yyy");
      assertEquals(checked.backup, {
        table: backup,
        type,
        good: true,
        problems: [],
        lookup: { possible: true },
        write: { possible: true },
        sequence: { possible: true },
      });
      const stats = await memcached.talk("stats\r\n", "END\r\n");
      assertStringIncludes(stats, "STAT cmd_set 0\r\n");
      assertStringIncludes(stats, "STAT get_misses 1\r\n");
    }
  }
});

Deno.test("checkTable() stores nothing though the backup answers for any key", async () => {
  await using memcached = await Memcached.tcp();
  await using world = await scene();
  const { alone, folder } = world;
  const patterns = `regexp:${await folder.write("r", "/^/ found\n")}`;
  await Promise.all(["static:x", patterns].map(async (backup) => {
    const one = `memcache:{ memcache=${memcached.server}, backup=${backup} }`;
    const two = `memcache:{ memcache=${memcached.server}, {backup=${one}} }`;
    assertEquals((await checkTable(one, alone)).good, true);
    const nested = await checkTable(two, alone);
    assertEquals(said(nested), []);
    assertEquals(nested.backup!.backup!.table, backup);
    const { lookup, write, sequence } = nested;
    assertEquals(lookup, { possible: true });
    assertMatch(write.remark!, /is read-only/);
    assertMatch(sequence.remark!, /cannot be listed/);
  }));
  const stats = await memcached.talk("stats\r\n", "END\r\n");
  assertStringIncludes(stats, "STAT cmd_set 0\r\n");
});

Deno.test("checkTable() creates no kv: database, and changes none", async () => {
  await using memcached = await Memcached.tcp();
  await using world = await scene();
  const { alone, folder } = world;
  const path = `${folder.path}/t.kv`;
  const server = `memcache=${memcached.server}`;
  const name = `memcache:{${server}, backup=kv:${path}}`;
  const remark = "not there yet: it is created when it is first written";
  for (
    const options of [alone, {
      ...alone,
      openKv: () => Promise.reject(1),
    }]
  ) {
    const missing = await checkTable(name, options);
    assertEquals(said(missing), []);
    const { lookup, write, sequence } = missing.backup!;
    assertEquals([lookup, write, sequence], [
      { possible: true, remark },
      { possible: true },
      { possible: true, remark: "it has no entries" },
    ]);
    assertEquals([...Deno.readDirSync(folder.path)].map(({ name }) => name), [
      "main.cf",
    ]);
  }
  assertEquals(
    said(await checkTable(`kv:${folder.path}/no/t.kv#aliases`, alone)),
    [
      `error: kv:${folder.path}/no/t.kv#aliases: there is no folder ${folder.path}/no to create it in`,
    ],
  );
  const whole = await checkTable("kv:", alone);
  assertEquals([whole.good, abilities(whole)], [true, "yyy"]);
  assertMatch(whole.lookup.remark!, /not tried/);

  {
    await using table = await openTable(`kv:${path}`, { write: true });
    await table.update("a", "1");
  }
  const hash = async () => (await run("sha1sum", [path])).stdout;
  const before = await hash();
  const there = await checkTable(name, alone);
  assertEquals(said(there), []);
  assertEquals([abilities(there), there.sequence], ["yyy", { possible: true }]);
  assertEquals(await hash(), before);
  {
    await using table = await openTable(`kv:${path}`, { write: true });
    await table.delete("a");
  }
  assertEquals((await checkTable(name, alone)).sequence, {
    possible: true,
    remark: "it has no entries",
  });
});

Deno.test("checkTable() tells what keeps a table from opening as the table does", async () => {
  await using world = await scene();
  const { alone, folder } = world;
  const path = `${folder.path}/t.cf`;
  const texts = [
    "ttl = 1h",
    "no equals sign",
    "key_format = %z",
    "key_format = %",
    "key_digest = nosuch",
    "memcache = localhost:11211",
    "memcache = inet:localhost:no-such-service",
    "domain = /nonexistent",
    "domain = hash:/nonexistent",
    "max_try = 0",
    "backup = nosuch:x",
    "backup = hash:/nonexistent",
    "backup = static",
    `backup = memcache:${folder.path}/SELF`,
  ];
  const names = [
    "memcache:/nonexistent",
    "memcache:{",
    "memcache:{ tll=1 }",
    "memcache:",
    "hash:/nonexistent",
    "nosuch:x",
    "plain",
    "",
    "texthash:/nonexistent",
    "proxy:hash",
  ];
  const alike = async (name: string, about: string) => {
    const { message } = await assertRejects(
      () => openTable(name, { ...alone, onWarning: () => {} }),
      ConfigError,
    );
    const checked = await checkTable(name, alone);
    assertEquals([checked.good, abilities(checked)], [false, "nnn"], about);
    assert(said(checked).includes(`error: ${message}`), `${said(checked)}`);
  };
  // At once, for postmap waits a second before it fails.
  await Promise.all([
    ...names.map((name) => alike(name, name)),
    ...texts.map(async (text, number) => {
      const file = `${number}.cf`;
      await folder.write(file, `# a comment\n${text.replace("SELF", file)}\n`);
      await alike(`memcache:${folder.path}/${file}`, text);
    }),
  ]);
  // And where it stands.
  await Deno.writeTextFile(path, "flags = 1\nttl = 1h\nmax_try = x\n");
  const { problems, parameters, good } = await checkTable(
    `memcache:${path}`,
    alone,
  );
  assertEquals(good, false);
  assertEquals(
    problems.slice(0, 2).map(({ file, line }) => [file, line]),
    [[path, 2], [path, 3]],
  );
  assertEquals(parameters!.find(({ name }) => name === "ttl")!.value, "1h");
});

Deno.test("checkTable() passes on what a table warns of, once", async () => {
  await using memcached = await Memcached.tcp();
  await using world = await scene();
  const { alone, folder } = world;
  const path = await folder.write(
    "t.cf",
    `memcache=${memcached.server}\nttl = 1\nttl = 2\n`,
  );
  assertEquals(said(await checkTable(`memcache:${path}`, alone)), [
    `warning: ${path}, line 3: "ttl = 2" replaces "1" of line 2`,
  ]);
});

Deno.test("checkTable() reads main.cf, and finds the tables that share a server there", async () => {
  await using memcached = await Memcached.tcp();
  await using folder = await Folder.make();
  const own = await folder.write(
    "own.cf",
    `memcache = ${memcached.server.replace("127.0.0.1", "localhost")}\n`,
  );
  const apart = await folder.write(
    "apart.cf",
    `memcache = ${memcached.server}\nkey_format = apart:%s\n`,
  );
  const broken = await folder.write("broken.cf", "ttl\n");
  const configDirectory = await folder.mailConfiguration([
    `server = ${memcached.server}`,
    "a_memcache = $server",
    "a_key_fromat = a:%s",
    "a_ttl = 60",
    "b_memcache = $server",
    "b_key_format = b:%s",
    "c_key_format = %u",
    "c_memcache = $server",
    "dir = " + folder.path,
    "virtual_alias_maps = hash:/x, proxy:memcache:$dir/own.cf",
    `transport_maps = memcache:${apart} memcache:${broken} memcache:/gone`,
    `relocated_maps = memcache:{ {memcache = ${memcached.server}}, ttl=9 }`,
    "bad_reference = ${",
    "",
  ].join("\n"));
  const options = { utf8: true, configDirectory };
  const mainCf = `${configDirectory}/main.cf`;
  const a = await checkTable("memcache:a", options);
  assertEquals(said(a), [
    `error: ${mainCf}, line 4: there is no parameter a_key_fromat: did you mean a_key_format?`,
    "warning: entries can be mixed up with those of memcache:c, " +
    `memcache:${own}, memcache:{ {memcache = ${memcached.server}}, ttl=9 }: ` +
    "the same server, and memcache keys that look the same; set a_key_format = a:%s",
  ]);
  assertEquals(a.parameters![0], {
    name: "memcache",
    written: "a_memcache",
    value: memcached.server,
    default: false,
    file: mainCf,
    line: 3,
  });
  assertEquals(said(await checkTable("memcache:b", options)), []);
  assertMatch(
    said(await checkTable("memcache:c", options))[0],
    /set c_key_format = c:%u$/,
  );
  assertEquals(said(await checkTable(`memcache:${apart}`, options)), []);
  const other = `memcache:{memcache=${memcached.server} key_format=b:%u}`;
  const asked = await checkTable("memcache:b", {
    ...options,
    others: ["memcache:b", other, "hash:x", "memcache:/gone"],
  });
  assertEquals(said(asked), [
    `warning: ${mainCf}, line 7: entries can be mixed up with those of ${other}: ` +
    "the same server, and memcache keys that look the same; give the others another key_format",
  ]);
  assertEquals(asked.good, true);
});

Deno.test("checkTable() tells of a server that is down, hangs or is none", async () => {
  await using world = await scene();
  const { alone } = world;
  const server = `inet:127.0.0.1:${freePort()}`;
  const down = await checkTable(`memcache:{memcache=${server}}`, alone);
  assertEquals([down.good, abilities(down)], [false, "nnn"]);
  assertEquals(down.server, {
    endpoint: server,
    answers: false,
    version: null,
    roundTrip: null,
    itemSizeMax: null,
  });
  assertMatch(said(down)[0], /^error: .*\(is it running there\?\)/);

  const backed = await checkTable(
    `memcache:{memcache=${server} backup=inline:{a=b}}`,
    alone,
  );
  assertEquals([backed.good, abilities(backed)], [false, "yny"]);
  assertMatch(backed.lookup.remark!, /the backup alone/);

  await using memcached = await Memcached.tcp();
  await memcached.signal("SIGSTOP");
  const started = performance.now();
  const hangs = await checkTable(
    `memcache:{memcache=${memcached.server} timeout=1}`,
    alone,
  );
  assertMatch(said(hangs)[0], /^error: .*no answer within 1 s/);
  assert(performance.now() - started < 1900, "it is asked once");
  const aborted = checkTable(`memcache:{memcache=${memcached.server}}`, {
    ...alone,
    signal: AbortSignal.timeout(50),
  });
  assertEquals(await aborted.catch(({ name }) => name), "TimeoutError");

  await using web = new ScriptedServer(
    () => ["HTTP/1.1 400 Bad\r\n\r\n", "CLOSE"],
  );
  const none = await checkTable(`memcache:{memcache=${web.server}}`, alone);
  assertMatch(
    said(none)[0],
    /^error: .*"HTTP\/1.1 400 Bad": is it memcached\?/,
  );
});

Deno.test("checkTable() asks the domain list, and memcached through it", async () => {
  await using world = await scene();
  const { alone } = world;
  await using memcached = await Memcached.tcp();
  const name = (more: string) =>
    `memcache:{memcache=${memcached.server} backup=static:x ${more}}`;
  const failing = await checkTable(
    name("{domain=a.example, fail:down}"),
    alone,
  );
  assertEquals([failing.good, abilities(failing)], [false, "nnn"]);
  assertEquals(said(failing), ["error: fail:down fails whatever it is asked"]);
  assertEquals((await checkTable(name("domain=a.example"), alone)).good, true);
  const all = await checkTable(name("domain=static:all"), alone);
  assertEquals([all.good, all.lookup], [true, { possible: true }]);
  for (const list of [name(""), "unionmap:{static:a,memcache:{}}"]) {
    const nested = await checkTable(name(`{domain=${list}}`), alone);
    assertEquals(nested.lookup, { possible: true }, list);
  }
  const stats = await memcached.talk("stats\r\n", "END\r\n");
  assertStringIncludes(stats, "STAT cmd_set 0\r\n");
  assertStringIncludes(stats, "STAT get_misses 2\r\n");
});

Deno.test("checkTable() takes a proxy that answers lookups alone for what it is", async () => {
  await using world = await scene();
  const { alone } = world;
  await using one = await Memcached.tcp();
  await using proxy = await Nutcracker.start([one]);
  const checked = await checkTable(
    `memcache:{memcache=${proxy.server}}`,
    alone,
  );
  const { good, server } = checked;
  assertEquals([good, server!.answers, abilities(checked)], [
    true,
    true,
    "yyn",
  ]);
  assertEquals(server!.itemSizeMax, null);

  await using shy = new ScriptedServer(({ line }) =>
    line.startsWith("get ") ? ["END\r\n"] : ["ERROR\r\n"]
  );
  const untold = await checkTable(`memcache:{memcache=${shy.server}}`, alone);
  assertEquals([untold.good, untold.server!.version], [true, null]);
  assertEquals(said(untold).length, 1);
  assertMatch(
    said(untold)[0],
    /^warning: .* does not answer "version": it answers "ERROR"$/,
  );
});

Deno.test("checkTable() compares data_size_limit with what the server stores", async () => {
  await using world = await scene();
  const { alone } = world;
  await using memcached = await Memcached.tcp();
  const name = (limit: number) =>
    `memcache:{memcache=${memcached.server} data_size_limit=${limit}}`;
  assertEquals(said(await checkTable(name(1048576), alone)), []);
  assertEquals(said(await checkTable(name(1048577), alone)), [
    "warning: data_size_limit = 1048577: the server stores at most 1048576 bytes (its -I), key included",
  ]);
});

Deno.test("checkTable() says what can be done with tables of other types", async () => {
  await using world = await scene();
  const { alone, folder } = world;
  const source = await folder.write("t", "a 1\n");
  const patterns = await folder.write("r", "/^x/ found\n");
  const before = await contentOf(folder.path);
  const table: [name: string, good: boolean, abilities: string][] = [
    ["inline:{a=b}", true, "yny"],
    ["static:x", true, "ynn"],
    [`texthash:${source}`, true, "yny"],
    [`regexp:${patterns}`, true, "ynn"],
    ["environ:", false, "nnn"],
    ["environ:x", true, "ynn"],
    ["fail:x", false, "nnn"],
    [`unionmap:{static:a}`, true, "ynn"],
    [`pipemap:{memcache:{}}`, true, "ynn"],
  ];
  await Promise.all(table.map(async ([name, good, able]) => {
    const checked = await checkTable(name, alone);
    assertEquals([checked.good, abilities(checked)], [good, able], name);
    assertEquals(checked.type, name.slice(0, name.indexOf(":")));
  }));
  assertEquals(await contentOf(folder.path), before);
});

Deno.test("checkTable() asks proxy: of a real Postfix, and tells who may not", async () => {
  await using memcached = await Memcached.tcp();
  await using postfix = await Postfix.start((data) => [
    `proxy:btree:${data}/t`,
    `proxy:btree:${data}/missing`,
    `proxy:memcache:${data}/m.cf`,
  ]);
  const data = postfix.dataDirectory;
  await postfix.make(`btree:${data}/t`, "alice one\n");
  await Deno.writeTextFile(
    `${data}/m.cf`,
    `memcache = ${memcached.server}\nkey_format = m:%s\nbackup = static:any\n`,
  );
  const options = { utf8: true, configDirectory: postfix.configDirectory };
  const before = await contentOf(data);
  const good = await checkTable(
    `memcache:{memcache=${memcached.server} backup=proxy:btree:${data}/t}`,
    options,
  );
  assertEquals([said(good), abilities(good)], [[], "yyy"]);
  const missing = await checkTable(`proxy:btree:${data}/missing`, options);
  assertEquals([missing.good, abilities(missing)], [false, "nnn"]);
  const refused = await checkTable(`proxy:btree:${data}/other`, options);
  assertMatch(
    said(refused)[0],
    /^error: .*list proxy:btree:\S+ in proxy_read_maps/,
  );
  const cached = await checkTable(`proxy:memcache:${data}/m.cf`, options);
  assertEquals([said(cached), abilities(cached)], [[], "yyn"]);
  assertMatch(cached.sequence.remark!, /not tried/);
  const within = `proxy:unionmap:{static:a,memcache:${data}/m.cf}`;
  assertEquals(abilities(await checkTable(within, options)), "nnn");
  // A service that ended holds up mail for a minute.
  const log = `${postfix.configDirectory}/../log`;
  assert(!(await Deno.readTextFile(log)).includes("fatal"));

  // Whoever may read need not be one who may write.
  await run("postconf", [
    "-c",
    postfix.configDirectory,
    "proxy_write_maps=none",
  ]);
  await postfix.command("reload");
  let { lookup, write, sequence } = good.backup!;
  for (let attempt = 0; write.possible && attempt < 100; attempt++) {
    ({ lookup, write, sequence } = await checkTable(
      `proxy:btree:${data}/t`,
      options,
    ));
  }
  assertEquals([lookup, sequence], [{ possible: true }, { possible: true }]);
  assertMatch(write.remark!, /list proxy:btree:\S+ in proxy_write_maps/);
  assertEquals(await contentOf(data), before);
  const stats = await memcached.talk("stats\r\n", "END\r\n");
  assertStringIncludes(stats, "STAT cmd_set 0\r\n");
});

Deno.test("checkTable() wants a name, and an open signal", async () => {
  await assertRejects(() => checkTable(1 as unknown as string), TypeError);
  const reason = new Error("enough");
  const ended = checkTable("static:x", { signal: AbortSignal.abort(reason) });
  assertEquals(await ended.catch((error) => error), reason);
});

Deno.test("checkTable() takes marks and bytes that nobody can see for errors, where they are", async () => {
  await using memcached = await Memcached.tcp();
  await using world = await scene();
  const { alone, folder } = world;
  const bytes = (text: string) =>
    Uint8Array.from(text, (character) => character.charCodeAt(0));
  const mark = "\xef\xbb\xbf";
  const domains = await folder.write(
    "domains",
    bytes(`${mark}a.com\nb.com\0c.com\n`),
  );
  const source = await folder.write("source", bytes(`${mark}alice one\n`));
  const file = await folder.write(
    "t.cf",
    bytes(
      `${mark}ttl = 1\nmemcache = ${memcached.server}\nkey_format = \xe9%s\n` +
        `domain = ${domains}\nbackup = texthash:${source}\nflags = 1\0 2\n`,
    ),
  );
  const checked = await checkTable(`memcache:${file}`, alone);
  const invisible = (kind: string, text: string) =>
    `an invisible byte order mark (U+FEFF) is part of the ${kind} that looks ` +
    `like "${text}", as it is for Postfix: save the file as UTF-8 without a byte order mark`;
  const errors = (found: TableCheck) =>
    found.problems.filter(({ severity }) => severity === "error")
      .map(({ file, line, message }) => [
        file,
        line,
        message.replace(`${file}, line ${line}: `, ""),
      ]);
  const nul = "it has a null byte: ignoring what is behind it";
  const ofSource = [source, 1, invisible("key", "alice")];
  assertEquals(checked.good, false);
  assertEquals(errors(checked), [
    [file, 1, invisible("name", "ttl")],
    [file, 6, nul],
    ofSource,
    [domains, 1, invisible("pattern", "a.com")],
    [domains, 2, nul],
  ]);
  assertEquals(errors(checked.backup!), [ofSource]);
  const [warning] = said(checked).filter((line) => line.startsWith("warning"));
  assertStringIncludes(warning, "line 3: key_format = \ufffd%s: it has bytes");
  // Any reader of JSON takes it.
  assert(JSON.stringify(checked).isWellFormed());
  assert(!/\\ud[89a-f]/.test(JSON.stringify(checked)));

  await folder.write(
    "main.cf",
    bytes(
      `${mark}compatibility_level = 3.6\nt_memcache = ${memcached.server}\n`,
    ),
  );
  const inMainCf = await checkTable("memcache:t", alone);
  assertEquals(errors(inMainCf), [
    [`${folder.path}/main.cf`, 1, invisible("name", "compatibility_level")],
  ]);
});

Deno.test("checkTable() says what is no server, and which name main.cf has not", async () => {
  await using world = await scene();
  const { alone, folder } = world;
  await folder.mailConfiguration([
    "two_memcache = inet:a:1, inet:b:1",
    "service_memcache = inet:a:no-such-service",
    "service_backup = static:x",
  ].join("\n"));
  const about = async (name: string, expected: string) => {
    const checked = await checkTable(`memcache:${name}`, alone);
    assertStringIncludes(said(checked).join("\n"), expected);
    assertEquals(checked.good, false);
  };
  await about("two", "this is more than one server");
  await about("service", "no TCP service of /etc/services");
  await about("nobody", `warning: memcache:nobody takes parameters nobody_*`);
});
