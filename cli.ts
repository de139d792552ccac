/**
 * The command line: works like postmap, with the same options, and writes to
 * memcache tables as well.
 *
 * ```sh
 * deno run -A jsr:@postmaps/memcache-table/cli -q alice@example.com memcache:/etc/postfix/aliases.cf
 * ```
 *
 * @module
 */
import { main } from "./lib/cli/main.ts";
import { terminal } from "./lib/cli/terminal.ts";

if (import.meta.main) terminal.exit(await main(terminal.args));
