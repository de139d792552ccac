// `deno task test`: installs what is missing, then checks and tests everything.
// Ends with the line "N passed, N failed", made from what was counted.

import { checks, dependencies, runChecks } from "./suite/checks.ts";
import { finish, sum } from "./suite/counts.ts";
import { installMissing } from "./suite/needs.ts";
import { runTests } from "./suite/tests.ts";

const missing = await installMissing();
if (missing > 0) finish({ passed: 0, failed: missing });
Deno.env.set("PATH", `${Deno.env.get("PATH")}:/usr/sbin:/sbin`);

const checked = await runChecks([...dependencies, ...checks]);
finish(sum(checked, await runTests(Deno.args)));
