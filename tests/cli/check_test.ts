import {
  assertEquals,
  assertMatch,
  assertStringIncludes,
} from "../support/assert.ts";
import { Folder } from "../support/folder.ts";
import { freePort, Memcached } from "../support/memcached.ts";
import { runCli, runPostmap } from "../support/processes.ts";

/** Output without what differs from run to run. */
function steady(stdout: string): string {
  return stdout.replace(/memcached \d\S*,/, "memcached VERSION,")
    .replace(/in \d+\.\d ms/, "in N ms");
}

Deno.test("check prints how a table is understood, and what is wrong", async () => {
  await using memcached = await Memcached.tcp();
  await using folder = await Folder.make();
  const configDirectory = await folder.mailConfiguration();
  const source = await folder.write("aliases", "alice one\n");
  await runPostmap([`hash:${source}`]);
  const path = await folder.write(
    "t.cf",
    [
      `memcache = ${memcached.server}`,
      "key_fromat = aliases:%s",
      "ttl = 2592001",
      `backup = hash:${source}`,
      "",
    ].join("\n"),
  );
  const { code, stdout, stderr } = await runCli([
    "check",
    "-c",
    configDirectory,
    `memcache:${path}`,
  ]);
  assertEquals([code, stderr], [1, ""]);
  const column = (value: string) =>
    value.padEnd(Math.min(40, `hash:${source}`.length));
  assertEquals(
    steady(stdout),
    `\
memcache:${path}

  memcache         ${column(memcached.server)}  line 1
  backup           ${column(`hash:${source}`)}  line 4
  flags            ${column("0")}  default
  ttl              ${column("2592001")}  line 3
  key_format       ${column("%s")}  default
  key_digest       ${column("")}  default
  domain           ${column("")}  default
  data_size_limit  ${column("10240")}  default
  line_size_limit  ${column("1024")}  default
  max_try          ${column("2")}  default
  retry_pause      ${column("1")}  default
  timeout          ${column("2")}  default
  connections      ${column("2")}  default

  server  ${memcached.server}: memcached VERSION, answers in N ms
  lookup  yes
  update  yes
  list    yes
  backup  hash:${source}
    lookup  yes
    update  yes
    list    yes

  error: ${path}, line 2: there is no parameter key_fromat: did you mean key_format?
  error: ${path}, line 3: ttl = 2592001: above 2592000 (30 days) it is a Unix time, here 1970-01-31: memcached drops at once what is stored so; use at most 2592000

  not good, 2 errors
`,
  );
});

Deno.test("check takes several tables, and its exit status is for all", async () => {
  await using folder = await Folder.make();
  const config = ["-c", await folder.mailConfiguration()];
  const good = await runCli([
    "check",
    ...config,
    "inline:{a=b}",
    "static:{x\x1b[2J}",
  ]);
  assertEquals([good.code, good.stderr], [0, ""]);
  assertEquals(
    good.stdout,
    `\
inline:{a=b}

  lookup  yes
  update  no: inline:{a=b} is read-only: its type cannot be written
  list    yes

  good

static:{x?[2J}

  lookup  yes
  update  no: static:{x?[2J} is read-only
  list    no: static:{x?[2J} cannot be listed: its type cannot do that

  good
`,
  );
  const bad = await runCli(["check", ...config, "nosuch:x", "inline:{a=b}"]);
  assertEquals(bad.code, 1);
  assertMatch(bad.stdout, /error: nosuch:x: unknown table type "nosuch"/);
  assertMatch(bad.stdout, /\n\ninline:\{a=b\}\n[^]*\n {2}good\n$/);
});

Deno.test("check tells once, with the line, why a backup cannot be opened", async () => {
  await using folder = await Folder.make();
  const config = ["-c", await folder.mailConfiguration()];
  const file = await folder.write(
    "t.cf",
    "memcache = unix:/nonexistent\nbackup = /etc/aliases\n",
  );
  const { code, stdout } = await runCli(
    ["check", "--offline", ...config, `memcache:${file}`],
  );
  assertEquals(code, 1);
  const line = `  error: ${file}, line 2: backup: need type:name`;
  assertStringIncludes(stdout, line);
  assertEquals(stdout.match(/need type:name/g)?.length, 1, stdout);
});

