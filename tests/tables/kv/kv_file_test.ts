import { denoLocation } from "../../../lib/tables/kv/location.ts";
import {
  type Entry,
  type KvDatabase,
  openTable,
  type Table,
  type TableOptions,
  TemporaryError,
} from "../../../mod.ts";
import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
} from "../../support/assert.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { Folder } from "../../support/folder.ts";
import { useAccessToken } from "../../support/kv_connect/server.ts";
import { root, runCli } from "../../support/processes.ts";
import { Random } from "../../support/random.ts";
import { Serving } from "../../support/serving.ts";
import { RawClient } from "../../support/socketmap.ts";

/** A folder, a clock that goes on when the test says so, and what was warned. */
async function scene() {
  const folder = await Folder.make();
  const clock = new FakeClock();
  const warnings: string[] = [];
  const path = `${folder.path}/aliases.kv`;
  const options: TableOptions = {
    utf8: true,
    clock,
    onWarning: (line) => warnings.push(line),
  };
  const open = (more: TableOptions = {}, namespace = "") =>
    openTable(`kv:${path}${namespace}`, { ...options, ...more });
  return {
    folder,
    clock,
    warnings,
    path,
    open,
    /** Lets so much time pass that the file is looked at again. */
    later: () => clock.pass(250),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

/** Stores entries in a file, as another process does. */
async function load(
  path: string,
  entries: Record<string, string>,
  option = "-ri",
): Promise<void> {
  const stdin = Object.entries(entries).map(([key, value]) =>
    `${key} ${value}\n`
  ).join("");
  const { code, stderr } = await runCli([option, `kv:${path}`], { stdin });
  assertEquals([code, stderr], [0, ""]);
}

async function entriesOf(table: Table): Promise<Record<string, string>> {
  const entries = await Array.fromAsync(table as AsyncIterable<Entry>);
  return Object.fromEntries(entries.map(({ key, value }) => [key, value]));
}

async function namesIn({ path }: Folder): Promise<string[]> {
  const names = await Array.fromAsync(Deno.readDir(path), ({ name }) => name);
  return names.sort();
}

Deno.test("kv: sees a file that takes the place of its own", async () => {
  await using world = await scene();
  const { folder, path, open, later, warnings } = world;
  await load(path, { k: "one", only: "first" });
  await using table = await open();
  assertEquals(await table.lookup("k"), "one");
  const numbers = ["two", "three", "four"];
  for (const value of numbers) {
    // While it is open, another process changes it: the log has something in it.
    await load(path, { k: `${value}, almost` });
    assertEquals(await table.lookup("k"), `${value}, almost`);
    await load(`${folder.path}/new.kv`, { k: value });
    await Deno.rename(`${folder.path}/new.kv`, path);
    later();
    assertEquals(await table.lookup("k"), value);
    assertEquals(await entriesOf(table), { k: value });
    // And so does everybody else.
    assertEquals(
      (await runCli(["-q", "k", `kv:${path}`])).stdout,
      `${value}\n`,
    );
  }
  assertEquals(warnings, []);
});

Deno.test("kv: a file that was removed is a database that does not exist yet", async () => {
  await using world = await scene();
  const { folder, path, open, later, warnings } = world;
  await load(path, { k: "one" });
  await using table = await open({ write: true });
  for (const value of ["two", "three"]) {
    assertEquals(await table.update("k", `${value}, almost`), true);
    await Deno.remove(path);
    later();
    assertEquals(await table.lookup("k"), undefined);
    assertEquals(await entriesOf(table), {});
    assertEquals(await namesIn(folder), []);
    // Whoever makes it again finds it, and loses nothing.
    await load(path, { k: value });
    later();
    assertEquals(await table.lookup("k"), value);
    assertEquals((await runCli(["-s", `kv:${path}`])).stdout, `k\t${value}\n`);
  }
  await Deno.remove(path);
  later();
  assertEquals(await table.update("k", "four"), true);
  assertEquals((await runCli(["-s", `kv:${path}`])).stdout, "k\tfour\n");
  assertEquals(warnings, [
    `kv:${path}: no such database yet: there is no file ${path}`,
    `kv:${path}: no such database yet: there is no file ${path}`,
  ]);
});

Deno.test("kv: what is loaded in place of a removed file is not lost, though the old one is open", async () => {
  await using world = await scene();
  const { path, open, later } = world;
  await load(path, { k: "one" });
  await using table = await open({ write: true });
  for (const value of ["two", "three"]) {
    // The log of what is removed stays behind, with something in it.
    assertEquals(await table.update("k", "unwanted"), true);
    await Deno.remove(path);
    await load(path, { k: value });
    assertEquals((await runCli(["-s", `kv:${path}`])).stdout, `k\t${value}\n`);
    later();
    assertEquals(await entriesOf(table), { k: value });
    assertEquals((await runCli(["-s", `kv:${path}`])).stdout, `k\t${value}\n`);
  }
});

Deno.test("kv: sees a copy that is written over its file", async () => {
  await using world = await scene();
  const { folder, path, open, later } = world;
  await load(path, { k: "one" });
  await using table = await open();
  assertEquals(await table.lookup("k"), "one");
  await Deno.copyFile(path, `${folder.path}/copy`);
  {
    // One that goes leaves a file that is whole.
    await using writer = await open({ write: true });
    assertEquals(await writer.update("k", "two"), true);
  }
  later();
  assertEquals(await table.lookup("k"), "two");
  await Deno.copyFile(`${folder.path}/copy`, path);
  later();
  assertEquals(await table.lookup("k"), "one");
  await Deno.copyFile(path, `${folder.path}/another`);
  await Deno.rename(`${folder.path}/another`, path);
  later();
  assertEquals(await table.lookup("k"), "one");
});

Deno.test("kv: an update is in the file that is there when it is told of", async () => {
  await using world = await scene();
  const { folder, path, open } = world;
  await load(path, { k: "one" });
  await using table = await open({ write: true });
  assertEquals(await table.lookup("k"), "one");
  // No time passes: it is not known yet that the file was replaced.
  await load(`${folder.path}/new.kv`, { k: "two" });
  await Deno.rename(`${folder.path}/new.kv`, path);
  assertEquals(await table.update("mine", "yes"), true);
  assertEquals(
    (await runCli(["-s", `kv:${path}`])).stdout,
    "k\ttwo\nmine\tyes\n",
  );
  await Deno.remove(path);
  assertEquals(await table.update("mine", "still"), true);
  assertEquals((await runCli(["-s", `kv:${path}`])).stdout, "mine\tstill\n");
  await Deno.remove(path);
  assertEquals(
    await Array.fromAsync(
      table.updateMany([{ key: "a", value: "1" }, { key: "b", value: "2" }]),
      ({ stored }) => stored,
    ),
    [true, true],
  );
  assertEquals((await runCli(["-s", `kv:${path}`])).stdout, "a\t1\nb\t2\n");
  await load(`${folder.path}/new.kv`, { c: "3" });
  await Deno.rename(`${folder.path}/new.kv`, path);
  assertEquals(await table.delete("c"), true);
  assertEquals((await runCli(["-s", `kv:${path}`])).stdout, "");
});

/** Deno's KV that calls back before and after each commit, with its number. */
function onCommit(
  hook: (number: number, when: "before" | "after") => Promise<void>,
): TableOptions["kvLibrary"] {
  let commits = 0;
  const openKv = async (path: string | undefined): Promise<KvDatabase> => {
    const kv = await Deno.openKv(path);
    return new Proxy(kv, {
      get(_, method: keyof Deno.Kv) {
        if (method !== "atomic") return kv[method]?.bind(kv);
        return () => {
          const atomic = kv.atomic();
          const commit = atomic.commit.bind(atomic);
          atomic.commit = async () => {
            const number = ++commits;
            await hook(number, "before");
            const committed = await commit();
            await hook(number, "after");
            return committed;
          };
          return atomic;
        };
      },
    }) as unknown as KvDatabase;
  };
  return () => Promise.resolve({ openKv });
}

Deno.test("kv: a load is in the file that takes its place in the middle, whole", async () => {
  const many = Array.from(
    { length: 900 },
    (_, at) => ({ key: `k${at}`, value: "x".repeat(5000) }),
  );
  for (const duplicates of ["replace", "warn"] as const) {
    for (const when of ["before", "after"] as const) {
      await using world = await scene();
      const { folder, path, open, warnings } = world;
      await load(path, { k: "one" });
      await load(`${folder.path}/new.kv`, { k899: "new" });
      let replaced = 0;
      const kvLibrary = onCommit(async (number, now) => {
        if (number !== 3 || now !== when) return;
        replaced++;
        await Deno.rename(`${folder.path}/new.kv`, path);
      });
      {
        await using table = await open({ write: true, duplicates, kvLibrary });
        const kept = (await Array.fromAsync(table.updateMany(many)))
          .filter(({ stored }) => !stored).map(({ key }) => key);
        const isKept = duplicates === "warn";
        assertEquals(kept, isKept ? ["k899"] : []);
        assertEquals(warnings.length, isKept ? 1 : 0, `${warnings}`);
      }
      assertEquals(replaced, 1);
      await using table = await open();
      const there = await entriesOf(table);
      assertEquals(Object.keys(there).length, 900);
      assertEquals(there.k0, "x".repeat(5000));
      assertEquals(there.k, undefined);
    }
  }
});

Deno.test("kv: goes on with a listing in the file that takes the place of its own", async () => {
  await using world = await scene();
  const { folder, path, open, later } = world;
  const name = (number: number) => `k${String(number).padStart(5, "0")}`;
  const some = (value: string) =>
    Object.fromEntries(
      Array.from({ length: 1200 }, (_, number) => [name(number), value]),
    );
  await load(path, some("old"));
  await load(`${folder.path}/new.kv`, some("new"));
  await using table = await open();
  const seen: string[] = [];
  const values = new Set<string>();
  for await (const { key, value } of table) {
    seen.push(key);
    values.add(value);
    if (seen.length === 100) {
      await Deno.rename(`${folder.path}/new.kv`, path);
      later();
    }
  }
  assertEquals(seen, Object.keys(some("")));
  assertEquals([...values], ["old", "new"]);
});

Deno.test("kv: tables in one file see together that it is replaced", async () => {
  await using world = await scene();
  const { folder, path, open, later } = world;
  await load(`${path}#a`, { k: "a1" });
  await load(`${path}#b`, { k: "b1" });
  await using a = await open({ write: true }, "#a");
  await using b = await open({ write: true }, "#b");
  await using again = await open({}, "#a");
  for (let round = 2; round < 5; round++) {
    await a.update("k", "unwanted");
    await load(`${folder.path}/new.kv#a`, { k: `a${round}` });
    await load(`${folder.path}/new.kv#b`, { k: `b${round}` });
    await Deno.rename(`${folder.path}/new.kv`, path);
    later();
    const found = [a, b, again, a, b].map((table) => table.lookup("k"));
    const expected = ["a", "b", "a", "a", "b"].map((from) => from + round);
    assertEquals(await Promise.all(found), expected);
    assertEquals(
      (await runCli(["-q", "k", `kv:${path}#b`])).stdout,
      `b${round}\n`,
    );
  }
  // One that is closed takes nothing from the others.
  await a.close();
  assertEquals(await again.lookup("k"), "a4");
});

Deno.test("kv: has what was stored last, whatever becomes of its file", async () => {
  const random = Random.seeded("kv files");
  await using world = await scene();
  const { folder, path, open, later } = world;
  const keys = ["a", "b", "c"];
  let model: Record<string, string> = {};
  let number = 0;
  const writer = { write: true };
  const tables = [await open(writer), await open(writer), await open()];
  try {
    for (let step = 0; step < 60; step++) {
      const key = random.pick(keys);
      const value = `${++number}`;
      const written = tables[random.integer(0, 1)];
      const action = random.integer(0, 6);
      if (action === 0) {
        await load(`${folder.path}/new.kv`, { [key]: value });
        await Deno.rename(`${folder.path}/new.kv`, path);
        model = { [key]: value };
      } else if (action === 1) {
        await Deno.remove(path).catch(() => {});
        model = {};
      } else if (action === 2) {
        await load(path, { [key]: value });
        model[key] = value;
      } else if (action === 3) {
        await written.delete(key);
        delete model[key];
      } else {
        assertEquals(await written.update(key, value), true);
        model[key] = value;
      }
      // A write looks at the file by itself, others now and then.
      if (action < 2 || random.integer(0, 1) === 0) later();
      if (action < 3) later();
      const about = `step ${step}, action ${action}`;
      const table = tables[random.integer(0, 2)];
      assertEquals(await table.lookup(key), model[key], about);
      if (step % 5 === 0) assertEquals(await entriesOf(table), model, about);
    }
  } finally {
    for (const table of tables) await table.close();
  }
  await using table = await open();
  assertEquals(await entriesOf(table), model);
});

Deno.test("kv: without permission to look at its file works as before", async () => {
  await using folder = await Folder.make();
  const path = `${folder.path}/t.kv`;
  const script = await folder.write(
    "script.ts",
    `import { openTable } from "${root}mod.ts";
     const table = await openTable("kv:${path}", { write: true, utf8: true });
     console.log(await table.update("k", "v"), await table.lookup("k"));
     await table.close();`,
  );
  for (
    const permissions of [["-A"], [
      `--allow-read=${path}`,
      `--allow-write=${path}`,
    ]]
  ) {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-prompt", "--unstable-kv", ...permissions, script],
    }).output();
    const said = new TextDecoder().decode(stderr);
    assertEquals([code, said], [0, ""]);
    assertEquals(new TextDecoder().decode(stdout), "true v\n");
  }
});

