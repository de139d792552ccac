import { explain } from "../../../lib/tables/kv/failures.ts";
import { DatabaseSync } from "node:sqlite";
import { ConfigError, openTable, TemporaryError } from "../../../mod.ts";
import { checkTable } from "../../../lib/maintenance/mod.ts";
import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
} from "../../support/assert.ts";
import { Folder } from "../../support/folder.ts";
import { canBeNobody, Nobody } from "../../support/other_user.ts";
import { root, run, runCli } from "../../support/processes.ts";
import { Random } from "../../support/random.ts";

const quiet = { utf8: true, onWarning: () => {} };

const isRoot = Deno.uid() === 0;

async function digest(path: string): Promise<string> {
  return (await run("sha1sum", [path])).stdout;
}

async function namesIn({ path }: Folder): Promise<string[]> {
  const names = await Array.fromAsync(Deno.readDir(path), ({ name }) => name);
  return names.sort();
}

/** A file with so many entries. */
async function kvFile(folder: Folder, entries: number): Promise<string> {
  const path = `${folder.path}/t.kv`;
  await using table = await openTable(`kv:${path}`, { ...quiet, write: true });
  const many = Array.from({ length: entries }, (_, number) => ({
    key: `k${number}`,
    value: `value ${number}`.padEnd(60),
  }));
  await Array.fromAsync(table.updateMany(many));
  return path;
}

Deno.test("kv: leaves what is no database of its own as it is", async () => {
  await using folder = await Folder.make();
  const made: [string, string[]][] = [
    ["rollback", ["CREATE TABLE mine (a)", "INSERT INTO mine VALUES (1)"]],
    ["wal", ["PRAGMA journal_mode = WAL", "CREATE TABLE kv (k, v)"]],
    ["view", ["CREATE VIEW seen AS SELECT 1"]],
    ["begun", ["PRAGMA application_id = 7"]],
  ];
  for (const [name, commands] of made) {
    const database = new DatabaseSync(`${folder.path}/${name}`);
    for (const command of commands) database.exec(command);
    database.close();
  }
  await folder.write("text", "alice alice@example.com\n");
  await folder.write("zeros", new Uint8Array(8192));
  const before = await namesIn(folder);
  const cases: [string, string][] = [
    ["rollback", "the SQLite database of another program, with tables mine"],
    ["wal", "the SQLite database of another program, with tables kv"],
    ["view", "the SQLite database of another program, with tables seen"],
    ["begun", "the SQLite database of another program: name another file"],
    ["text", "file is not a database"],
    ["zeros", "file is not a database"],
  ];
  for (const [name, message] of cases) {
    const path = `${folder.path}/${name}`;
    const was = await digest(path);
    await using table = await openTable(`kv:${path}#a`, {
      ...quiet,
      write: true,
    });
    const requests = [
      () => table.lookup("k"),
      () => table.first(),
      () => table.update("k", "v"),
      () => table.delete("k"),
      () => Array.fromAsync(table.lookupMany(["k"])),
      () => Array.fromAsync(table.updateMany([{ key: "k", value: "v" }])),
    ];
    for (const request of requests) {
      await assertRejects(request, ConfigError, message);
    }
    const { good, problems } = await checkTable(`kv:${path}`, quiet);
    assertEquals([good, problems.length], [false, 1]);
    assertEquals(await digest(path), was);
  }
  assertEquals(await namesIn(folder), before);
});

Deno.test("kv: leaves another program's database alone while that has it open", async () => {
  await using folder = await Folder.make();
  const path = `${folder.path}/other`;
  const database = new DatabaseSync(path);
  try {
    database.exec("PRAGMA journal_mode = WAL");
    database.exec("CREATE TABLE mine (a)");
    // All that is there is in the log.
    const { code, stderr } = await runCli(["-i", `kv:${path}`], {
      stdin: "k v\n",
    });
    assertEquals(code, 1);
    assertMatch(stderr, /another program, with tables mine: name another file/);
    const tables = database.prepare("SELECT name FROM sqlite_schema").all();
    assertEquals(tables.map(({ name }) => name), ["mine"]);
  } finally {
    database.close();
  }
});