Deno.test("check warns of tables that share entries, and they are good", async () => {
  await using memcached = await Memcached.tcp();
  await using folder = await Folder.make();
  const configDirectory = await folder.mailConfiguration(
    `x_memcache = ${memcached.server}\nx_key_format = b:%s\n`,
  );
  const a = `memcache:{memcache=${memcached.server}}`;
  const b = `memcache:{memcache=${memcached.server} key_format=b:%s}`;
  const c = `memcache:{memcache=${memcached.server} key_format=%u}`;
  const { code, stdout } = await runCli(
    ["check", "-j", a, b, c],
    { env: { MAIL_CONFIG: configDirectory } },
  );
  assertEquals(code, 0);
  const lines = stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
  assertEquals(lines.map(({ table, good }) => [table, good]), [
    [a, true],
    [b, true],
    [c, true],
  ]);
  assertEquals(
    lines.map(({ problems }) =>
      problems.map(({ message }: { message: string }) =>
        /those of (.*?): the same/.exec(message)?.[1]
      )
    ),
    [[c], ["memcache:x"], [a]],
  );
});

Deno.test("check -j prints an object a table, with all that is printed otherwise", async () => {
  await using memcached = await Memcached.tcp();
  await using folder = await Folder.make();
  const path = await folder.write("t.cf", "tll = 1\nmemcache = x\nflags = 3\n");
  const args = ["check", "-j", "-c", await folder.mailConfiguration()];
  const { code, stdout, stderr } = await runCli([
    ...args,
    `memcache:${path}`,
    `memcache:{memcache=${memcached.server} backup=inline:{a=b}}`,
  ]);
  assertEquals([code, stderr], [1, ""]);
  const [bad, good] = stdout.trimEnd().split("\n").map((line) =>
    JSON.parse(line)
  );
  assertEquals(bad.problems, [
    {
      severity: "error",
      message:
        `${path}, line 2: memcache:${path}: memcache = x: no transport in "x": need inet:HOST:PORT or unix:PATH`,
      file: path,
      line: 2,
    },
    {
      severity: "error",
      message: `${path}, line 1: there is no parameter tll: did you mean ttl?`,
      file: path,
      line: 1,
    },
  ]);
  assertEquals(bad.parameters[2], {
    name: "flags",
    written: "flags",
    value: 3,
    default: false,
    file: path,
    line: 3,
  });
  assertEquals("server" in bad, false);
  const { server, parameters, ...rest } = good;
  assertEquals(parameters.length, 13);
  assertEquals(Object.keys(server), [
    "endpoint",
    "answers",
    "version",
    "roundTrip",
    "itemSizeMax",
  ]);
  const readOnly = "inline:{a=b} is read-only: its type cannot be written";
  assertEquals(rest, {
    table: `memcache:{memcache=${memcached.server} backup=inline:{a=b}}`,
    type: "memcache",
    good: true,
    problems: [],
    lookup: { possible: true },
    write: { possible: false, remark: readOnly },
    sequence: { possible: true },
    backup: {
      table: "inline:{a=b}",
      type: "inline",
      good: true,
      problems: [],
      lookup: { possible: true },
      write: { possible: false, remark: readOnly },
      sequence: { possible: true },
    },
  });
});

Deno.test("check says what the backup lacks, once", async () => {
  const server = `inet:127.0.0.1:${freePort()}`;
  await using folder = await Folder.make();
  const { code, stdout } = await runCli([
    "check",
    "-c",
    await folder.mailConfiguration(),
    `memcache:{memcache=${server} backup=hash:${folder.path}/none}`,
  ]);
  assertEquals(code, 1);
  assertEquals(stdout.split("No such file or directory").length, 2);
  assertMatch(stdout, /\n {2}server {2}inet:127\S+: no answer\n/);
  assertMatch(stdout, /\n {4}lookup {2}no: it cannot be opened\n/);
  assertMatch(stdout, /\n {2}not good, 2 errors\n$/);
});

Deno.test("check creates no kv: database", async () => {
  await using folder = await Folder.make();
  const path = `${folder.path}/t.kv`;
  const { code, stdout } = await runCli(["check", `kv:${path}`]);
  assertEquals(code, 0);
  assertMatch(stdout, /lookup {2}yes: not there yet: it is created when/);
  assertEquals([...Deno.readDirSync(folder.path)], []);
});

