import { assert, assertEquals } from "../support/assert.ts";
import { Folder } from "../support/folder.ts";
import { Memcached } from "../support/memcached.ts";
import { root, runCli } from "../support/processes.ts";
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

works("check and stats run on Node and Bun", async (installed) => {
  await using memcached = await Memcached.tcp();
  const path = await installed.write(
    "c.cf",
    `memcache=${memcached.server}\nkey_fromat=a\nbackup=texthash:/nonexistent\n`,
  );
  const steady = (text: string) => text.replace(/"roundTrip":[\d.]+/, "");
  const table = `memcache:${path}`;
  const expected = await runCli(["check", "-j", table]);
  assertEquals(expected.code, 1);
  const bin = installed.tool("memcache-table");
  for (const program of ["node", installed.tool("bun")]) {
    const checked = await installed.run(program, [bin, "check", "-j", table]);
    assertEquals(
      [checked.code, steady(checked.stdout), checked.stderr],
      [1, steady(expected.stdout), ""],
    );
    const given = ["stats", "-j", "--watch", "--interval", "0.1", table];
    const watching = new Deno.Command(program, {
      args: [bin, ...given],
      stdin: "null",
      stdout: "piped",
      signal: AbortSignal.timeout(longest),
    }).spawn();
    let printed = "";
    for await (
      const text of watching.stdout.pipeThrough(new TextDecoderStream())
    ) {
      if (printed.includes('"rates":{')) continue;
      printed += text;
      if (printed.includes('"rates":{')) watching.kill("SIGINT");
    }
    assertEquals((await watching.status).code, 0, program);
    const { hits, rates } = JSON.parse(printed.split("\n")[0]);
    assertEquals([hits, rates], [0, null]);
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
