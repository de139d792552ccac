import {
  assertEquals,
  assertMatch,
  assertStringIncludes,
} from "../support/assert.ts";
import { Folder } from "../support/folder.ts";
import { peakMemory } from "../support/peak_memory.ts";
import { Memcached } from "../support/memcached.ts";
import { runCli, runPostmap } from "../support/processes.ts";

/** What is given, the exit status, standard output, and standard error. */
const runs: [string[], string, number, string, RegExp][] = [
  [[], "b 1\na 2\n  3\n", 0, "added 2, changed 0, removed 0, kept 0\n", /^$/],
  [
    ["--dry-run"],
    "A 2  3\nb 9\nc 4\n",
    0,
    "~ b\t9\n+ c\t4\n",
    /: added 1, changed 1, removed 0, kept 1; nothing was changed\n$/,
  ],
  [
    ["--dry-run", "-j"],
    'b 9\nc "é"\n',
    0,
    '{"change":"removed","key":"a","value":"2  3"}\n' +
    '{"change":"changed","key":"b","value":"9"}\n' +
    '{"change":"added","key":"c","value":"\\"é\\""}\n',
    /nothing was changed/,
  ],
  [
    ["-j"],
    "b 9\nc 4\n",
    0,
    '{"added":1,"changed":1,"removed":1,"kept":0,"leftOut":0}\n',
    /^$/,
  ],
  [
    [],
    "b 9\nonly-a-key\n",
    1,
    "",
    /line 2: need "key white-space value" .*\n.*fatal: a line of standard input cannot be used: nothing was changed; .* --partial\n$/,
  ],
  [
    [],
    `b 9\n${"k".repeat(3000)} v\n\xff 1\n`,
    1,
    "",
    /line 2: key "k+": its 3\d\d\d bytes are more .*\n.*line 3: it is not UTF-8: not stored\n.*fatal: 2 lines of/,
  ],
  [
    ["--partial"],
    "b 9\nonly-a-key\n",
    1,
    "added 0, changed 0, removed 1, kept 1\n",
    /^\S+ warning: standard input, line 2: .*: not stored\n$/,
  ],
  [
    [],
    "# nothing\n",
    1,
    "",
    /has no entries: nothing was changed; --allow-empty/,
  ],
  [["-w"], "b 9\nb 8\n", 0, "added 0, changed 0, removed 0, kept 1\n", /^$/],
  [
    [],
    "b 9\nb 8\n",
    0,
    "added 0, changed 0, removed 0, kept 1\n",
    /warning: key "b" is in the source more than once: the first one counts\n$/,
  ],
  [["-r"], "b 9\nb 8\n", 0, "added 0, changed 1, removed 0, kept 0\n", /^$/],
  [["-f"], "B 8\n", 0, "added 1, changed 0, removed 1, kept 0\n", /^$/],
  [
    ["-u"],
    "\xff \xfe\n",
    0,
    "added 1, changed 0, removed 1, kept 0\n",
    /^$/,
  ],
  [["-u", "--dry-run"], "\xff \xfd\n", 0, "~ \xff\t\xfd\n", /nothing/],
  [
    ["-u", "--allow-empty"],
    "",
    0,
    "added 0, changed 0, removed 1, kept 0\n",
    /^$/,
  ],
];

Deno.test("sync makes a table equal to standard input, and says what it did", async () => {
  await using folder = await Folder.make();
  const table = `kv:${folder.path}/t.kv`;
  await runCli(["-i", table], { stdin: "x 1\n" });
  await runCli(["-d", "x", table]);
  for (const [args, source, status, printed, said] of runs) {
    // What is written here as a byte string, unless it is text.
    const stdin = source.includes("é")
      ? source
      : Uint8Array.from(source, (character) => character.charCodeAt(0));
    const { code, stdout, stderr } = await runCli(
      ["sync", "-c", "/nonexistent", ...args, table],
      { stdin },
    );
    const bytes = printed.includes("é")
      ? printed.replaceAll("é", "\xc3\xa9")
      : printed;
    assertEquals([code, stdout], [status, bytes], `${args}: ${stderr}`);
    assertMatch(stderr, said);
  }
});

