import type { Installed } from "../../runtimes/installed.ts";
import { key } from "../data.mjs";
import { wholeProgram } from "../program.ts";
import type { Row } from "../row.ts";
import { cli } from "./whole_process.ts";

/** One key, from the program's start to its end. */
export const cold: Row = {
  name: "cold",
  title: "-q of one key, whole process",
  unit: "ms",
  note: "floor: empty Deno script",
  targets: [{ against: "floor", atMost: 1.5 }],
  contestants: async (environment) => {
    const { signal } = environment;
    const empty = await environment.folder.write("empty.ts", "");
    const tcp = await environment.server("tcp");
    const unix = await environment.server("unix");
    const time = (command: string[]) => () => wholeProgram({ command, signal });
    return {
      tcp: time([...cli, "-q", key(123), tcp.table]),
      unix: time([...cli, "-q", key(123), unix.table]),
      postmap: time(["postmap", "-q", key(123), tcp.table]),
      floor: time([Deno.execPath(), "run", "-A", empty]),
    };
  },
};

/** The same with the npm package, compared with an empty script. */
function installed(
  name: string,
  runtime: string,
  command: (installed: Installed) => string,
): Row {
  return {
    name,
    title: `-q of one key, package on ${runtime}`,
    unit: "ms",
    note: `floor: empty ${runtime} script`,
    targets: [{ against: "floor", atMost: 1.5 }],
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
export const coldNode: Row = installed("cold-node", "Node", () => "node");
/** On Bun. */
export const coldBun: Row = installed(
  "cold-bun",
  "Bun",
  (installed) => installed.tool("bun"),
);