Deno.test("kv: a database that is handed in is opened anew when its file is replaced", async () => {
  await using world = await scene();
  const { folder, path, open, later } = world;
  await load(path, { k: "one" });
  const paths: (string | undefined)[] = [];
  const openKv: TableOptions["openKv"] = (path) => {
    paths.push(path);
    return Deno.openKv(path);
  };
  await using table = await open({ openKv });
  assertEquals(await table.lookup("k"), "one");
  await load(`${folder.path}/new.kv`, { k: "two" });
  await Deno.rename(`${folder.path}/new.kv`, path);
  later();
  assertEquals(await table.lookup("k"), "two");
  assertEquals(paths, [path, path]);
  await table.close();
  // What only has the name of a file has nothing to do with it.
  const memory = await Deno.openKv(":memory:");
  await using other = await open({
    openKv: () => Promise.resolve(memory),
    write: true,
  });
  await other.update("k", "in memory");
  await load(`${folder.path}/new.kv`, { k: "three" });
  await Deno.rename(`${folder.path}/new.kv`, path);
  later();
  assertEquals(await other.lookup("k"), "in memory");
});

Deno.test("serve answers from the file that is there", async () => {
  await using folder = await Folder.make();
  const path = `${folder.path}/aliases.kv`;
  await load(path, { k: "0" });
  await using server = await Serving.start([
    "--socketmap=inet:127.0.0.1:0",
    `a=kv:${path}`,
  ]);
  {
    using client = await RawClient.connect(server.endpoint);
    const ask = async () => {
      await client.send("3:a k,");
      return await client.reply();
    };
    assertEquals(await ask(), "OK 0");
    for (let number = 1; number < 4; number++) {
      await load(`${folder.path}/new.kv`, { k: `${number}` });
      await Deno.rename(`${folder.path}/new.kv`, path);
      const start = performance.now();
      let reply = await ask();
      for (; reply !== `OK ${number}`; reply = await ask()) {
        assertEquals(reply, `OK ${number - 1}`);
        assert(performance.now() - start < 1000, "longer than a second");
      }
      await load(path, { k: `${number}` });
    }
  }
  assertEquals(await server.stop(), 0);
  assertEquals(server.lines, []);
});