Deno.test("kv: a file: URL is refused, with the name that was meant", async () => {
  await using folder = await Folder.make();
  // Deno has SQLite open the path in it, and other runtimes a file of that name.
  for (
    const [name, meant] of [
      ["file:t.kv", "kv:t.kv"],
      [`file:${folder.path}/t.kv#a`, `kv:${folder.path}/t.kv#a`],
      [`file://${folder.path}/t.kv?mode=ro`, `kv:${folder.path}/t.kv`],
      ["FILE:///t.kv", "kv:/t.kv"],
    ]
  ) {
    await assertRejects(
      () => openTable(`kv:${name}`, { ...quiet, write: true }),
      ConfigError,
      `name the file without "file:", as in ${meant.replace(/#a$/, "")}`,
    );
  }
  // It may be the name of a file.
  const path = `${folder.path}/file:t.kv`;
  await using table = await openTable(`kv:${path}`, { ...quiet, write: true });
  await table.update("k", "v");
  assertEquals(await table.lookup("k"), "v");
});

Deno.test("kv: says what is there instead of a file", async () => {
  await using folder = await Folder.make();
  await Deno.mkdir(`${folder.path}/folder`);
  await run("mkfifo", [`${folder.path}/pipe`]);
  using _ = Deno.listen({ transport: "unix", path: `${folder.path}/socket` });
  const cases = [
    ["folder", "directory"],
    ["pipe", "pipe"],
    ["socket", "socket"],
    ["/dev/null", "device"],
  ];
  for (const [name, kind] of cases) {
    const path = name.startsWith("/") ? name : `${folder.path}/${name}`;
    await using table = await openTable(`kv:${path}`, {
      ...quiet,
      write: true,
    });
    for (
      const request of [() => table.lookup("k"), () => table.update("k", "v")]
    ) {
      await assertRejects(request, ConfigError, `is a ${kind}, not a file`);
    }
  }
  const inFile = await folder.write("file", "");
  await using nested = await openTable(`kv:${inFile}/t.kv`, {
    ...quiet,
    write: true,
  });
  assertEquals(await nested.lookup("k"), undefined);
  await assertRejects(
    () => nested.update("k", "v"),
    ConfigError,
    `${inFile} is not a folder`,
  );
});

Deno.test("kv: an empty file is no database yet, and may become one", async () => {
  await using folder = await Folder.make();
  const path = await folder.write("t.kv", "");
  const warnings: string[] = [];
  await using table = await openTable(`kv:${path}`, {
    utf8: true,
    write: true,
    onWarning: (line) => warnings.push(line),
  });
  assertEquals(await table.lookup("k"), undefined);
  assertEquals((await Deno.stat(path)).size, 0);
  assertEquals(warnings, [
    `kv:${path}: no such database yet: nothing was stored in ${path}`,
  ]);
  assertEquals(await table.update("k", "v"), true);
  assertEquals(await table.lookup("k"), "v");
});

Deno.test("kv: says once that there is no database yet, each time that it is so", async () => {
  await using folder = await Folder.make();
  const path = `${folder.path}/t.kv`;
  const said =
    `warning: kv:${path}: no such database yet: there is no file ${path}\n`;
  for (
    const [args, stdin] of [
      [["-q", "k"], ""],
      [["-q", "-"], "a\nb\nc\n"],
      [["-d", "k"], ""],
      [["-s"], ""],
    ] as const
  ) {
    const { code, stdout, stderr } = await runCli([...args, `kv:${path}`], {
      stdin,
    });
    assertEquals([code, stdout], [args[0] === "-s" ? 0 : 1, ""]);
    assertEquals(stderr, `memcache-table: ${said}`);
  }
  const { code, stderr } = await runCli(["-i", `kv:${path}`], {
    stdin: "k v\n",
  });
  assertEquals([code, stderr], [0, ""]);
});

