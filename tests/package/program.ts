// The program of the package, if the runtime is new enough.
import { main } from "../../lib/cli/main.ts";
import { terminal } from "../../lib/cli/terminal.ts";

terminal.exit(await main(terminal.args));
