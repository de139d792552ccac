import type { Installed } from "../../runtimes/installed.ts";
import { key } from "../data.mjs";
import type { Environment } from "../environment.ts";
import { wholeProgram } from "../program.ts";
import type { Row, Turn } from "../row.ts";

/** The turns of one lookup by a program, and of an empty script. */
async function lookUpOnce(
  environment: Environment,
  cli: string[],
  empty: string[],
): Promise<Record<"tcp" | "unix" | "floor", Turn>> {
  const tcp = await environment.server("tcp");
  const unix = await environment.server("unix");
  return {
    tcp: timed(environment, [...cli, "-q", key(123), tcp.table]),
    unix: timed(environment, [...cli, "-q", key(123), unix.table]),
    floor: timed(environment, empty),
  };
}

function timed({ signal }: Environment, command: string[]): Turn {
  return () => wholeProgram({ command, signal });
}

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
      const empty = await environment.folder.write("empty.ts", "");
      const { table } = await environment.server("tcp");
      return {
        ...await lookUpOnce(
          environment,
          await command(environment),
          [Deno.execPath(), "run", "-A", empty],
        ),
        postmap: timed(environment, ["postmap", "-q", key(123), table]),
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
      const installed = await environment.installed();
      const program = command(installed);
      return await lookUpOnce(
        environment,
        [program, installed.tool("memcache-table")],
        [program, await installed.write("empty.js", "")],
      );
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