Deno.test("kv: a table that is listed and then written is missed by nobody", async () => {
  await using folder = await Folder.make();
  const path = `${folder.path}/t.kv`;
  const said =
    `memcache-table: warning: kv:${path}: no such database yet: there is no file ${path}\n`;
  const sync = async (...more: string[]) => {
    const args = ["sync", ...more, `kv:${path}`];
    const stdin = more.includes("--allow-empty") ? "" : "k v\n";
    const { code, stderr } = await runCli(args, { stdin });
    assertEquals(code, 0);
    return stderr;
  };
  assertEquals(
    await sync("--dry-run"),
    `${said}memcache-table: kv:${path}: added 1, changed 0, removed 0, kept 0; ` +
      "nothing was changed\n",
  );
  assertEquals(await sync("--allow-empty"), said);
  assertEquals(await sync(), "");
  assertEquals(await sync(), "");
  await Deno.remove(path);

  const warnings: string[] = [];
  {
    await using table = await openTable(`kv:${path}`, {
      utf8: true,
      write: true,
      onWarning: (line) => warnings.push(line),
    });
    for (let round = 0; round < 2; round++) {
      for await (const _ of table) throw new Error("it has nothing");
      assertEquals(warnings, []);
    }
    assertEquals(await table.lookup("k"), undefined);
    assertEquals(warnings.length, 1);
    for await (const _ of table) throw new Error("it has nothing");
  }
  assertEquals(warnings.length, 1);
});

Deno.test("kv: what is damaged is an error that passes, and never an answer", async () => {
  const random = Random.seeded("kv damage");
  await using folder = await Folder.make();
  const path = await kvFile(folder, 3000);
  const whole = await Deno.readFile(path);
  const expected = new Map(
    Array.from({ length: 3000 }, (_, number) => [
      `k${number}`,
      `value ${number}`.padEnd(60),
    ]),
  );
  const damages: ((bytes: Uint8Array) => Uint8Array)[] = [
    (bytes) => bytes.subarray(0, random.integer(1, bytes.length - 4096)),
    // From the first page of the entries on: a page, or some.
    (bytes) => {
      const page = random.integer(10, bytes.length / 4096 - 1);
      return bytes.fill(0, page * 4096, (page + random.integer(1, 20)) * 4096);
    },
    (bytes) => {
      const page = random.integer(10, bytes.length / 4096 - 1);
      return bytes.fill(0xff, page * 4096, (page + 1) * 4096);
    },
    (bytes) => bytes.fill(0, 0, random.integer(1, 5) * 4096),
  ];
  let failures = 0;
  for (let round = 0; round < 40; round++) {
    const bytes = damages[round % damages.length](whole.slice());
    const file = `${folder.path}/${round}.kv`;
    await Deno.writeFile(file, bytes);
    await using table = await openTable(`kv:${file}`, quiet);
    const found: [string, string][] = [];
    try {
      for await (const { key, value } of table) found.push([key, value]);
      assertEquals(found.length, 3000, `${round}`);
    } catch (error) {
      failures++;
      const isSaid = error instanceof TemporaryError &&
          /is damaged \(.*\): put a copy in its place/.test(error.message) ||
        error instanceof ConfigError &&
          /file is not a database.*put a copy in its place/.test(error.message);
      assert(isSaid, `${error}`);
    }
    for (const [key, value] of found) assertEquals(value, expected.get(key));
  }
  assert(failures > 30, `${failures}`);
  // And by the command line: what is missing is not "not found".
  await Deno.writeFile(path, whole.slice().fill(0, 20 * 4096, 60 * 4096));
  const keys = [...expected.keys()].join("\n");
  const looked = await runCli(["-q", "-", `kv:${path}`], { stdin: keys });
  assertEquals(looked.code, 1);
  assertMatch(looked.stderr, /fatal: kv:.* is damaged .*copy/);
  assertEquals((await runCli(["-s", `kv:${path}`])).code, 1);
});