Deno.test("check and stats say what makes no sense", async () => {
  const table: [string[], RegExp][] = [
    [["check"], /no table: name at least one/],
    [["check", "-x", "static:x"], /unknown option -x/],
    [["stats"], /no table: name one, as in memcache-table stats memcache:/],
    [["stats", "memcache:a", "memcache:b"], /stats takes one table, not 2/],
    [["stats", "hash:a"], /hash:a has no statistics/],
    [["stats", "--interval", "2", "memcache:a"], /--interval needs --watch/],
    ...["0", "x", "-1", "1e9", "86401", "Infinity", "0x1", "1s"].map((
      seconds,
    ): [string[], RegExp] => [
      ["stats", "--watch", `--interval=${seconds}`, "memcache:a"],
      /--interval .*: need seconds, from 0\.1 to 86400/,
    ]),
  ];
  await Promise.all(table.map(async ([args, message]) => {
    const { code, stdout, stderr } = await runCli(args);
    assertEquals([code, stdout], [1, ""], args.join(" "));
    assertMatch(stderr, message);
    assertEquals(stderr.split("\n").length, 2, stderr);
  }));
});

Deno.test("check names the permission that it lacks", async () => {
  await using memcached = await Memcached.tcp();
  const { port } = memcached.address as Deno.ConnectOptions;
  const table = `memcache:{memcache=${memcached.server}}`;
  const denied = await runCli(["check", table], { permissions: [] });
  assertEquals(denied.code, 1);
  assertMatch(denied.stdout, new RegExp(`--allow-net=127.0.0.1:${port}`));
  const allowed = await runCli(["check", table], {
    permissions: [`--allow-net=127.0.0.1:${port}`],
  });
  assertEquals([allowed.code, allowed.stderr], [0, ""]);
});

Deno.test("check --all checks what main.cf and master.cf name", async () => {
  await using memcached = await Memcached.tcp();
  await using folder = await Folder.make();
  const server = `memcache = ${memcached.server}\n`;
  const good = await folder.write("good.cf", `${server}key_format = a:%s\n`);
  const bad = await folder.write("bad.cf", `${server}key_format = b:%s\n`);
  const config = [
    "-c",
    await folder.mailConfiguration(
      `virtual_alias_maps = proxy:memcache:${good}\n` +
        `alias_maps = hash:/x,\n  memcache:${bad}\n`,
    ),
  ];
  await folder.write(
    "master.cf",
    `smtp inet n - n - - smtpd\n  -o relay_domains=memcache:${good}\n`,
  );
  const all = await runCli(["check", "--all", ...config]);
  assertEquals([all.code, all.stderr], [1, ""]);
  const [first, second] = all.stdout.split(`\nmemcache:${bad}\n`);
  assertEquals(
    first.split("\n").slice(0, 5),
    [
      `memcache:${good}`,
      "",
      `  named by virtual_alias_maps, ${folder.path}/main.cf, line 2`,
      `  named by smtp/inet/relay_domains, ${folder.path}/master.cf, line 2`,
      "",
    ],
  );
  assertMatch(first, /\n {2}good\n$/);
  assertMatch(second, /error: \S+main.cf, line 3: alias_maps must not have/);
  assertMatch(second, /\n {2}not good, 1 error\n$/);

  const json = await runCli(["check", "-j", "--all", ...config]);
  assertEquals([json.code, json.stderr], [1, ""]);
  const lines = json.stdout.trimEnd().split("\n").map((line) =>
    JSON.parse(line)
  );
  assertEquals(
    lines.map(({ table, good, namedBy }) => [table, good, namedBy]),
    [
      [`memcache:${good}`, true, [
        {
          parameter: "virtual_alias_maps",
          file: `${folder.path}/main.cf`,
          line: 2,
        },
        {
          parameter: "relay_domains",
          service: "smtp/inet",
          file: `${folder.path}/master.cf`,
          line: 2,
        },
      ]],
      [`memcache:${bad}`, false, [
        { parameter: "alias_maps", file: `${folder.path}/main.cf`, line: 3 },
      ]],
    ],
  );
  // One of them by its name gives the same.
  const one = await runCli(["check", "-j", ...config, `memcache:${bad}`]);
  const { server: _, ...rest } = JSON.parse(one.stdout);
  const { server: __, ...expected } = lines[1];
  assertEquals(rest, expected);
});