Deno.test("kv: a new file is for its owner and group, less what the umask takes", async () => {
  await using folder = await Folder.make();
  for (
    const [umask, mode] of [["022", 0o640], ["000", 0o640], ["077", 0o600], [
      "137",
      0o640,
    ]] as const
  ) {
    const path = `${folder.path}/${umask}.kv`;
    const { code } = await new Deno.Command("sh", {
      args: [
        "-c",
        'umask "$1"; echo k v | "$2" run --quiet -A "$3" -i "kv:$4"',
        "sh",
        umask,
        Deno.execPath(),
        `${root}cli.ts`,
        path,
      ],
    }).output();
    assertEquals(code, 0);
    assertEquals((await Deno.stat(path)).mode! & 0o777, mode, umask);
    await using table = await openTable(`kv:${path}`, { utf8: true });
    assertEquals(await table.lookup("k"), "v");
    for (const beside of ["-wal", "-shm"]) {
      assertEquals((await Deno.stat(path + beside)).mode! & 0o777, mode);
    }
  }
});

Deno.test("kv: a name means what Deno takes it for, with each variable of the environment", async () => {
  await using folder = await Folder.make();
  await Deno.mkdir(`${folder.path}/sub`);
  const cases: [string, Record<string, string>, string][] = [
    ["kv:a.kv", {}, "a.kv"],
    ["kv:./sub/a.kv#space", {}, "sub/a.kv"],
    ["kv:a.kv", { DENO_KV_PATH_PREFIX: "sub/pre-" }, "sub/pre-a.kv"],
    ["kv:a.kv", { DENO_KV_PATH_PREFIX: "" }, "a.kv"],
    ["kv:", { DENO_KV_DEFAULT_PATH: "default.kv" }, "default.kv"],
    ["kv:", {
      DENO_KV_DEFAULT_PATH: "default.kv",
      DENO_KV_PATH_PREFIX: "sub/",
    }, "sub/default.kv"],
    ["kv::memory:", { DENO_KV_PATH_PREFIX: "sub/" }, "sub/:memory:"],
  ];
  const cli = async (
    args: string[],
    env: Record<string, string>,
    stdin = "",
  ) => {
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--no-prompt", "-A", `${root}cli.ts`, ...args],
      env,
      cwd: folder.path,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(stdin));
    await writer.close();
    const { code, stdout, stderr } = await child.output();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    return { code, stdout: text(stdout), stderr: text(stderr) };
  };
  for (const [name, env, file] of cases) {
    const missing = await cli(["-q", "k", name], env);
    assertEquals([missing.code, missing.stderr], [
      1,
      `memcache-table: warning: ${name}: no such database yet: there is no file ${
        file.replace(/^sub/, name.includes("./") ? "./sub" : "sub")
      }\n`,
    ]);
    assertEquals((await cli(["-i", name], env, "k v\n")).code, 0);
    assert((await Deno.stat(`${folder.path}/${file}`)).isFile, name);
    assertEquals((await cli(["-q", "k", name], env)).stdout, "v\n");
    assertMatch((await cli(["check", name], env)).stdout, /\n {2}good\n/);
    await Deno.remove(`${folder.path}/${file}`);
  }
  const memory = await cli(["-q", "k", "kv:a.kv"], {
    DENO_KV_DB_MODE: "memory",
  });
  assertEquals(memory.code, 1);
  assertMatch(memory.stderr, /^.*DENO_KV_DB_MODE=memory.*a\.kv.*\n$/);
  assertEquals(await namesIn(folder), ["sub"]);
});

