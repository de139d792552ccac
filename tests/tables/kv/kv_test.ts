import {
  ConfigError,
  type Entry,
  type KvDatabase,
  openTable,
  type Table,
  TemporaryError,
} from "../../../mod.ts";
import { assert, assertEquals, assertRejects } from "../../support/assert.ts";
import { Folder } from "../../support/folder.ts";
import { root, runCli } from "../../support/processes.ts";
import { Random } from "../../support/random.ts";

const quiet = { utf8: true, onWarning: () => {} };

async function keys(table: Table): Promise<string[]> {
  return await Array.fromAsync(table, ({ key }) => key);
}

/** Runs Deno until it has printed so many lines, kills it, and returns them. */
async function killedAfter(lines: number, args: string[]): Promise<string[]> {
  const child = new Deno.Command(Deno.execPath(), {
    args,
    stdout: "piped",
    stderr: "null",
  }).spawn();
  let printed = "";
  for await (const chunk of child.stdout) {
    printed += new TextDecoder().decode(chunk);
    if (printed.split("\n").length > lines) break;
  }
  child.kill("SIGKILL");
  await child.status;
  return printed.slice(0, printed.lastIndexOf("\n")).split("\n");
}

Deno.test("kv: holds several tables in one database", async () => {
  await using folder = await Folder.make();
  const file = `${folder.path}/t.kv`;
  for (const namespace of ["", "#a", "#ab", "#a#b", "#"]) {
    await using table = await openTable(`kv:${file}${namespace}`, {
      ...quiet,
      write: true,
    });
    if (namespace !== "#") await table.update("k", namespace);
  }
  const expected: [string, string][] = [
    ["", ""],
    ["#a", "#a"],
    ["#ab", "#ab"],
    ["#", ""],
  ];
  for (const [namespace, value] of expected) {
    await using table = await openTable(`kv:${file}${namespace}`, quiet);
    assertEquals(await table.lookup("k"), value);
    assertEquals(await keys(table), ["k"]);
  }
});

Deno.test("kv: refuses what Deno KV cannot hold, with the limit", async () => {
  await using folder = await Folder.make();
  const warnings: string[] = [];
  await using table = await openTable(`kv:${folder.path}/t.kv#space`, {
    utf8: true,
    write: true,
    onWarning: (line) => warnings.push(line),
  });
  const longest = 2048 - ("table".length + 2) - ("space".length + 2) - 2;
  assertEquals(await table.update("k".repeat(longest), "v"), true);
  assertEquals(await table.lookup("k".repeat(longest)), "v");
  assertEquals(await table.update("v", "x".repeat(65536)), true);
  assertEquals((await table.lookup("v"))?.length, 65536);
  assertEquals(warnings, []);
  assertEquals(await table.update("k".repeat(longest + 1), "v"), false);
  assertEquals(await table.update("v", "x".repeat(65537)), false);
  assertEquals(await table.update("", "v"), false);
  assertEquals(warnings.length, 3);
  // Deno KV writes a null byte as two.
  const nulls = "\0".repeat(Math.floor(longest / 2));
  assertEquals(await table.update(nulls, "v"), true);
  assertEquals(await table.lookup(nulls), "v");
  assertEquals(await table.update(`${nulls}\0`, "v"), false);
  assertEquals(await table.lookup(`${nulls}\0`), undefined);
  assertEquals(warnings.length, 4);
  assert(warnings[0].includes(`${longest}`) && warnings[1].includes("65536"));
  assertEquals(await table.lookup("k".repeat(longest + 1)), undefined);
  assertEquals(await table.delete("k".repeat(longest + 1)), false);
});

Deno.test("kv: is created when it is first written, and found by who waited for it", async () => {
  await using folder = await Folder.make();
  const file = `${folder.path}/t.kv`;
  await using reader = await openTable(`kv:${file}`, quiet);
  await using writer = await openTable(`kv:${file}`, { ...quiet, write: true });
  assertEquals(await reader.lookup("k"), undefined);
  assertEquals(await reader.first(), undefined);
  assertEquals(await writer.delete("k"), false);
  assertEquals([...Deno.readDirSync(folder.path)].length, 0);
  const [one, two] = await Promise.all([
    writer.update("k", "v"),
    writer.update("l", "w"),
  ]);
  assertEquals([one, two], [true, true]);
  assertEquals(await reader.lookup("k"), "v");
  assertEquals(await reader.first(), { key: "k", value: "v" });
});