Deno.test("check --all says what was read where it finds nothing", async () => {
  await using folder = await Folder.make();
  const config = ["-c", await folder.mailConfiguration()];
  await folder.write("master.cf", "");
  const text = `no memcache table is named in ${folder.path}/main.cf, ` +
    `${folder.path}/master.cf\n`;
  const none = await runCli(["check", "--all", ...config]);
  assertEquals([none.code, none.stdout, none.stderr], [0, text, ""]);
  const json = await runCli(["check", "--all", "-j", ...config]);
  assertEquals([json.code, json.stdout], [0, ""]);
  assertEquals(json.stderr, `memcache-table: ${text}`);

  await folder.write("master.cf", "smtp inet\n");
  const broken = await runCli(["check", "--all", ...config]);
  assertEquals([broken.code, broken.stderr], [1, ""]);
  assertMatch(broken.stdout, /^error: \S+master.cf, line 1: a service has at/);
});

Deno.test("check --all says why it cannot", async () => {
  await using folder = await Folder.make();
  const config = ["-c", folder.path];
  const fails = async (
    args: string[],
    message: RegExp,
    permissions?: string[],
  ) => {
    const { code, stdout, stderr } = await runCli(args, { permissions });
    assertEquals([code, stdout], [1, ""]);
    assertMatch(stderr, message);
    assertEquals(stderr.split("\n").length, 2, stderr);
  };
  const all = ["check", "--all", ...config];
  await fails(all, /fatal: \S+main.cf: there is no such file/);
  await fails([...all, "memcache:x"], /--all takes no table/);
  await folder.write("main.cf", "a = 1\nwrong\n");
  await fails(all, /fatal: \S+main.cf, line 2: no "=" after the name: "wrong"/);
  await fails(all, /no permission to read it: run Deno with --allow-read/, []);
});

Deno.test("check shows no password that stands where it should not", async () => {
  await using folder = await Folder.make();
  const config = [
    "-c",
    await folder.mailConfiguration("x_password = a$!s3cret\n"),
  ];
  for (const text of ["user = joe\npassword s3cret", "password:s3cret\n"]) {
    const path = await folder.write("t.cf", text);
    for (
      const args of [["check", `memcache:${path}`], [
        "-q",
        "a",
        `memcache:${path}`,
      ]]
    ) {
      const { code, stdout, stderr } = await runCli(args);
      assertEquals(code, 1);
      assertMatch(stdout + stderr, /no "=" after the name: "password:? ?\(not/);
      assertEquals((stdout + stderr).includes("s3cret"), false);
    }
  }
  const { stdout } = await runCli(["check", ...config, "memcache:x"]);
  assertMatch(stdout, /x_password: a "\$" of its value names no parameter/);
  assertEquals(stdout.includes("s3cret"), false);
});

Deno.test("check --offline asks nobody, and takes tables as serve names them", async () => {
  await using folder = await Folder.make();
  const server = `inet:127.0.0.1:${freePort()}`;
  const good = await folder.write(
    "good.cf",
    `memcache = ${server}\nbackup = static:x\n`,
  );
  const bad = await folder.write("bad.cf", `memcache = ${server}\nttl = x\n`);
  const configDirectory = await folder.mailConfiguration();
  const args = ["check", "--offline", "-c", configDirectory];
  // No permission but to read: whoever asked a server would be refused.
  const permissions = [`--allow-read=${folder.path}`];
  const asked = await runCli([...args, `aliases=memcache:${good}`], {
    permissions,
  });
  assertEquals([asked.code, asked.stderr], [0, ""]);
  assertMatch(asked.stdout, new RegExp(`^memcache:${good}\n`));
  assertMatch(asked.stdout, /\n {2}lookup {2}yes: not tried\n/);
  const refused = await runCli([
    ...args,
    `a=memcache:${good}`,
    `b=memcache:${bad}`,
  ], {
    permissions,
  });
  assertEquals(refused.code, 1);
  assertMatch(refused.stdout, /ttl = x: need a whole number/);
});