Deno.test("kv: waits for a file that is being copied into its place", async () => {
  await using folder = await Folder.make();
  const path = await kvFile(folder, 2000);
  const whole = await Deno.readFile(path);
  await using table = await openTable(`kv:${path}`, quiet);
  assertEquals((await table.lookup("k7"))?.trim(), "value 7");
  const file = await Deno.open(path, { write: true, truncate: true });
  const writer = file.writable.getWriter();
  // Piece by piece, each when the table has looked at the one before.
  let isDone = false;
  const copying = (async () => {
    for (let at = 0; at < whole.length; at += 40_000) {
      await writer.write(whole.subarray(at, at + 40_000));
      await new Promise((resolve) => setTimeout(resolve, 60));
    }
    await writer.close();
    isDone = true;
  })();
  let answers = 0;
  while (!isDone) {
    assertEquals((await table.lookup("k7"))?.trim(), "value 7");
    answers++;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await copying;
  assert(answers > 0);
  assertEquals((await table.lookup("k1999"))?.trim(), "value 1999");
});

Deno.test({
  name: "kv: says who may not do what with which file, also for a lookup",
  ignore: !await canBeNobody(),
  fn: async () => {
    await using folder = await Folder.make();
    await Deno.chmod(folder.path, 0o755);
    const nobody = await Nobody.in(`${folder.path}/nobody`);
    const data = `${folder.path}/data`;
    const path = `${data}/t.kv`;
    const file = (mode: string) =>
      `the file ${path} (owner root, group root, mode ${mode})`;
    const inFolder = (mode: string) =>
      `the folder ${data} (owner root, group root, mode ${mode})`;
    const cases: [number | undefined, number, string, boolean][] = [
      [0o444, 0o755, `may not write ${file("0444")}`, true],
      [0o600, 0o777, `may not read ${file("0600")}`, true],
      [0o666, 0o755, `may not make files in ${inFolder("0755")}`, true],
      [0o666, 0o700, `may not enter ${inFolder("0700")}`, true],
      [undefined, 0o755, `may not make files in ${inFolder("0755")}`, false],
    ];
    for (const [mode, folderMode, message, looksUp] of cases) {
      await Deno.mkdir(data);
      if (mode !== undefined) {
        await using table = await openTable(`kv:${path}`, {
          ...quiet,
          write: true,
        });
        await table.update("k", "v");
        await table.close();
        await Deno.chmod(path, mode);
      }
      await Deno.chmod(data, folderMode);
      const printed = await nobody.run(`
        import { openTable } from "${root}mod.ts";
        import { checkTable } from "${root}lib/maintenance/mod.ts";
        const options = { utf8: true, onWarning: () => {} };
        const table = await openTable("kv:${path}", { ...options, write: true });
        const say = (work) => work.then(String, ({ name, message }) => name + ": " + message);
        console.log(await say(table.lookup("k")));
        console.log(await say(table.update("k", "v")));
        const { good, write, problems } = await checkTable("kv:${path}", options);
        console.log(good, write.possible, problems.map(({ message }) => message).join());
      `);
      const [lookup, update, checked] = printed.split("\n");
      const said = `TemporaryError: kv:${path}: user nobody ${message}: ` +
        "a kv table needs to write its file and its folder, even to look up";
      assertEquals(lookup, looksUp ? said : "undefined");
      assertEquals(update, said);
      assert(checked.startsWith("false false kv:"), checked);
      assert(checked.includes(message), checked);
      await Deno.remove(data, { recursive: true });
    }
  },
});

Deno.test({
  name: "kv: says that its file system is read-only, or full",
  ignore: !isRoot,
  fn: async () => {
    await using folder = await Folder.make();
    const small = `${folder.path}/small`;
    await Deno.mkdir(small);
    const mount = await run("mount", [
      "-t",
      "tmpfs",
      "-o",
      "size=2m",
      "tmpfs",
      small,
    ]);
    // In a container even root may not.
    if (mount.code !== 0) return;
    try {
      const name = `kv:${small}/t.kv`;
      const closed = `kv:${small}/closed.kv`;
      await runCli(["-i", closed], { stdin: "k v\n" });
      const lines = Array.from(
        { length: 20_000 },
        (_, number) => `k${number} ${"x".repeat(300)}\n`,
      );
      const full = await runCli(["-i", name], { stdin: lines.join("") });
      assertEquals(full.code, 1);
      assertMatch(full.stderr, /fatal: kv:.*: no space is left for .*t\.kv/);
      {
        await using table = await openTable(`kv:${small}/u.kv`, {
          ...quiet,
          write: true,
        });
        await assertRejects(() => table.update("k", "v"), TemporaryError);
      }
      assertEquals((await run("mount", ["-o", "remount,ro", small])).code, 0);
      const message = `the file system of ${small} is read-only`;
      for (const args of [["-q", "k", closed], ["-i", `kv:${small}/new.kv`]]) {
        const { code, stderr } = await runCli(args, { stdin: "k v\n" });
        assertEquals(code, 1);
        assert(stderr.includes(message), stderr);
      }
      const checked = await runCli(["check", `kv:${small}/new.kv`]);
      assertEquals(checked.code, 1);
      assert(checked.stdout.includes(`error: kv:${small}/new.kv: ${message}`));
    } finally {
      await run("umount", [small]);
    }
  },
});

Deno.test("kv: tells of what was stored before it failed, and of nothing that was not", async () => {
  await using folder = await Folder.make();
  const path = `${folder.path}/t.kv`;
  let commits = 0;
  const kvLibrary = () =>
    Promise.resolve({
      async openKv(path: string | undefined) {
        const kv = await Deno.openKv(path);
        return new Proxy(kv, {
          get(_, method: keyof Deno.Kv) {
            if (method !== "atomic") return kv[method]?.bind(kv);
            return () => {
              if (++commits === 3) throw new Error("database or disk is full");
              return kv.atomic();
            };
          },
        }) as unknown as Awaited<
          ReturnType<typeof Deno.openKv>
        >;
      },
    });
  const many = Array.from({ length: 500 }, (_, number) => ({
    key: number === 10 ? "" : `k${String(number).padStart(4, "0")}`,
    value: "x".repeat(5000),
  }));
  const told: string[] = [];
  {
    await using table = await openTable(`kv:${path}`, {
      ...quiet,
      write: true,
      kvLibrary,
    });
    await assertRejects(
      async () => {
        for await (const { key, stored } of table.updateMany(many)) {
          if (stored) told.push(key);
        }
      },
      TemporaryError,
      "no space is left",
    );
  }
  await using after = await openTable(`kv:${path}`, quiet);
  const there = await Array.fromAsync(after, ({ key }) => key);
  // A later commit was under way when one failed.
  assertEquals(told, there.slice(0, told.length));
  assert(told.length > 150 && there.length < 499, `${there.length}`);
});

Deno.test("a file that cannot be read or written may be on a full disk", () => {
  // Even a lookup makes a file beside that of the database.
  const { message } = explain(undefined, "/x.kv", new Error("disk I/O error"))!;
  assertMatch(message, /^\/x.kv cannot be .*: its file system may be full/);
});

Deno.test("a limit of file size is an error that is told, and ends nothing without a word", async () => {
  await using folder = await Folder.make();
  const lines = Array.from(
    { length: 60_000 },
    (_, number) => `k${number} ${"x".repeat(300)}\n`,
  );
  const input = await folder.write("lines", lines.join(""));
  const limited = (command: string) =>
    run("bash", ["-c", `ulimit -f 12000; ${command}`, Deno.execPath()]);
  // Deno has files of its own, which may be larger.
  const cli = `"$0" run --quiet --no-code-cache -A ${root}cli.ts`;
  const load = await limited(`${cli} -i kv:${folder.path}/t.kv <${input}`);
  assertEquals(load.code, 1);
  assertMatch(
    load.stderr,
    /^memcache-table: [\d,]+ entries stored.*\nmemcache-table: fatal: kv:.*ulimit -f.*\n$/,
  );
  const output = await limited(
    `${cli} -q - static:${"v".repeat(300)} <${input} >${folder.path}/out`,
  );
  assertEquals(output.code, 1);
  assertMatch(output.stderr, /^memcache-table: fatal: standard output: .*\n$/);
});

Deno.test("check says what is to be known of the database of a kv: table", async () => {
  await using folder = await Folder.make();
  const path = `${folder.path}/t.kv`;
  const missing = await runCli(["check", `kv:${path}`]);
  assertEquals(missing.code, 0);
  assertMatch(missing.stdout, /\n {2}no such database yet: kv:\S+t\.kv\n$/);
  const json = JSON.parse((await runCli(["check", "-j", `kv:${path}`])).stdout);
  assertEquals([json.good, json.missing], [true, true]);
  const backed = `memcache:{memcache=inet:127.0.0.1:1 backup=kv:${path}}`;
  const behind = await runCli(["check", backed]);
  assertMatch(behind.stdout, /\n {2}not good, 1 error\n$/);
  await kvFile(folder, 1);
  assertMatch((await runCli(["check", `kv:${path}`])).stdout, /\n {2}good\n$/);
  if (!isRoot) return;
  await Deno.chown(path, 65534, 65534);
  const { code, stdout } = await runCli(["check", `kv:${path}`]);
  assertEquals(code, 0);
  assertMatch(stdout, /\n {2}good, 1 warning\n$/);
  assertMatch(
    stdout,
    /warning: kv:\S+: the file \S+ \(owner nobody, group nogroup, mode 0640\), the folder \S+ \(owner root, group root, mode 0700\): not both belong to user root, who runs this check: whoever serves/,
  );
});
