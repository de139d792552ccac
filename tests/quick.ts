// `deno task test:quick`: what can be checked and tested with nothing but Deno and
// git, in less than half a minute. Ends with the line "N passed, N failed", made
// from what was counted.

import { quickChecks, runChecks } from "./suite/checks.ts";
import { finish, sum } from "./suite/counts.ts";
import { quickTests } from "./suite/quick_tests.ts";
import { runTests } from "./suite/tests.ts";
import { Folder } from "./support/folder.ts";

/** A folder to search for programs that has git and nothing else. */
async function onlyGit(): Promise<Folder> {
  const folder = await Folder.make();
  for (const path of Deno.env.get("PATH")?.split(":") ?? []) {
    const isThere = await Deno.stat(`${path}/git`).catch(() => undefined);
    if (isThere === undefined) continue;
    await Deno.symlink(`${path}/git`, `${folder.path}/git`);
    break;
  }
  return folder;
}

async function test() {
  // A test that starts another program is not quick, and fails here.
  await using programs = await onlyGit();
  return await runTests(
    [
      // They were checked already.
      "--no-check",
      ...Deno.args,
      ...await quickTests(),
      "mod.ts",
      "cli.ts",
      "lib",
    ],
    // Random cases are fewer than in the full test, each time others.
    { PATH: programs.path, ROUNDS: Deno.env.get("ROUNDS") ?? "100" },
  );
}

finish(sum(await runChecks(quickChecks), await test()));
