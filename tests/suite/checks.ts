import configuration from "../../deno.json" with { type: "json" };
import type { Counts } from "./counts.ts";
import { succeeds } from "./programs.ts";
import { root } from "./root.ts";

/** A command of Deno that fails when something is wrong. */
export interface Check {
  readonly name: string;
  readonly args: readonly string[];
}

/** The checks that take a second or two. */
export const quickChecks: readonly Check[] = [
  { name: "format", args: ["fmt", "--check"] },
  { name: "lint", args: ["lint"] },
  { name: "types", args: ["check", "mod.ts", "cli.ts", "lib", "tests"] },
];

/** All checks of `deno task check`. */
export const checks: readonly Check[] = [
  ...quickChecks,
  // Each entry point by itself: what it names, it exports.
  ...Object.entries(configuration.exports).map(([name, path]) => ({
    name: `documentation of ${name}`,
    args: ["doc", "--lint", path],
  })),
  {
    name: "publishing",
    args: ["run", "-A", "tests/package/publish.ts", "--dry-run"],
  },
];

/** What the tests import from outside is what it was when it was locked. */
export const dependencies: readonly Check[] = [
  // The lock file is named here alone: `deno task` would fetch all that is in
  // one it finds, where only the tests need it.
  {
    name: "dependencies",
    args: [
      "cache",
      "--frozen",
      "--lock=tests/deno.lock",
      "tests/support/assert.ts",
      "tests/cli/options_test.ts",
      "tests/package/program_build.ts",
      "tests/support/kv_connect/messages.ts",
      "tests/support/table_kinds.ts",
    ],
  },
  // A configuration of its own: who runs the command line does not load it.
  {
    name: "Workers runtime",
    args: [
      "run",
      "-A",
      "--config=tests/support/miniflare/deno.json",
      "tests/support/miniflare/server.ts",
      "1",
    ],
  },
];

/** Runs checks, one after the other. */
export async function runChecks(list: readonly Check[]): Promise<Counts> {
  const counts = { passed: 0, failed: 0 };
  for (const { name, args } of list) {
    console.log(`\n# ${name}: deno ${args.join(" ")}`);
    if (await succeeds(Deno.execPath(), args, { cwd: root })) counts.passed++;
    else {
      counts.failed++;
      console.error(`failed: ${name}`);
    }
  }
  return counts;
}