Deno.test("kv: lists what stays though entries come and go meanwhile", async () => {
  await using folder = await Folder.make();
  await using table = await openTable(`kv:${folder.path}/t.kv`, {
    ...quiet,
    write: true,
  });
  const name = (number: number) => `k${String(number).padStart(5, "0")}`;
  await Promise.all(
    Array.from(
      { length: 1300 },
      (_, number) => table.update(name(number), "v"),
    ),
  );
  const seen: string[] = [];
  for await (const { key } of table) {
    seen.push(key);
    // Behind the cursor, as a clean-up does it, and before it.
    if (seen.length % 3 === 0) await table.delete(key);
    if (seen.length === 100) await table.delete(name(700));
    if (seen.length === 200) await table.update("k00900x", "v");
  }
  assertEquals(seen.length, 1300);
  assertEquals(new Set(seen).size, 1300);
  assert(!seen.includes(name(700)) && seen.includes("k00900x"));
});

Deno.test("kv: lists on after the longest keys", async () => {
  await using folder = await Folder.make();
  const longest = 2048 - ("table".length + 2) - 2 - 2;
  // A part of the listing ends with the hundredth key.
  const hundredths: [string, string[]][] = [
    ["l".repeat(longest), ["l".repeat(longest - 1) + "m", "m"]],
    ["l".repeat(longest - 1), ["l".repeat(longest), "m"]],
    ["l\xff".padEnd(longest, "\xff"), ["m", "m".repeat(longest)]],
    // Deno KV writes a null byte as two.
    ["l".padEnd(1 + (longest - 1) / 2, "\0"), ["l\x01", "m"]],
    ["\xff".repeat(longest), []],
  ];
  for (const [at, [last, more]] of hundredths.entries()) {
    await using table = await openTable(`kv:${folder.path}/${at}.kv`, {
      ...quiet,
      utf8: false,
      write: true,
    });
    const before = Array.from(
      { length: 99 },
      (_, number) => `k${100 + number}`,
    );
    const all = [...before, last, ...more].map((key) => ({ key, value: "v" }));
    await Array.fromAsync(table.updateMany(all));
    const listed = await keys(table);
    assertEquals(listed.length, all.length);
    assertEquals(new Set(listed), new Set(all.map(({ key }) => key)));
  }
});

Deno.test("kv: says what is wrong with a database", async () => {
  await using folder = await Folder.make();
  const broken = await folder.write("broken.kv", "x".repeat(5000));
  const cases: [string, string][] = [
    [`kv:${folder.path}/none/t.kv`, "unable to open database file"],
    [`kv:${broken}`, "file is not a database"],
    [`kv:${folder.path}`, "unable to open"],
  ];
  for (const [name, message] of cases) {
    await using table = await openTable(name, { ...quiet, write: true });
    await assertRejects(() => table.update("k", "v"), ConfigError, message);
    await assertRejects(() => table.update("k", "v"), ConfigError, name);
  }
  const file = `${folder.path}/foreign.kv`;
  {
    using kv = await Deno.openKv(file);
    await kv.set(["table", "", new TextEncoder().encode("k")], "a string");
  }
  await using foreign = await openTable(`kv:${file}`, quiet);
  await assertRejects(() => foreign.lookup("k"), ConfigError, "no byte value");
});

Deno.test("kv: names the flag and the permissions that it lacks", async () => {
  await using folder = await Folder.make();
  const file = `${folder.path}/t.kv`;
  await runCli(["-i", `kv:${file}`], { stdin: "k v\n" });
  const { code, stderr } = await runCli(["-q", "k", `kv:${file}`], {
    permissions: [],
  });
  assertEquals(code, 1);
  const flags = stderr.match(/--allow-\S+/g) ?? [];
  assertEquals(flags, [`--allow-read=${file}`, `--allow-write=${file}`]);
  const allowed = await runCli(["-q", "k", `kv:${file}`], {
    permissions: flags,
  });
  assertEquals(allowed.stdout, "v\n");
  // Without the deno.json that turns KV on.
  const { stderr: said } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      "--no-config",
      "--import-map=deno.json",
      "cli.ts",
      "-dk",
      `kv:${file}`,
    ],
    cwd: root,
  }).output();
  assert(/fatal: .*--unstable-kv.*\n$/.test(new TextDecoder().decode(said)));
});

