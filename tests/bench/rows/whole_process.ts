import { count } from "../data.mjs";
import { type Ground, pinned, type ServerName } from "../ground.ts";
import { mustHaveLines, wholeProgram } from "../program.ts";
import type { Row, Turn } from "../row.ts";

/** The command line. */
export const cli = [Deno.execPath(), "run", "-A", "cli.ts"];

/** Thousands of keys a second, the program's start and end included. */
async function lookUpAll(
  ground: Ground,
  name: string,
  program: string[],
  server: ServerName,
): Promise<Turn> {
  const { table } = await ground.server(server);
  const stdin = await ground.keysFile();
  const stdout = `${ground.folder.path}/out-${name}`;
  const command = [...program, "-q", "-", table];
  const { signal } = ground;
  return async () => {
    const took = await wholeProgram({ command, stdin, stdout, signal });
    await mustHaveLines(stdout, count);
    return count / took;
  };
}

/** `-q -`, from its start to its end. */
export const wholeProcess: Row = {
  name: "whole",
  title: "-q - of 100,000 keys, whole process",
  unit: "k/s",
  wanted: [{ against: "postmap", atLeast: 60 }],
  contestants: async (ground) => ({
    tcp: await lookUpAll(ground, "tcp", cli, "tcp"),
    unix: await lookUpAll(ground, "unix", cli, "unix"),
    postmap: await lookUpAll(ground, "postmap", ["postmap"], "tcp"),
  }),
};

/** The same with the program and memcached on one CPU. */
export const wholeProcessPinned: Row = {
  name: "whole-pinned",
  title: "-q - of 100,000 keys, one CPU",
  unit: "k/s",
  wanted: [{ against: "postmap", atLeast: 5 }],
  contestants: async (ground) => {
    const ours = [...pinned, ...cli];
    const postmap = [...pinned, "postmap"];
    return {
      tcp: await lookUpAll(ground, "tcp", ours, "pinned"),
      unix: await lookUpAll(ground, "unix", ours, "pinned unix"),
      postmap: await lookUpAll(ground, "postmap", postmap, "pinned"),
    };
  },
};
