import { type Counts, readCounts } from "./counts.ts";
import { root } from "./root.ts";

// Milliseconds. A test that never ends is a failure that is told, also where the
// loop of events stands still and no time-out of a test would go off.
const longestRun = 15 * 60_000;

/** Runs `deno test`; returns how many passed and failed, steps included. */
export async function runTests(
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<Counts> {
  console.log("\n# tests");
  const child = new Deno.Command(Deno.execPath(), {
    args: ["test", "-A", "--doc", "--parallel", ...args],
    cwd: root,
    env: { NO_COLOR: "1", DENO_JOBS: "2", ...env },
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
  return readCounts(tail, success, Deno.env.get("CI") === "true");
}