Deno.test("kv: takes any database that has the methods", async () => {
  const entries = new Map<string, { key: unknown[]; value: unknown }>();
  const id = (key: unknown[]) =>
    JSON.stringify(
      key.map((part) => part instanceof Uint8Array ? [...part] : part),
    );
  let closed = 0;
  const unasked = () => {
    throw new Error("not asked for");
  };
  const database: KvDatabase = {
    get: (key) => {
      const found = entries.get(id(key));
      return Promise.resolve({
        key,
        value: found?.value ?? null,
        versionstamp: found ? "1" : null,
      });
    },
    set: (key, value) => Promise.resolve(entries.set(id(key), { key, value })),
    delete: (key) => Promise.resolve(void entries.delete(id(key))),
    async *list() {
      for (const { key, value } of entries.values()) {
        yield { key, value, versionstamp: "1" };
      }
    },
    // One entry needs no transaction.
    atomic: () => ({ check: unasked, set: unasked, commit: unasked }),
    close: () => void closed++,
  };
  const paths: (string | undefined)[] = [];
  const openKv = (path: string | undefined) => {
    paths.push(path);
    return Promise.resolve(database);
  };
  {
    await using table = await openTable("kv:", {
      ...quiet,
      openKv,
      write: true,
    });
    await table.update("k", "v");
    assertEquals(await table.lookup("k"), "v");
    assertEquals(await keys(table), ["k"]);
    assertEquals(await table.delete("k"), true);
    await using named = await openTable("kv:any name#space", {
      ...quiet,
      openKv,
    });
    assertEquals(await named.lookup("k"), undefined);
  }
  assertEquals(paths, [undefined, "any name"]);
  assertEquals(closed, 2);
  const failing = {
    ...database,
    get: () => Promise.reject(new Error("quota")),
  };
  await using table = await openTable("kv:x", {
    ...quiet,
    openKv: () => Promise.resolve(failing),
  });
  await assertRejects(() => table.lookup("k"), TemporaryError, "kv:x: quota");
});

async function* manyEntries(): AsyncGenerator<Entry> {
  for (let number = 0; number < 1050; number++) {
    yield { key: `K${number}`, value: `v${number}` };
  }
  yield { key: "", value: "empty" };
  yield { key: "k1049", value: "again" };
  yield { key: "large", value: "x".repeat(65537) };
  for (let number = 0; number < 30; number++) {
    yield { key: `l${number}`, value: "x".repeat(65536) };
  }
}

Deno.test("kv: stores many entries in few commits, and tells of each in order", async () => {
  await using folder = await Folder.make();
  let commits = 0;
  const openKv = async (path: string | undefined): Promise<KvDatabase> => {
    const kv = await Deno.openKv(path);
    return {
      get: (key) => kv.get(key),
      set: (key, value) => kv.set(key, value),
      delete: (key) => kv.delete(key),
      list: (selector, options) => kv.list(selector, options),
      close: () => kv.close(),
      atomic: () => {
        commits++;
        return kv.atomic();
      },
    };
  };
  for (const duplicates of ["replace", "ignore"] as const) {
    const name = `kv:${folder.path}/t.kv#${duplicates}`;
    const options = { ...quiet, openKv, write: true, duplicates };
    await using table = await openTable(name, options);
    const told: [string, boolean][] = [];
    commits = 0;
    for await (const { key, stored } of table.updateMany(manyEntries())) {
      told.push([key, stored]);
    }
    assertEquals(told.length, 1083);
    assertEquals(told[3], ["K3", true]);
    assertEquals(told.slice(1050, 1053), [["", false], [
      "k1049",
      duplicates === "replace",
    ], ["large", false]]);
    assertEquals(
      told.filter(([, stored]) => stored).length,
      duplicates === "replace" ? 1081 : 1080,
    );
    assertEquals(
      await table.lookup("k1049"),
      duplicates === "replace" ? "again" : "v1049",
    );
    assertEquals((await keys(table)).length, 1080);
    assert(commits <= 20, `${commits} commits`);
  }
});

Deno.test("kv: takes the writes of three processes at once", async () => {
  await using folder = await Folder.make();
  const file = `${folder.path}/t.kv`;
  const lines = (from: string) =>
    Array.from(
      { length: 300 },
      (_, number) => `${from}${number} ${from}\nboth${number} ${from}\n`,
    ).join("");
  for (const option of ["-ri", "-wi", "-i"]) {
    const done = await Promise.all(
      ["a", "b", "c"].map((from) =>
        runCli([option, `kv:${file}#${option}`], { stdin: lines(from) })
      ),
    );
    assertEquals(done.map(({ code }) => code), [0, 0, 0]);
    if (option !== "-i") {
      assertEquals(done.map(({ stderr }) => stderr), ["", "", ""]);
    }
    await using table = await openTable(`kv:${file}#${option}`, quiet);
    const all = await keys(table);
    assertEquals(all.length, 1200);
  }
});

