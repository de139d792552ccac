import { count } from "../data.mjs";
import { type Environment, pinned, type ServerName } from "../environment.ts";
import { printingProgram } from "../program.ts";
import type { Row, Turn } from "../row.ts";

/** Thousands of keys per second, including the start and end of the program. */
export async function lookUpAll(
  environment: Environment,
  name: string,
  cli: string[],
  server: ServerName,
): Promise<Turn> {
  const { table } = await environment.server(server);
  const stdin = await environment.keysFile();
  const stdout = `${environment.folder.path}/out-${name}`;
  const command = [...cli, "-q", "-", table];
  const { signal } = environment;
  const program = { command, stdin, stdout, signal };
  return async () => count / await printingProgram(program, count);
}

/** `-q -`, the whole process. */
export const wholeProcess: Row = {
  name: "whole",
  title: "-q - of 100,000 keys, whole process",
  unit: "k/s",
  targets: [{ against: "postmap", atLeast: 60 }],
  contestants: async (environment) => {
    const cli = await environment.cli();
    return {
      tcp: await lookUpAll(environment, "tcp", cli, "tcp"),
      unix: await lookUpAll(environment, "unix", cli, "unix"),
      postmap: await lookUpAll(environment, "postmap", ["postmap"], "tcp"),
    };
  },
};

/** The same with the program and memcached on one CPU. */
export const wholeProcessPinned: Row = {
  name: "whole-pinned",
  title: "-q - of 100,000 keys, one CPU",
  unit: "k/s",
  targets: [{ against: "postmap", atLeast: 5 }],
  contestants: async (environment) => {
    const ours = [...pinned, ...await environment.cli()];
    const postmap = [...pinned, "postmap"];
    return {
      tcp: await lookUpAll(environment, "tcp", ours, "pinned"),
      unix: await lookUpAll(environment, "unix", ours, "pinned unix"),
      postmap: await lookUpAll(environment, "postmap", postmap, "pinned"),
    };
  },
};
