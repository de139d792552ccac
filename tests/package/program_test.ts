import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { Folder } from "../support/folder.ts";
import { Memcached } from "../support/memcached.ts";
import { root, run } from "../support/processes.ts";
import { version } from "../../lib/cli/help.ts";
import { buildProgram } from "./program_build.ts";
import { stage } from "./publish.ts";

interface Scene extends AsyncDisposable {
  readonly folder: Folder;
  readonly memcached: Memcached;
  /** The program's main file. */
  readonly program: string;
  /** A table with `alice` in it. */
  readonly table: string;
}

/** The built program, and a table in memcached. */
async function makeScene(): Promise<Scene> {
  const stack = new AsyncDisposableStack();
  const folder = stack.use(await Folder.make());
  const memcached = stack.use(await Memcached.tcp());
  const program = `${folder.path}/program/cli.js`;
  await buildProgram(`${folder.path}/program`, "abc123");
  const file = await folder.write("t.cf", `memcache = ${memcached.server}\n`);
  await memcached.set("alice", "wonderland");
  return {
    folder,
    memcached,
    program,
    table: `memcache:${file}`,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** Builds the program as CommonJS. Returns its main file. */
async function buildCommon({ folder }: Scene): Promise<string> {
  await buildProgram(`${folder.path}/common`, "abc123", "cjs");
  return `${folder.path}/common/cli.cjs`;
}

Deno.test("the built program is three files, and a lookup does not need the last", async () => {
  await using scene = await makeScene();
  const { folder, memcached, program, table } = scene;
  const commonProgram = await buildCommon(scene);
  const namesIn = async (place: string) => {
    const names = [];
    for await (const { name } of Deno.readDir(`${folder.path}/${place}`)) {
      names.push(name);
    }
    return names.sort();
  };
  const files = (ending: string) =>
    ["bulk", "cli", "rest"].flatMap((name) => [
      `${name}.${ending}`,
      `${name}.${ending}.map`,
    ]);
  assertEquals(await namesIn("program"), files("js"));
  assertEquals(await namesIn("common"), files("cjs"));
  for (const file of [program, commonProgram]) {
    const text = await Deno.readTextFile(file);
    const atOnce = text.match(/=\((?:async )?function\b/g) ?? [];
    assert(atOnce.length > 100, `${atOnce.length} functions`);
    assertEquals(text.startsWith('"use strict";'), file === commonProgram);
  }
  const permissions = [
    "--no-prompt",
    `--allow-net=${memcached.server.slice("inet:".length)}`,
    `--allow-read=${table.slice("memcache:".length)}`,
  ];
  const ways: [string, string[]][] = [
    [Deno.execPath(), ["run", ...permissions, program]],
    ["node", [program]],
    ["node", [commonProgram]],
  ];
  const value = { code: 0, stdout: "wonderland\n", stderr: "" };
  const none = { code: 1, stdout: "", stderr: "" };
  for (const [command, args] of ways) {
    assertEquals(await run(command, [...args, "-q", "Alice", table]), value);
    const { stdout } = await run(command, [...args, "--version"]);
    assertEquals(stdout, `memcache-table ${version} (abc123)\n`);
  }
  const remove = async (name: string) => {
    await Deno.remove(`${folder.path}/program/${name}.js`);
    await Deno.remove(`${folder.path}/common/${name}.cjs`);
  };
  await remove("rest");
  for (const [command, args] of ways) {
    assertEquals(await run(command, [...args, "-q", "alice", table]), value);
    assertEquals(await run(command, [...args, "-q", "bob", table]), none);
    const bulk = await run(command, [...args, "-q", "-", table], {
      stdin: "alice\nbob\n",
    });
    assertEquals(bulk, { code: 0, stdout: "alice\twonderland\n", stderr: "" });
  }
  await remove("bulk");
  for (const [command, args] of ways) {
    assertEquals(await run(command, [...args, "-q", "alice", table]), value);
  }
});

Deno.test("the built program does what the source does", async () => {
  await using scene = await makeScene();
  const { folder, program, table } = scene;
  const kv = `kv:${folder.path}/kv`;
  const both = `memcache:{ memcache = ${scene.memcached.server}, ` +
    `backup = ${kv} }`;
  const commands: [string[], string?][] = [
    [["-i", kv], "carol one\ndave two\n"],
    [["-s", kv]],
    [["-q", "carol", both]],
    [["-q", "-", "-j", both], "carol\ndave\nerin\n"],
    [["-d", "dave", both]],
    [["-s", both]],
    [["check", table]],
    [["stats", table, "-j"]],
    [["sync", kv], "carol three\n"],
    [["-q", "carol", kv]],
    [["-x"]],
    [["help", "sync"]],
    [["-q", "carol", "memcache:/nowhere"]],
    [["-q", "carol", "kv:/nowhere/at/all"]],
  ];
  const answers = async (program: string) => {
    const list = [];
    for (const [args, stdin] of commands) {
      const all = ["run", "-A", "--unstable-kv", program, ...args];
      const { code, stdout, stderr } = await run(Deno.execPath(), all, {
        stdin,
      });
      // Counters and times differ from run to run.
      const shown = args[0] === "stats"
        ? ""
        : stdout.replace(/answers in \S+ ms/, "answers");
      list.push([args, code, shown, stderr]);
    }
    await Deno.remove(`${folder.path}/kv`);
    await scene.memcached.flush();
    await scene.memcached.set("alice", "wonderland");
    return list;
  };
  assertEquals(await answers(program), await answers(`${root}cli.ts`));
});

Deno.test("a stack trace of the built program names the source", async () => {
  await using scene = await makeScene();
  const { folder, program, table } = scene;
  const breakingOf = (name: string, program: string) =>
    folder.write(
      name,
      `const stop = () => { throw new Error("stopped") };
      if (globalThis.Deno) Deno.exit = stop; else process.exit = stop;
      await import(${JSON.stringify(program)});\n`,
    );
  const breaking = await breakingOf("breaking.mjs", program);
  const common = await breakingOf("common.mjs", await buildCommon(scene));
  for (const script of [breaking, common]) {
    const node = await run("node", [
      "--enable-source-maps",
      script,
      "-q",
      "alice",
      table,
    ]);
    assertMatch(node.stderr, /lib\/cli\/node_terminal\.ts:\d+/);
    assertMatch(node.stderr, /tests\/package\/program\.ts:\d+/);
  }
  const deno = await run(Deno.execPath(), [
    "run",
    "-A",
    breaking,
    "-q",
    "alice",
    table,
  ], { env: { NO_COLOR: "1" } });
  assertMatch(deno.stderr, /lib\/cli\/terminal\.ts:\d+/);
});

Deno.test("what is published is what runs, and nothing of how it is made", async () => {
  await using folder = await Folder.make();
  await stage(folder.path);
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["publish", "--dry-run", "--allow-dirty", "--no-check"],
    cwd: folder.path,
    env: { NO_COLOR: "1" },
  }).output();
  const printed = new TextDecoder().decode(stdout) +
    new TextDecoder().decode(stderr);
  assert(success, printed);
  const files = [...printed.matchAll(/^ +(file:\S+) \(/gm)]
    .map(([, url]) => new URL(url).pathname.slice(folder.path.length + 1));
  const tops = new Set(files.map((path) => path.split("/")[0]));
  assertEquals([...tops].sort(), [
    "LICENSE",
    "README.md",
    "cli.ts",
    "deno.json",
    "dist",
    "lib",
    "mod.ts",
  ]);
  // Its command line runs the built program.
  const { stdout: line } = await run(Deno.execPath(), [
    "run",
    "--no-prompt",
    `${folder.path}/cli.ts`,
    "--version",
  ]);
  assertMatch(line, new RegExp(`^memcache-table ${version} \\(`));
});