Deno.test("kv: has all that a killed load was told of, and the load can be run again", async () => {
  const random = Random.seeded("kv load kill");
  await using folder = await Folder.make();
  const script = await folder.write(
    "loader.ts",
    `import { openTable } from "${new URL(
      "../../../lib/open.ts",
      import.meta.url,
    )}";
     const table = await openTable(Deno.args[0], { write: true, utf8: true, duplicates: Deno.args[1] });
     const entries = Array.from({ length: 20000 }, (_, number) => ({ key: "k" + number, value: "v" + number }));
     for await (const { key } of table.updateMany(entries)) {
       Deno.stdout.writeSync(new TextEncoder().encode(key + "\\n"));
     }`,
  );
  for (let round = 0; round < 6; round++) {
    const file = `${folder.path}/${round}.kv`;
    const args = [
      "run",
      "-A",
      "--unstable-kv",
      script,
      `kv:${file}`,
      round % 2 === 0 ? "replace" : "ignore",
    ];
    const told = await killedAfter(random.integer(1, 5000), args);
    await using table = await openTable(`kv:${file}`, quiet);
    const there = new Set(await keys(table));
    assertEquals(told.filter((key) => !there.has(key)), []);
    const again = await new Deno.Command(Deno.execPath(), {
      args,
      stdout: "null",
    }).output();
    assertEquals(again.code, 0);
    assertEquals((await keys(table)).length, 20000);
  }
});

Deno.test("kv: has all that was acknowledged when its writer is killed", async () => {
  const random = Random.seeded("kv kill");
  await using folder = await Folder.make();
  const file = `${folder.path}/t.kv`;
  const script = await folder.write(
    "writer.ts",
    `import { openTable } from "${new URL(
      "../../../lib/open.ts",
      import.meta.url,
    )}";
     const table = await openTable(Deno.args[0], { write: true, utf8: true });
     for (let number = 0;; number++) {
       await table.update(Deno.args[1] + number, "v" + number);
       Deno.stdout.writeSync(new TextEncoder().encode(number + "\\n"));
     }`,
  );
  for (let round = 0; round < 6; round++) {
    const told = await killedAfter(random.integer(1, 400), [
      "run",
      "-A",
      "--unstable-kv",
      script,
      `kv:${file}`,
      `${round}-`,
    ]);
    const last = Number(told.at(-1));
    await using table = await openTable(`kv:${file}`, quiet);
    for (let number = 0; number <= last; number++) {
      assertEquals(await table.lookup(`${round}-${number}`), `v${number}`);
    }
  }
});

Deno.test("kv: is loaded, listed and emptied by the command line", async () => {
  await using folder = await Folder.make();
  const table = `kv:${folder.path}/t.kv`;
  const backed =
    `memcache:{memcache=inet:127.0.0.1:1 max_try=1 backup=${table}}`;
  const load = await runCli(["-i", backed], { stdin: "b 2\nA 1\n" });
  // One warning of memcached, and one of what that may have.
  assertEquals([load.code, load.stderr.split("\n").length], [0, 3]);
  assertEquals((await runCli(["-s", backed])).stdout, "a\t1\nb\t2\n");
  assertEquals(
    (await runCli(["-sj", table])).stdout,
    '{"a": "1"}\n{"b": "2"}\n',
  );
  const again = await runCli(["-i", table], { stdin: "a 9\nc 3\n" });
  assertEquals(again.code, 0);
  assert(/warning: .*"a" exists.*-r.*-w/.test(again.stderr));
  assertEquals((await runCli(["-wi", table], { stdin: "a 9\n" })).stderr, "");
  assertEquals((await runCli(["-q", "a", table])).stdout, "1\n");
  assertEquals((await runCli(["-ri", table], { stdin: "a 9\n" })).stderr, "");
  assertEquals(
    (await runCli(["-q", "-", table], { stdin: "A\nx\nc\n" })).stdout,
    "A\t9\nc\t3\n",
  );
  assertEquals(
    (await runCli(["-d", "-", table], { stdin: "a\nb\nc\n" })).code,
    0,
  );
  assertEquals(await runCli(["-s", table]), {
    code: 0,
    stdout: "",
    stderr: "",
  });
});