Deno.test("sync fills a table of the installed Postfix that does not exist yet", async () => {
  await using folder = await Folder.make();
  await using server = await Memcached.tcp();
  for (const type of ["hash", "lmdb"]) {
    const alone = `${type}:${folder.path}/${type}`;
    const backup = `${type}:${folder.path}/${type}-backup`;
    const cached = `memcache:{memcache=${server.server}, backup=${backup}}`;
    for (const [table, listed] of [[alone, alone], [cached, backup]]) {
      const sync = async () =>
        await runCli(["sync", table], { stdin: "a 1\nb 2\n" });
      for (const counts of ["added 2, changed 0", "added 0, changed 0"]) {
        const { code, stdout, stderr } = await sync();
        assertEquals([code, stderr], [0, ""]);
        assertStringIncludes(stdout, counts);
      }
      const { stdout } = await runPostmap(["-s", listed]);
      assertEquals(stdout.split("\n").sort().join(), ",a\t1,b\t2");
      // Who only reads is told, as by postmap.
      assertEquals((await runCli(["-s", `${listed}-not`])).code, 1);
    }
  }
});

Deno.test("sync --dry-run lists what it would add to a table that does not exist yet, and creates nothing", async () => {
  await using folder = await Folder.make();
  await using server = await Memcached.tcp();
  const content = () => [...Deno.readDirSync(folder.path)];
  for (const type of ["hash", "btree", "lmdb", "kv"]) {
    const alone = `${type}:${folder.path}/new`;
    const cached = `memcache:{memcache=${server.server}, backup=${alone}}`;
    for (const table of [alone, cached]) {
      const { code, stdout, stderr } = await runCli(
        ["sync", "--dry-run", table],
        { stdin: "b 2\na 1\n" },
      );
      assertEquals([code, stdout], [0, "+ a\t1\n+ b\t2\n"], stderr);
      assertEquals(stderr.split("\n").length, 3, stderr);
      assertStringIncludes(stderr, `${alone}: no such database yet: there is`);
      assertStringIncludes(stderr, `${table}: added 2, changed 0, removed 0`);
      assertEquals(content(), []);
    }
  }
  // Those of a domain list must be there: sync itself does not make them.
  const alone = `hash:${folder.path}/new`;
  const domain = `hash:${folder.path}/domains`;
  const table =
    `memcache:{memcache=${server.server}, backup=${alone}, domain=${domain}}`;
  for (const options of [["--dry-run"], []]) {
    const { code, stdout, stderr } = await runCli(
      ["sync", ...options, table],
      { stdin: "a@b 1\n" },
    );
    assertEquals([code, stdout], [1, ""], stderr);
    assertStringIncludes(stderr, "domain");
    assertStringIncludes(stderr, "No such file or directory");
  }
});

Deno.test("sync says what it needs", async () => {
  const table: [string[], RegExp][] = [
    [["sync"], /no table: name one, as in memcache-table sync memcache:/],
    [["sync", "kv:a", "kv:b"], /sync takes one table, not 2/],
    [["sync", "memcache:{}"], /cannot be listed, .* give it a "backup"/],
    [["sync", "inline:{a=1}"], /is read-only/],
    [["sync", "--force", "kv:a"], /did you mean --partial\?/],
  ];
  for (const [args, message] of table) {
    const { code, stdout, stderr } = await runCli(args, { stdin: "a 1\n" });
    assertEquals([code, stdout], [1, ""]);
    assertMatch(stderr, message);
    assertEquals(stderr.split("\n").length, 2, stderr);
  }
});

Deno.test("sync without permission for a temporary file says so, and changes nothing", async () => {
  await using folder = await Folder.make();
  const stdin = Array.from({ length: 40_000 }, (_, at) => `key${at} v\n`);
  const { code, stderr } = await runCli(
    ["sync", "-c", "/nonexistent", `kv:${folder.path}/t.kv`],
    {
      stdin: stdin.join(""),
      permissions: [
        "--allow-read",
        `--allow-write=${folder.path}`,
        "--allow-env=TMPDIR",
      ],
    },
  );
  assertEquals(code, 1);
  assertMatch(stderr, /cannot be put into a file of \/tmp: .*: set TMPDIR to/);
  assertEquals(await Array.fromAsync(Deno.readDir(folder.path)), []);
});

// In MiB. What keeps its entries ends in this heap.
const heap = 64;

Deno.test("sync takes entries of 80 MB in a heap that cannot hold them", async () => {
  await using folder = await Folder.make();
  const sync = async (script: string) => {
    const { stdout } = await peakMemory((commandLine) =>
      `seq 80000 | sed "${script}" | ` +
      `DENO_V8_FLAGS=--max-old-space-size=${heap} ` +
      `${commandLine} sync kv:${folder.path}/t.kv 2>/dev/null`
    );
    return stdout;
  };
  const line = `s/.*/user&@example.com number-& ${"x".repeat(1000)}/`;
  assertEquals(
    await sync(line),
    "added 80,000, changed 0, removed 0, kept 0\n",
  );
  assertEquals(
    await sync(`${line};/7@example/d;s/9 x/9 y/`),
    "added 0, changed 8,000, removed 8,000, kept 64,000\n",
  );
});
