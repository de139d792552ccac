// The program that people install, as it is built; see program_build.ts.
import { main } from "../../lib/cli/main.ts";
import { terminal } from "../../lib/cli/terminal.ts";

// Without a top-level await: rest.js imports this file, and would wait for it. Nor has
// CommonJS one.
main(terminal.args).then((status) => terminal.exit(status));
