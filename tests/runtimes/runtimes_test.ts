import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { Folder } from "../support/folder.ts";
import { Memcached } from "../support/memcached.ts";
import { root, runCli, runPostmap } from "../support/processes.ts";
import { netstring, RawClient, Serving } from "../support/socketmap.ts";
import { openTable } from "../../mod.ts";
import { Installed, longest } from "./installed.ts";
import type { Outcome, Runtime } from "./requirements.ts";
import { Stage } from "./stage.ts";

/** Runs the requirements in Deno from the sources, elsewhere from the package. */
async function hold(
  runtime: Runtime,
  installed: Installed,
): Promise<Outcome[]> {
  await using stage = await Stage.set(runtime);
  const world = JSON.stringify(stage.world);
  switch (runtime) {
    case "deno": {
      const flags = ["run", "-A", "--no-prompt", `--config=${root}deno.json`];
      const program = [...flags, `${root}tests/runtimes/program.ts`, world];
      return JSON.parse(await installed.must(Deno.execPath(), program));
    }
    case "workerd":
      return await holdWorker(installed, world);
    default: {
      const command = runtime === "bun" ? installed.tool("bun") : "node";
      const program = await installed.bundle("program", {
        whole: false,
      });
      return JSON.parse(await installed.must(command, [program, world]));
    }
  }
}

async function holdWorker(
  installed: Installed,
  world: string,
): Promise<Outcome[]> {
  const script = await installed.bundle("worker", { whole: true });
  const miniflare = `${root}tests/support/miniflare/`;
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      "--no-prompt",
      `--config=${miniflare}deno.json`,
      `${miniflare}worker.ts`,
      script,
    ],
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  try {
    let printed = "";
    for await (const chunk of child.stdout) {
      printed += new TextDecoder().decode(chunk);
      if (printed.endsWith("\n")) break;
    }
    const response = await fetch(printed.trim(), {
      method: "POST",
      body: world,
      signal: AbortSignal.timeout(longest),
    });
    const text = await response.text();
    assert(response.ok, text);
    return JSON.parse(text);
  } finally {
    await child.stdin.close();
    await child.status;
  }
}

const cases: [string, (installed: Installed) => Promise<void>][] = [];

function works(name: string, test: (installed: Installed) => Promise<void>) {
  cases.push([name, test]);
}

works("the command line runs on Node and Bun as on Deno", async (installed) => {
  await using memcached = await Memcached.tcp();
  const path = await installed.write("t.cf", `memcache=${memcached.server}\n`);
  const table = `memcache:${path}`;
  const programs: [string, string[]][] = [
    ["node", [installed.tool("memcache-table")]],
    [installed.tool("bun"), [installed.tool("memcache-table")]],
  ];
  const questions: [string[], string][] = [
    [["-i", table], "alice one\nbob  two words\n# no entry\nkäse three\n"],
    [["-q", "Alice", table], ""],
    [["-q", "nobody", table], ""],
    [["-q", "-", table], "bob\nnobody\nKÄSE\n"],
    [["-q", "-", table], "bob\nalice\n".repeat(20000)],
    [["-j", "-q", "bob", table], ""],
    [["-s", table], ""],
    [["-s", "inline:{a=b, c=d}"], ""],
    [["-d", "bob", table], ""],
    [["-d", "-", table], "alice\nkäse\nbob\n"],
    [["-q", "k", "memcache:/nonexistent.cf"], ""],
    [["-q", "k", "nonexistent:t"], ""],
    [["-q", "k", "memcache:{memcache=inet:127.0.0.1:1}"], ""],
    [["-z"], ""],
    [["--version"], ""],
  ];
  const answers = async (
    ask: (args: string[], stdin: string) => Promise<
      { code: number; stdout: string; stderr: string }
    >,
  ) => {
    await memcached.flush();
    const all = [];
    for (const [args, stdin] of questions) {
      const { code, stdout, stderr } = await ask(args, stdin);
      // What the system calls a refused connection is each runtime's own.
      const said = stderr.split("\n").filter((line) =>
        line.startsWith("memcache-table: ")
      ).map((line) => line.replace(/(\(is it running there\?\)).*/, "$1"));
      assert(!/^\s+at /m.test(stderr), stderr);
      all.push({ args, code, stdout, said });
    }
    return all;
  };
  const expected = await answers((args, stdin) => runCli(args, { stdin }));
  assertEquals(expected[1].stdout, "one\n");
  assertEquals(
    await installed.must("npx", ["memcache-table", "-q", "alice", "static:v"]),
    "v\n",
  );
  for (const [program, first] of programs) {
    assertEquals(
      await answers((args, stdin) =>
        installed.run(program, [...first, ...args], stdin)
      ),
      expected,
      program,
    );
  }
});

