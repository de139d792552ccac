// `deno task test`: installs what is missing, then checks and tests everything.
// Ends with the line "N passed, N failed", made from what was counted.

import configuration from "../deno.json" with { type: "json" };

const root = new URL("..", import.meta.url).pathname;
const ci = Deno.env.get("CI") === "true";

interface Need {
  /** A program, or a type of table that postmap is to know: `lmdb:`. */
  program: string;
  package: string;
  why: string;
}

const needs: Need[] = [
  { program: "memcached", package: "memcached", why: "the server" },
  { program: "perl", package: "perl-base", why: "odd sockets and clients" },
  { program: "postmap", package: "postfix", why: "what we compare with" },
  { program: "lmdb:", package: "postfix-lmdb", why: "a table type" },
  {
    program: "nutcracker",
    package: "nutcracker",
    why: "a proxy before servers",
  },
  { program: "openssl", package: "openssl", why: "digests to compare with" },
  { program: "/usr/bin/time", package: "time", why: "peak memory" },
  { program: "perl", package: "perl-base", why: "odd standard streams" },
  { program: "script", package: "bsdutils", why: "a terminal" },
  { program: "node", package: "nodejs", why: "a runtime" },
  { program: "npm", package: "npm", why: "installs the package" },
  { program: "git", package: "git", why: "which files are ours" },
];

async function succeeds(
  program: string,
  args: string[],
  env?: Record<string, string>,
): Promise<boolean> {
  try {
    const { success } = await new Deno.Command(program, {
      args,
      env,
      cwd: root,
      stdin: "null",
    }).spawn().status;
    return success;
  } catch {
    return false;
  }
}

async function isThere({ program }: Need): Promise<boolean> {
  const check = program.endsWith(":")
    ? `postconf -m | grep -qx ${program.slice(0, -1)}`
    : `command -v ${program} >/dev/null`;
  const { success } = await new Deno.Command("sh", {
    args: ["-c", check],
    env: { PATH: `${Deno.env.get("PATH")}:/usr/sbin:/sbin` },
  }).output();
  return success;
}

async function missing(): Promise<Need[]> {
  const there = await Promise.all(needs.map(isThere));
  return needs.filter((_, number) => !there[number]);
}

/** Installs what is missing, where that can be done; else says what to install. */
async function installMissing(): Promise<void> {
  let lacking = await missing();
  if (lacking.length === 0) return;
  const names = lacking.map((need) => need.package);
  if (Deno.build.os === "linux" && Deno.uid() === 0) {
    console.log(`Installing ${names.join(", ")} …`);
    const env = { DEBIAN_FRONTEND: "noninteractive" };
    await succeeds("apt-get", ["update", "-qq"], env);
    await succeeds(
      "apt-get",
      ["install", "-y", "-qq", "--no-install-recommends", ...names],
      env,
    );
    lacking = await missing();
  }
  for (const { program, package: name, why } of lacking) {
    console.error(
      `missing: ${program} (${why}); on Debian: apt-get install ${name}`,
    );
  }
  if (lacking.length > 0) {
    console.log(`\n0 passed, ${lacking.length} failed`);
    Deno.exit(1);
  }
}

const checks: [string, string[]][] = [
  // What the tests import from outside, as it was when tests/deno.lock was made.
  // The lock file is given here alone: `deno task` would fetch all that is in
  // one it finds, where only the tests need it.
  ["dependencies", [
    "cache",
    "--frozen",
    "--lock=tests/deno.lock",
    "tests/support/assert.ts",
    "tests/cli/options_test.ts",
  ]],
  // A configuration of its own: who runs the command line does not load it.
  ["Workers runtime", [
    "run",
    "-A",
    "--config=tests/support/miniflare/deno.json",
    "tests/support/miniflare/server.ts",
    "1",
  ]],
  ["format", ["fmt", "--check"]],
  ["lint", ["lint"]],
  ["types", ["check", "mod.ts", "cli.ts", "lib", "tests"]],
  ["documentation", ["doc", "--lint", ...Object.values(configuration.exports)]],
  ["publishing", ["publish", "--dry-run", "--allow-dirty"]],
];

// Milliseconds. A test that never ends is a failure that is told, also where the
// loop of events stands still and no time-out of a test would go off.
const longestRun = 15 * 60_000;

/** Runs the tests; returns how many passed and failed, steps included. */
async function runTests(): Promise<{ passed: number; failed: number }> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["test", "-A", "--doc", "--parallel", ...Deno.args],
    cwd: root,
    env: { NO_COLOR: "1", DENO_JOBS: "2" },
    stdin: "null",
    stdout: "piped",
  }).spawn();
  const timer = setTimeout(() => {
    console.error("the tests do not come to an end");
    child.kill("SIGKILL");
  }, longestRun);
  let tail = "";
  const decoder = new TextDecoder();
  for await (const chunk of child.stdout) {
    await Deno.stdout.write(chunk);
    tail = (tail + decoder.decode(chunk, { stream: true })).slice(-4000);
  }
  const { success } = await child.status;
  clearTimeout(timer);
  // ok | 85 passed (226 steps) | 0 failed | 1 ignored (10s)
  const counts =
    /(\d+) passed(?: \((\d+) steps?\))? \| (\d+) failed(?: \((\d+) steps?\))?(.*)\n/
      .exec(tail);
  if (counts === null) return { passed: 0, failed: 1 };
  const [, passed, passedSteps = 0, failed, failedSteps = 0, rest] = counts;
  const ignored = Number(/(\d+) ignored/.exec(rest)?.[1] ?? 0);
  if (ignored > 0) console.error(`${ignored} tests were not run`);
  const bad = Number(failed) + Number(failedSteps) + (ci ? ignored : 0);
  return {
    passed: Number(passed) + Number(passedSteps),
    failed: success ? bad : Math.max(bad, 1),
  };
}

await installMissing();
Deno.env.set("PATH", `${Deno.env.get("PATH")}:/usr/sbin:/sbin`);

let passed = 0;
let failed = 0;
for (const [name, args] of checks) {
  console.log(`\n# ${name}: deno ${args.join(" ")}`);
  if (await succeeds(Deno.execPath(), args)) passed++;
  else {
    failed++;
    console.error(`failed: ${name}`);
  }
}
console.log("\n# tests");
const tests = await runTests();
passed += tests.passed;
failed += tests.failed;
console.log(`\n${passed} passed, ${failed} failed`);
Deno.exit(failed === 0 ? 0 : 1);
