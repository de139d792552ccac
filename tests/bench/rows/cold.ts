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
  wanted: [{ against: "floor", atMost: 1.5 }],
  contestants: async (ground) => {
    const { signal } = ground;
    const empty = await ground.folder.write("empty.ts", "");
    const tcp = await ground.server("tcp");
    const unix = await ground.server("unix");
    const time = (command: string[]) => () => wholeProgram({ command, signal });
    return {
      tcp: time([...cli, "-q", key(123), tcp.table]),
      unix: time([...cli, "-q", key(123), unix.table]),
      postmap: time(["postmap", "-q", key(123), tcp.table]),
      floor: time([Deno.execPath(), "run", "-A", empty]),
    };
  },
};