Deno.test("denoLocation() knows what is no file", () => {
  const none = () => undefined;
  assertEquals(denoLocation(undefined, none), { kind: "untold" });
  assertEquals(denoLocation(":memory:", none), { kind: "memory" });
  assertEquals(denoLocation(":other", none), { kind: "untold" });
  // SQLite takes it for a URI, and opens a.kv.
  assertEquals(denoLocation("file:a.kv", none), { kind: "untold" });
  assertEquals(denoLocation("FILE:a.kv", none), {
    kind: "file",
    path: "FILE:a.kv",
  });
  const url = "https://kv.example/";
  assertEquals(denoLocation(url, none), { kind: "remote", url });
  const memory = (name: string) =>
    name === "DENO_KV_DB_MODE" ? "memory" : undefined;
  assertEquals(denoLocation("a.kv", memory), {
    kind: "memory",
    insteadOf: "a.kv",
  });
  assertEquals(denoLocation(undefined, memory), { kind: "memory" });
});

Deno.test("kv::memory: is a table while it is open", async () => {
  const warnings: string[] = [];
  const options = {
    utf8: true,
    onWarning: (line: string) => warnings.push(line),
  };
  await using table = await openTable("kv::memory:", {
    ...options,
    write: true,
  });
  assertEquals(await table.lookup("k"), undefined);
  assertEquals(await table.update("k", "v"), true);
  assertEquals(await table.lookup("k"), "v");
  assertEquals(await entriesOf(table), { k: "v" });
  await using other = await openTable("kv::memory:", options);
  assertEquals(await other.lookup("k"), undefined);
  assertEquals(warnings, []);
});

Deno.test("kv: over the network is asked, whatever files there are", async () => {
  useAccessToken();
  await using table = await openTable("kv:http://127.0.0.1:1/x", {
    utf8: true,
  });
  await assertRejects(
    () => table.lookup("k"),
    TemporaryError,
    "kv:http://127.0.0.1:1/x: cannot connect to 127.0.0.1:1 ",
  );
});
