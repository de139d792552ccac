import { closedPart } from "./install.ts";
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { Folder } from "../support/folder.ts";
import { denoCache, root, run, runPostmap } from "../support/processes.ts";
import { Memcached } from "../support/memcached.ts";
import { Serving } from "../support/serving.ts";
import { version } from "../../lib/cli/help.ts";
import { postmapOptions } from "../../lib/cli/postmap_options.ts";
import { helpPageOf } from "../../lib/cli/subcommands/subcommand.ts";
import { subcommands } from "../../lib/cli/subcommands/subcommands.ts";
import { tableTypes } from "../../mod.ts";
import { defaultParameters } from "../../lib/tables/memcache/parameters.ts";

interface Scene extends AsyncDisposable {
  readonly prefix: string;
  /** Runs `deno task install` with an empty home. */
  readonly install: (...args: string[]) => ReturnType<typeof run>;
}

async function makeScene(): Promise<Scene> {
  const folder = await Folder.make();
  await Deno.mkdir(`${folder.path}/home`);
  // What Deno has fetched stays: nothing is fetched again.
  const env = {
    HOME: `${folder.path}/home`,
    DENO_DIR: denoCache,
    NO_COLOR: "1",
  };
  const script = `${root}tests/package/install.ts`;
  return {
    prefix: `${folder.path}/prefix`,
    install: (...args) =>
      run(Deno.execPath(), ["run", "-A", "-q", script, ...args], { env }),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

async function filesIn(folder: string): Promise<string[]> {
  const { stdout } = await run("find", [folder, "-type", "f"]);
  return stdout.trim().split("\n").filter((path) => path !== "").sort();
}

Deno.test("deno task install makes a command that works, says where all is, and removes it", async () => {
  await using scene = await makeScene();
  const { prefix, install } = scene;
  const installed = await install("--prefix", prefix);
  assertEquals([installed.code, installed.stderr], [0, ""]);
  const paths = await filesIn(prefix);
  const told = installed.stdout.split("\n\n")[0].split("\n").sort();
  assertEquals(told, paths);
  assertMatch(installed.stdout, /prefix\/bin is not in PATH/);

  const command = `${prefix}/bin/memcache-table`;
  // Not the caller's: nothing but a shell.
  const env = { PATH: "/usr/bin:/bin", HOME: "/nowhere" };
  const found = await run(command, ["-q", "Alice", "inline:{alice=bob}"], {
    env,
  });
  assertEquals(found, { code: 0, stdout: "bob\n", stderr: "" });
  const kv = `kv:${prefix}/aliases.kv`;
  assertEquals((await run(command, ["-i", kv], { env, stdin: "a b" })).code, 0);
  assertEquals((await run(command, ["-s", kv], { env })).stdout, "a\tb\n");
  assertMatch(
    (await run(command, ["--version"], { env })).stdout,
    new RegExp(`^memcache-table ${version} \\([0-9a-f]{10}(, changed)?\\)\n$`),
  );
  const postmap = await run(command, ["-q", "x", "texthash:/etc/aliases"], {
    env,
  });
  assertEquals(postmap.code, 1);
  await Deno.remove(`${prefix}/aliases.kv`);

  // Again, over what is there.
  assertEquals((await install("--prefix", prefix)).stdout, installed.stdout);
  const removed = await install("--uninstall", "--prefix", prefix);
  assertEquals([removed.code, removed.stderr], [0, ""]);
  assertEquals(
    removed.stdout.trim().split("\n").sort(),
    paths.map((path) => `removed ${path}`),
  );
  assertEquals((await run("find", [prefix])).stdout, `${prefix}\n`);
  const nothing = await install("--uninstall", "--prefix", prefix);
  assertEquals(
    [nothing.code, nothing.stderr],
    [1, `install: nothing is installed under ${prefix}\n`],
  );
});

Deno.test("deno task install knows where a program is that only some users can run", async () => {
  await using folder = await Folder.make();
  const inner = `${folder.path}/a/b`;
  await Deno.mkdir(inner, { recursive: true });
  await Deno.writeTextFile(`${inner}/program`, "");
  await Deno.symlink(`${inner}/program`, `${folder.path}/link`);
  const modes: [folder: number, a: number, program: number, closed?: string][] =
    [
      [0o755, 0o755, 0o755],
      [0o711, 0o711, 0o711],
      [0o755, 0o750, 0o755, "/a"],
      [0o700, 0o750, 0o755, ""],
      [0o755, 0o755, 0o744, "/a/b/program"],
    ];
  for (const [top, a, program, closed] of modes) {
    await Deno.chmod(folder.path, top);
    await Deno.chmod(`${folder.path}/a`, a);
    await Deno.chmod(`${inner}/program`, program);
    assertEquals(
      await closedPart(`${folder.path}/link`),
      closed === undefined ? undefined : folder.path + closed,
    );
  }
});

Deno.test("deno task install leaves what is not its own", async () => {
  await using scene = await makeScene();
  const { prefix, install } = scene;
  const command = `${prefix}/bin/memcache-table`;
  await Deno.mkdir(`${prefix}/bin`, { recursive: true });
  await Deno.writeTextFile(command, "#!/bin/sh\necho mine\n");
  for (const args of [[], ["--uninstall"]]) {
    const { code, stderr } = await install("--prefix", prefix, ...args);
    assertEquals(code, 1);
    assertMatch(stderr, /memcache-table is something else: remove it, or/);
    assertEquals(await filesIn(prefix), [command]);
  }
  await Deno.remove(command);
  await install("--prefix", prefix);
  // Files of others in the same folders stay.
  const other = `${prefix}/share/man/man1/other.1`;
  await Deno.writeTextFile(other, "");
  await install("--prefix", prefix, "--uninstall");
  assertEquals(await filesIn(prefix), [other]);
});

Deno.test("deno task install that fails leaves no unfinished file, and can be undone", async () => {
  await using scene = await makeScene();
  const { prefix, install } = scene;
  const inTheWay = `${prefix}/share/man/man1/memcache-table.1`;
  await Deno.mkdir(inTheWay, { recursive: true });
  const { code, stderr } = await install("--prefix", prefix);
  assertEquals(code, 1);
  assertMatch(stderr, /^install: .*memcache-table\.1/);
  const left = await filesIn(prefix);
  assertEquals(left.filter((path) => path.endsWith(".new")), []);
  await Deno.remove(inTheWay);
  await install("--prefix", prefix, "--uninstall");
  assertEquals(await filesIn(prefix), []);
});

Deno.test("deno task install takes nothing that it does not know", async () => {
  await using scene = await makeScene();
  const { install } = scene;
  const table: [string[], RegExp][] = [
    [
      ["--perfix", "/x"],
      /what is --perfix\? deno task install \[--prefix DIR\]/,
    ],
    [["--prefix", ""], /--prefix needs a folder/],
    [["--prefix", "/proc/x"], /^install: .*\/proc\/x/],
  ];
  for (const [args, message] of table) {
    const { code, stdout, stderr } = await install(...args);
    assertEquals([code, stdout], [1, ""], args.join(" "));
    assertMatch(stderr, message);
    assert(!stderr.includes("    at "), stderr);
  }
  assertMatch((await install("--help")).stdout, /^Usage: deno task install/);
});

Deno.test("the manual page has all that --help has, and roff takes it without a warning", async () => {
  await using scene = await makeScene();
  const { prefix, install } = scene;
  await install("--prefix", prefix);
  const page = `${prefix}/share/man/man1/memcache-table.1`;
  const { code, stdout, stderr } = await run("groff", [
    "-man",
    "-ww",
    "-Tascii",
    "-P-cbou",
    page,
  ]);
  // A long path in the examples may not fit into a narrow line.
  const warnings = stderr.split("\n").filter((line) =>
    line !== "" && !/can't break line/.test(line)
  );
  assertEquals([code, warnings], [0, []]);
  const text = stdout.replace(/\s+/g, " ");
  const all = [...postmapOptions];
  for (const [name, { load }] of Object.entries(subcommands)) {
    assert(text.includes(` memcache-table ${name} `), name);
    all.push(...helpPageOf(await load()).options);
  }
  for (const { letter, name } of all) {
    if (letter !== undefined) assert(text.includes(` -${letter}`), letter);
    if (name !== undefined) assert(text.includes(`--${name}`), name);
  }
  for (const type of tableTypes) assert(text.includes(` ${type}:`), type);
  for (const name of Object.keys(defaultParameters)) {
    assert(text.includes(` ${name} `), name);
  }
});

Deno.test("bash completes options, subcommands, topics, tables and paths", async () => {
  await using scene = await makeScene();
  const { prefix, install } = scene;
  await install("--prefix", prefix);
  const script = `
    source ${prefix}/share/bash-completion/completions/memcache-table
    COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
    _memcache_table
    printf '%s\\n' "\${COMPREPLY[@]}"`;
  const table: [string[], string[]][] = [
    [["chec"], ["check"]],
    [["serve", "--mo"], ["--mode"]],
    [["sync", "--al"], ["--allow-empty"]],
    [["help", "perm"], ["permissions"]],
    [["-q", "alice", "memc"], ["memcache:"]],
    [["--ver"], ["--version"]],
    [["-q", "a", "memcache", ":", `${prefix}/bi`], [`${prefix}/bin`]],
    [["-q", "a", `memcache:${prefix}/bi`], [`memcache:${prefix}/bin`]],
    [["-c", `${prefix}/sha`], [`${prefix}/share`]],
  ];
  for (const [words, expected] of table) {
    const { code, stdout, stderr } = await run("bash", [
      "-c",
      script,
      "bash",
      "memcache-table",
      ...words,
    ]);
    // compopt works only while bash completes a line.
    assertEquals([code, stderr], [0, ""], words.join(" "));
    assertEquals(stdout.trim().split("\n"), expected, words.join(" "));
  }
});

Deno.test("systemd understands the units, wherever they are", async () => {
  await using scene = await makeScene();
  const { install } = scene;
  const prefix = `${scene.prefix}, of "Bob's" 100%`;
  assertEquals((await install("--prefix", prefix)).code, 0);
  const answer = await run(`${prefix}/bin/memcache-table`, [
    "-q",
    "a",
    "inline:{a=b}",
  ]);
  assertEquals(answer, { code: 0, stdout: "b\n", stderr: "" });
  const folder = `${prefix}/lib/systemd/system`;
  const { stdout, stderr } = await run("systemd-analyze", [
    "verify",
    "--man=no",
    `${folder}/memcache-table@x.service`,
    `${folder}/memcache-table-cleanup@x.service`,
    `${folder}/memcache-table-cleanup@x.timer`,
  ]);
  const ours = (stdout + stderr).split("\n").filter((line) =>
    line.includes("memcache-table")
  );
  assertEquals(ours, []);
});

/** The commands of a unit, with its settings: `ExecStart=` and the like. */
function commandOf(unit: string, name: string, settings: string): string[] {
  const values = new Map(
    settings.trim().split("\n").map((line) => {
      const equals = line.indexOf("=");
      return [line.slice(0, equals), line.slice(equals + 1)] as const;
    }),
  );
  const line = new RegExp(`^${name}=(.*)$`, "m").exec(unit)![1];
  // As systemd does: a word that is a variable becomes its words.
  return line.split(" ").flatMap((word) =>
    word.startsWith("$") ? values.get(word.slice(1))!.split(" ") : [word]
  );
}

Deno.test("the commands of the units do what they are for", async () => {
  await using scene = await makeScene();
  const { prefix, install } = scene;
  await install("--prefix", prefix);
  await using memcached = await Memcached.tcp();
  const table = `${prefix}/aliases.cf`;
  await Deno.writeTextFile(
    table,
    `memcache = ${memcached.server}\nbackup = kv:${prefix}/aliases.kv\n`,
  );
  const folder = `${prefix}/lib/systemd/system`;
  const unit = await Deno.readTextFile(`${folder}/memcache-table@.service`);
  const settings = `TABLES=aliases=memcache:${table} all=static:x\n` +
    `OPTIONS=--socketmap inet:127.0.0.1:0 --clients 10\n`;
  const [check, ...checkArgs] = commandOf(unit, "ExecStartPre", settings);
  assertEquals((await run(check, checkArgs)).code, 0);
  const [serve, subcommand, ...serveArgs] = commandOf(
    unit,
    "ExecStart",
    settings,
  );
  assertEquals(subcommand, "serve");
  await using serving = await Serving.start(serveArgs, { command: [serve] });
  const load = await run(serve, ["-i", `memcache:${table}`], {
    stdin: "alice wonderland\n",
  });
  assertEquals(load.code, 0, load.stderr);
  const answer = await runPostmap([
    "-q",
    "alice",
    `socketmap:${serving.endpoint}:aliases`,
  ]);
  assertEquals(answer.stdout, "wonderland\n");
  assertEquals(await serving.stop(), 0);

  const now = Math.floor(Date.now() / 1000);
  const verify = `kv:${prefix}/verify.kv`;
  await run(serve, ["-i", verify], {
    stdin: `alice@example.com 0:${now}:${now}:delivers\n` +
      "bob@example.com 0:1000000000:1000000000:delivers\n",
  });
  const cleanup = await Deno.readTextFile(
    `${folder}/memcache-table-cleanup@.service`,
  );
  const [program, ...args] = commandOf(
    cleanup,
    "ExecStart",
    `CLEANUP=--verify ${verify}`,
  );
  const cleaned = await run(program, args);
  assertEquals(cleaned.code, 0, cleaned.stderr);
  const left = await run(serve, ["-s", verify]);
  assertMatch(left.stdout, /^alice@example.com\t/m);
  assert(!left.stdout.includes("bob@"), left.stdout);
});
