// `deno task check`: format, lint, types, documentation, publishing.

import { checks, runChecks } from "./suite/checks.ts";
import { finish } from "./suite/counts.ts";

finish(await runChecks(checks));