works("serve answers postmap on Node and Bun", async (installed) => {
  await using memcached = await Memcached.tcp();
  await memcached.set("alice", "wonder");
  for (const program of ["node", installed.tool("bun")]) {
    const path = `${installed.path}/s`;
    const start = () =>
      Serving.start([
        ...["--socketmap", `unix:${path}`, "--mode", "0600"],
        `t=memcache:{memcache=${memcached.server}}`,
      ], { command: [program, installed.tool("memcache-table")] });
    {
      await using dead = await start();
      await dead.stop("SIGKILL");
    }
    await using serving = await start();
    assertEquals((await Deno.stat(path)).mode! & 0o777, 0o600, program);
    const socketmap = `socketmap:${serving.endpoint}:t`;
    const { stdout } = await runPostmap(["-q", "-", socketmap], {
      stdin: "Alice\nbob\nALICE\n",
    });
    assertEquals(stdout, "Alice\twonder\nALICE\twonder\n");
    using client = await RawClient.connect(serving.endpoint);
    await client.send(netstring("t alice").repeat(1000) + "no netstring");
    for (let count = 0; count < 1000; count++) {
      assertEquals(await client.reply(), "OK wonder");
    }
    assertEquals((await client.reply())?.slice(0, 4), "PERM");
    assertEquals(await client.reply(), undefined);
    const second = await start().catch((error) => error.message);
    assertEquals(`${second}`.includes("already served"), true, `${second}`);
    assertEquals(await serving.stop(), 0, program);
    assertEquals(serving.lines.length, 1, serving.lines.join("\n"));
    await assertRejects(() => Deno.lstat(path), Deno.errors.NotFound);
  }
});

works("the command line ends when its reader does", async (installed) => {
  for (const program of ["", `${installed.tool("bun")} `]) {
    const { code, stderr } = await installed.run("bash", [
      "-c",
      `set -o pipefail; yes k | ${program}${
        installed.tool("memcache-table")
      } -q - static:v | head -n 1`,
    ]);
    assertEquals([code, stderr], [141, ""], program);
  }
});

works("an old Node is told so", async (installed) => {
  for (const version of ["12.22.12", "18.20.8", "20.2.0"]) {
    const old = await installed.write(
      "old.mjs",
      `Object.defineProperty(process.versions, "node", { value: "${version}" });`,
    );
    const { code, stdout, stderr } = await installed.run("node", [
      `--import=${old}`,
      installed.tool("memcache-table"),
      "--version",
    ]);
    assertEquals([code, stdout, stderr], [
      1,
      "",
      `memcache-table: fatal: this is Node ${version}: use Node 20.3 or later, Bun or Deno\n`,
    ]);
  }
});

works("strict TypeScript compiles with it", async (installed) => {
  for (
    const [module, resolution] of [["node16", "node16"], ["esnext", "bundler"]]
  ) {
    await installed.must(installed.tool("tsc"), [
      "--noEmit",
      "--strict",
      "--target",
      "es2022",
      "--lib",
      "es2022,dom",
      "--types",
      "",
      "--module",
      module,
      "--moduleResolution",
      resolution,
      "consumer.ts",
    ]);
  }
});

works("lookups at the edge are a small bundle", async (installed) => {
  const path = await installed.bundle("edge", {
    whole: true,
    minify: true,
  });
  const { size } = await Deno.stat(path);
  console.log(`lookups at the edge, minified: ${size} bytes`);
  assert(size <= 24 * 1024, `${size} bytes`);
  const text = await Deno.readTextFile(path);
  assert(!text.includes("node:"), "it needs something of Node");
});

works(
  "kv: reads on Node and Bun what Deno wrote, and the other way",
  async (installed) => {
    await using folder = await Folder.make();
    const name = `kv:${folder.path}/t.kv#aliases`;
    const entries = [["alice", "one"], ["käse", "zwei 🧀"]];
    {
      await using table = await openTable(name, { write: true, utf8: true });
      for (const [key, value] of entries) await table.update(key, value);
    }
    const program = await installed.bundle("kv_program", {
      whole: false,
    });
    for (const command of ["node", installed.tool("bun")]) {
      const printed = await installed.must(command, [program, name, command]);
      const expected = entries.map(([key, value]) => ({ key, value }));
      assertEquals(JSON.parse(printed), expected);
      await using table = await openTable(name, { write: true, utf8: true });
      assertEquals(await table.lookup("written by"), command);
      assertEquals(await table.delete("written by"), true);
    }
  },
);

Deno.test("in all runtimes, from the package", async (test) => {
  await using installed = await Installed.make();
  const runtimes: Runtime[] = ["deno", "node", "bun", "workerd"];
  // They wait most of the time.
  const held = await Promise.allSettled(
    runtimes.map((runtime) => hold(runtime, installed)),
  );
  for (const [at, runtime] of runtimes.entries()) {
    await test.step(runtime, async (test) => {
      const outcomes = held[at];
      if (outcomes.status === "rejected") throw outcomes.reason;
      assert(outcomes.value.length >= 14);
      for (const { name, error } of outcomes.value) {
        await test.step(name, () => assertEquals(error, undefined));
      }
    });
  }
  for (const [name, work] of cases) {
    await test.step(name, () => work(installed));
  }
});
