import type { Installed } from "../../runtimes/installed.ts";
import { key } from "../data.mjs";
import type { Environment } from "../environment.ts";
import { wholeProgram } from "../program.ts";
import type { Row } from "../row.ts";

/** One key, from the program's start to its end. */
function onDeno(
  about: Pick<Row, "name" | "title" | "targets">,
  command: (environment: Environment) => Promise<string[]>,
): Row {
  return {
    ...about,
    unit: "ms",
    note: "floor: empty Deno script",
    contestants: async (environment) => {
      const { signal } = environment;
      const cli = await command(environment);
      const empty = await environment.folder.write("empty.ts", "");
      const tcp = await environment.server("tcp");
      const unix = await environment.server("unix");
      const time = (command: string[]) => () =>
        wholeProgram({ command, signal });
      return {
        tcp: time([...cli, "-q", key(123), tcp.table]),
        unix: time([...cli, "-q", key(123), unix.table]),
        postmap: time(["postmap", "-q", key(123), tcp.table]),
        floor: time([Deno.execPath(), "run", "-A", empty]),
      };
    },
  };
}

/** With the built program. */
export const cold: Row = onDeno({
  name: "cold",
  title: "-q of one key, whole process",
  targets: [{ against: "floor", atMost: 1.3 }],
}, (environment) => environment.cli());

/** From the source. */
export const coldSource: Row = onDeno({
  name: "cold-source",
  title: "-q of one key, from the source",
  targets: [{ against: "floor", atMost: 1.6 }],
}, () => Promise.resolve([Deno.execPath(), "run", "-A", "cli.ts"]));

/** The same with the npm package, compared with an empty script. */
function installed(
  name: string,
  runtime: string,
  atMost: number,
  command: (installed: Installed) => string,
): Row {
  return {
    name,
    title: `-q of one key, package on ${runtime}`,
    unit: "ms",
    note: `floor: empty ${runtime} script`,
    targets: [{ against: "floor", atMost }],
    contestants: async (environment) => {
      const { signal } = environment;
      const installed = await environment.installed();
      const program = command(installed);
      const cli = [program, installed.tool("memcache-table")];
      const empty = await installed.write("empty.js", "");
      const tcp = await environment.server("tcp");
      const unix = await environment.server("unix");
      const time = (command: string[]) => () =>
        wholeProgram({ command, signal });
      return {
        tcp: time([...cli, "-q", key(123), tcp.table]),
        unix: time([...cli, "-q", key(123), unix.table]),
        floor: time([program, empty]),
      };
    },
  };
}

/** On Node. */
export const coldNode: Row = installed("cold-node", "Node", 1.2, () => "node");
/** On Bun. */
export const coldBun: Row = installed(
  "cold-bun",
  "Bun",
  2.5,
  (installed) => installed.tool("bun"),
);
