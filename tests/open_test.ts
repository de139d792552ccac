import { ConfigError, openTable, tableTypes } from "../mod.ts";
import {
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "./support/assert.ts";
import { Folder } from "./support/folder.ts";
import { Memcached } from "./support/memcached.ts";
import { atOnce } from "./support/processes.ts";

Deno.test("openTable() says what is wrong with a name", async () => {
  const table: [string, string][] = [
    ["", "need type:name"],
    ["name", "need type:name"],
    [":name", "need type:name"],
    ["memcache:", "need type:name"],
    [
      "nosuch:x",
      `unknown table type "nosuch": there are ${tableTypes.join(", ")}`,
    ],
    ["toString:x", `unknown table type "toString": there are`],
    [
      "memcahe:/x",
      `unknown table type "memcahe": did you mean memcache? There`,
    ],
    ["MemCache:/x", "did you mean memcache?"],
    ["memcached:/x", "did you mean memcache?"],
    ["text-hash:/x", "did you mean texthash?"],
    ["hsah:/x", "did you mean hash?"],
    ["mysql:/x", `unknown table type "mysql": there are`],
    ["mysql:/x", "Postfix (on Debian, mysql is in the package postfix-mysql)"],
    ["dbm:/x", "and those of the installed Postfix (postconf -m)"],
    ["memcache:{backup=kvv:x}", "did you mean kv?"],
    ["./t.cf", "did you mean memcache:./t.cf?"],
    ["../t.cf", "did you mean memcache:../t.cf?"],
    [".t.cf", "did you mean memcache:.t.cf?"],
    ["t.cf", "did you mean memcache:./t.cf?"],
    ["memcache:{", `missing "}"`],
    ["memcache:{ttl}", `no "="`],
    ["memcache:{tll=1}", `no parameter "tll"`],
    ["memcache:{ttl=soon}", "ttl = soon: need a whole number"],
    ["memcache:{memcache=nothing}", "no transport"],
    ["memcache:{memcache=}", "no transport"],
    ["memcache:{memcache=inet:h:0}", "port 0"],
    ["memcache:{memcache=inet:h:99999}", "port 99999"],
    [
      "memcache:{memcache=inet:h:nosuchservice}",
      "no TCP service of /etc/services",
    ],
    ["memcache:{key_format=%}", `"%" at the end`],
    ["memcache:{key_format=%q}", `"%q"`],
    ["memcache:{key_digest=rot13}", `unknown digest "rot13"`],
    ["memcache:{backup=nonsense}", "{backup=nonsense}: backup: need type:name"],
    ["memcache:{backup=nosuch:x}", `unknown table type "nosuch"`],
    ["memcache:{domain=nosuch:x}", `unknown table type "nosuch"`],
    [
      "memcache:{domain=/no/such/file}",
      "{domain=/no/such/file}: domain: /no/such/file: there is no such file",
    ],
    [
      "memcache:{backup=memcache:{ttl=soon}}",
      "}: backup: ttl = soon: need a whole number",
    ],
    ["memcache:/no/such/file", "/no/such/file: there is no such file"],
    ["memcache:/etc", "/etc: this is a directory"],
    ["memcache:./no-such-file", "./no-such-file: there is no such file"],
    ["texthash:/no/such/file", "/no/such/file: there is no such file"],
  ];
  // postmap, which is asked for unknown types, takes a second to say no.
  await atOnce(8, table, async ([name, message]) => {
    const error = await assertRejects(
      () => openTable(name, { utf8: true, onWarning: () => {} }),
      ConfigError,
    );
    assertStringIncludes(error.message, message, name);
  });
});

Deno.test("openTable() names file and line of what is wrong", async () => {
  await using folder = await Folder.make();
  const table: [string, number][] = [
    ["# comment\nttl = 1h\n", 2],
    ["ttl = 1\nmax_try = 0\n", 2],
    ["nonsense\n", 1],
    ["\n\nmemcache = inet:h\n", 3],
    ["key_format =\n  %s\n  %\n", 1],
    ["ttl = 1\nkey_digest = rot13", 2],
  ];
  for (const [text, line] of table) {
    const file = await folder.write("t.cf", text);
    const error = await assertRejects(
      () => openTable(`memcache:${file}`, { utf8: true }),
      ConfigError,
    );
    assertEquals([error.file, error.line], [file, line], text);
    assertStringIncludes(error.message, `${file}, line ${line}: `);
  }
});

Deno.test("openTable() finds a table that uses itself", async () => {
  await using folder = await Folder.make();
  const file = await folder.write(
    "t.cf",
    `backup = memcache:${folder.path}/t.cf\n`,
  );
  await assertRejects(
    () => openTable(`memcache:${file}`, { utf8: true }),
    ConfigError,
    "uses itself",
  );
});

Deno.test("openTable() takes parameters of main.cf, expanded", async () => {
  await using memcached = await Memcached.tcp();
  await using folder = await Folder.make();
  await folder.mailConfiguration([
    `port = ${memcached.server.split(":").at(-1)}`,
    "host = ${nosuch:127.0.0.1}",
    "aliases_memcache = inet:$host:$port",
    "aliases_key_format = a:%s",
    "aliases_backup = ${host?{inline:{ {x=in $config_directory} }}:{fail:x}}",
  ].join("\n"));
  await using table = await openTable("memcache:aliases", {
    configDirectory: folder.path,
  });
  assertEquals(await table.lookup("X"), `in ${folder.path}`);
  await memcached.until("a:x", `in ${folder.path}`);
  await folder.mailConfiguration("bad_ttl = $x\nx = 1h\nworse_memcache = ${\n");
  await assertRejects(
    () => openTable("memcache:bad", { configDirectory: folder.path }),
    ConfigError,
    `${folder.path}/main.cf, line 2: bad_ttl = 1h`,
  );
  await assertRejects(
    () => openTable("memcache:worse", { configDirectory: folder.path }),
    ConfigError,
    `main.cf, line 4: worse_memcache: missing "}"`,
  );
});

Deno.test("openTable() takes a missing main.cf for all defaults, says so, and hints at a file", async () => {
  await using folder = await Folder.make();
  const warnings: string[] = [];
  const onWarning = (line: string) => warnings.push(line);
  const options = { configDirectory: folder.path, onWarning };
  {
    await using _table = await openTable("memcache:aliases", options);
    assertEquals(warnings, [
      `memcache:aliases takes parameters aliases_* from ${folder.path}/main.cf, ` +
      "which has none: all are at their defaults; " +
      "set aliases_memcache there, or write memcache:/path/file for a file",
    ]);
  }
  await folder.mailConfiguration("other_ttl = 1\n");
  await using _table = await openTable("memcache:README.md", options);
  assertEquals(warnings.length, 2);
  assertMatch(warnings[1], /write memcache:\.\/README\.md/);
  await folder.mailConfiguration("aliases_ttl = 1\n");
  await using _quiet = await openTable("memcache:aliases", options);
  assertEquals(warnings.length, 2);
});

Deno.test("openTable() follows smtputf8_enable of main.cf", async () => {
  await using folder = await Folder.make();
  const name = "inline:{ÄÖ=found, ab=found}";
  const table: [string, boolean][] = [
    ["compatibility_level = 3.6", true],
    ["", false],
    ["smtputf8_enable = yes", true],
    ["compatibility_level = 0", false],
    ["compatibility_level = 1", true],
    ["compatibility_level = 2\nsmtputf8_enable = no", false],
    [
      "smtputf8_enable = ${{$compatibility_level} <level {1} ? {no} : {yes}}",
      false,
    ],
    [
      "compatibility_level = 2\nsmtputf8_enable = ${nosuch?no}${nosuch:YES}",
      true,
    ],
  ];
  for (const [text, utf8] of table) {
    await folder.write("main.cf", text);
    await using open = await openTable(name, { configDirectory: folder.path });
    assertEquals(await open.lookup("AB"), "found");
    // As a byte string this key has four characters, which stay as they are.
    assertEquals(await open.lookup("äö"), utf8 ? "found" : undefined, text);
  }
  await folder.write("main.cf", "smtputf8_enable = perhaps");
  await assertRejects(
    () => openTable(name, { configDirectory: folder.path }),
    ConfigError,
    "main.cf, line 1: smtputf8_enable = perhaps: need yes or no",
  );
  await using missing = await openTable(name, {
    configDirectory: `${folder.path}/none`,
  });
  assertEquals(await missing.lookup("äö"), "found");
});

Deno.test("openTable() takes files from whoever hands them in", async () => {
  const files: Record<string, string> = {
    "/virtual/t.cf":
      "memcache = inet:h:service\nbackup = texthash:/virtual/source\ndomain = /virtual/domains\n",
    "/virtual/source": "a@b.example yes\n",
    "/virtual/domains": "b.example",
    "/etc/services": "service 1/tcp",
  };
  const encoder = new TextEncoder();
  await using table = await openTable("memcache:/virtual/t.cf", {
    readFile: (path) =>
      path in files
        ? Promise.resolve(encoder.encode(files[path]))
        : Promise.reject(
          Object.assign(new Error(`no ${path}`), { code: "ENOENT" }),
        ),
    connect: () => Promise.reject(new Error("no network")),
    onWarning: () => {},
  });
  assertEquals(await table.lookup("a@b.example"), "yes");
  assertEquals(await table.lookup("a@c.example"), undefined);
});
