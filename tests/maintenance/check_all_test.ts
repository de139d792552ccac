import {
  checkAllTables,
  checkTable,
  type TableCheck,
} from "../../lib/maintenance/mod.ts";
import { ConfigError } from "../../lib/errors.ts";
import {
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "../support/assert.ts";
import { Folder } from "../support/folder.ts";
import { Memcached } from "../support/memcached.ts";
import { run } from "../support/processes.ts";

const noServer = () => Promise.reject(new Error("none"));

/** Checks all tables of a folder; paths of that begin with DIR. */
async function checkFolder(folder: Folder, configDirectory = folder.path) {
  const options = { configDirectory, connect: noServer };
  return JSON.parse(
    JSON.stringify(await checkAllTables(options)).replaceAll(
      folder.path,
      "DIR",
    ),
  ) as Awaited<ReturnType<typeof checkAllTables>>;
}

/** Where a table is named, in short. */
function uses({ table, namedBy }: TableCheck): [string, string[]] {
  return [
    table,
    namedBy!.map(({ parameter, service, file, line }) =>
      `${service === undefined ? "" : `${service} `}${parameter} ` +
      `${file!.replace("DIR/", "")}:${line}`
    ),
  ];
}

Deno.test("checkAllTables() finds each table once, and says where it is named", async () => {
  await using folder = await Folder.make();
  await folder.mailConfiguration(
    [
      `dir = ${folder.path}`,
      "type = memcache",
      "alias_maps = hash:/etc/aliases",
      "virtual_alias_maps = proxy:memcache:$dir/a.cf, hash:/x,",
      "  pipemap:{memcache:b, unionmap:{static:x, memcache:$dir/c.cf}}",
      "smtpd_recipient_restrictions = permit_mynetworks,",
      "  check_recipient_access memcache:$dir/a.cf, mine",
      "mine = { check_sender_access { $type:d, search_order=x } }",
      "transport_maps = $virtual_alias_maps",
      "b_memcache = inet:memcache:11211",
      "b_backup = memcache:$dir/e.cf",
      "smtpd_milters = inet:memcache:1",
      "relay_domains = $- memcache:f",
      "",
    ].join("\n"),
  );
  await folder.write(
    "master.cf",
    [
      "smtp inet n - y - - smtpd",
      "  -o smtpd_client_restrictions=check_client_access,memcache:d",
      "# a comment",
      "  -o { smtpd_sender_login_maps = hash:/x, $own }",
      "  -o own=memcache:{ttl=1}",
      "",
    ].join("\n"),
  );
  const { tables, files, problems } = await checkFolder(folder);
  assertEquals(files, ["DIR/main.cf", "DIR/master.cf"]);
  assertEquals(problems, []);
  assertEquals(tables.map(uses), [
    ["memcache:DIR/a.cf", [
      "virtual_alias_maps main.cf:5",
      "smtpd_recipient_restrictions main.cf:7",
      "transport_maps main.cf:10",
    ]],
    ["memcache:b", [
      "virtual_alias_maps main.cf:5",
      "transport_maps main.cf:10",
    ]],
    ["memcache:DIR/c.cf", [
      "virtual_alias_maps main.cf:5",
      "transport_maps main.cf:10",
    ]],
    ["memcache:d", [
      "mine main.cf:9",
      "smtp/inet smtpd_client_restrictions master.cf:2",
    ]],
    ["memcache:DIR/e.cf", ["b_backup main.cf:12"]],
    ["memcache:f", ["relay_domains main.cf:14"]],
    ["memcache:{ttl=1}", [
      "smtp/inet smtpd_sender_login_maps master.cf:4",
      "smtp/inet own master.cf:5",
    ]],
  ]);
  assertEquals(tables[1].parameters![0].value, "inet:memcache:11211");
});

Deno.test("checkAllTables() searches the other instances too", async () => {
  await using folder = await Folder.make();
  await Deno.mkdir(`${folder.path}/two`);
  await folder.mailConfiguration(
    `multi_instance_directories = ${folder.path}/two\n` +
      `virtual_alias_maps = memcache:${folder.path}/t.cf, memcache:name\n` +
      "name_ttl = 1\n",
  );
  await folder.write("t.cf", "");
  await folder.write(
    "two/main.cf",
    `transport_maps = memcache:${folder.path}/t.cf memcache:name\nname_ttl = 2\n`,
  );
  const { tables, files } = await checkFolder(folder);
  assertEquals(files, ["DIR/main.cf", "DIR/two/main.cf"]);
  assertEquals(tables.map(uses), [
    ["memcache:DIR/t.cf", [
      "virtual_alias_maps main.cf:3",
      "transport_maps two/main.cf:1",
    ]],
    ["memcache:name", ["virtual_alias_maps main.cf:3"]],
    ["memcache:name", ["transport_maps two/main.cf:1"]],
  ]);
  assertEquals(
    tables.slice(1).map(({ parameters }) =>
      parameters!.find(({ name }) => name === "ttl")!.value
    ),
    [1, 2],
  );
  // From the directory of one instance, the others are unknown.
  const alone = await checkFolder(folder, `${folder.path}/two`);
  assertEquals(alone.tables.map(({ table }) => table), [
    "memcache:DIR/t.cf",
    "memcache:name",
  ]);
});

Deno.test("checkAllTables() is good where no table is named", async () => {
  await using folder = await Folder.make();
  await folder.mailConfiguration("virtual_alias_maps = hash:/memcache\n");
  assertEquals(await checkFolder(folder), {
    good: true,
    files: ["DIR/main.cf"],
    problems: [],
    tables: [],
  });
});

Deno.test("checkAllTables() says what it cannot read", async () => {
  await using folder = await Folder.make();
  const configDirectory = folder.path;
  const all = () => checkAllTables({ configDirectory, connect: noServer });
  await assertRejects(all, ConfigError, "main.cf: there is no such file");
  await folder.write("main.cf", "wrong\n");
  await assertRejects(all, ConfigError, `main.cf, line 1: no "="`);
  await folder.mailConfiguration(
    "multi_instance_directories = /nonexistent\na = 1\na = 2\n",
  );
  await folder.write("master.cf", "smtp inet\n");
  const { good, problems, tables } = await checkFolder(folder);
  assertEquals([good, tables], [false, []]);
  assertEquals(problems.map(({ severity, message }) => [severity, message]), [
    ["warning", 'DIR/main.cf, line 4: "a = 2" replaces "1" of line 3'],
    [
      "error",
      'DIR/master.cf, line 1: a service has at least 8 fields, not 2: "smtp inet": ' +
      "Postfix does not start with such a line",
    ],
    ["error", "/nonexistent/main.cf: there is no such file"],
  ]);
});

Deno.test("checkAllTables() checks the tables of the other lines where one of master.cf is wrong", async () => {
  await using folder = await Folder.make();
  await folder.mailConfiguration("virtual_alias_maps = memcache:{ttl=1}\n");
  await folder.write(
    "master.cf",
    `\
  first
a unix - - n - - smtp -o transport_maps=memcache:{ttl=2}
b unix - - x - - smtp -o transport_maps=memcache:{ttl=3}
c unix - - n - - smtp -o transport_maps=memcache:{ttl=4}
d unix
`,
  );
  const { good, problems, tables } = await checkFolder(folder);
  assertEquals(good, false);
  assertEquals(tables.map(({ table }) => table), [
    "memcache:{ttl=1}",
    "memcache:{ttl=2}",
    "memcache:{ttl=4}",
  ]);
  assertEquals(
    problems.map(({ severity, message, line }) => [
      severity,
      line,
      message.slice(0, 40),
    ]),
    [
      ["warning", undefined, "DIR/master.cf, line 1: ignoring a line t"],
      ["error", 3, 'DIR/master.cf, line 3: "x" is no chroot:'],
      ["error", 5, "DIR/master.cf, line 5: a service has at "],
    ],
  );
  // Postfix agrees that it does not start with it.
  const { code, stderr } = await run("postconf", ["-c", folder.path, "-M"]);
  assertEquals(code, 1);
  assertStringIncludes(stderr, 'invalid chroot field "x"');
});

Deno.test("checkAllTables() gives each result at once, and ends when it is told", async () => {
  await using folder = await Folder.make();
  await folder.mailConfiguration(
    "virtual_alias_maps = memcache:a memcache:b memcache:c\n",
  );
  const seen: string[] = [];
  const enough = new AbortController();
  const ended = checkAllTables({
    configDirectory: folder.path,
    connect: noServer,
    signal: enough.signal,
    onTable: ({ table }) => {
      seen.push(table);
      if (seen.length === 2) enough.abort("enough");
    },
  });
  assertEquals(await ended.catch((reason) => reason), "enough");
  assertEquals(seen, ["memcache:a", "memcache:b"]);
  await assertRejects(
    () => checkAllTables({ others: [] } as Record<string, unknown>),
    TypeError,
  );
});

Deno.test("checkTable() says that it could not read main.cf or master.cf", async () => {
  await using folder = await Folder.make();
  const table = `memcache:${await folder.write("t.cf", "ttl = 1\n")}`;
  const said = async () => {
    const options = { configDirectory: folder.path, connect: noServer };
    const { problems } = await checkTable(table, options);
    return problems.filter(({ severity }) => severity === "warning")
      .map(({ message }) => message.replaceAll(folder.path, "DIR"));
  };
  const end = ": not all that Postfix does with the table is checked";
  assertEquals(await said(), []);
  await folder.write("main.cf", "wrong\n");
  assertEquals(await said(), [
    `DIR/main.cf, line 1: no "=" after the name: "wrong"${end}`,
  ]);
  await folder.write("main.cf", "");
  assertEquals(await said(), []);
  await folder.write("master.cf", "a unix - - n - 1\n");
  assertEquals((await said()).map((line) => line.slice(0, 22)), [
    "DIR/master.cf, line 1:",
  ]);
});

Deno.test("tables of two instances may share their entries", async () => {
  await using memcached = await Memcached.tcp();
  await using folder = await Folder.make();
  await Deno.mkdir(`${folder.path}/two`);
  const names: string[] = [];
  for (const name of ["a.cf", "two/a.cf", "b.cf"]) {
    const text = `memcache = ${memcached.server}\n`;
    names.push(`memcache:${await folder.write(name, text)}`);
  }
  const [one, two, other] = names;
  const check = async (maps: string) => {
    await folder.mailConfiguration(
      `multi_instance_directories = ${folder.path}/two\ntransport_maps = ${maps}\n`,
    );
    await folder.write("two/main.cf", `transport_maps = ${two}\n`);
    const { tables } = await checkAllTables({ configDirectory: folder.path });
    return tables.map(({ problems }) => problems.length);
  };
  assertEquals(await check(one), [0, 0]);
  assertEquals(await check(`${one} ${other}`), [1, 1, 0]);
});
