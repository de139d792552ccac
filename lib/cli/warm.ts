import type { Subcommand } from "./subcommand.ts";

/** `warm`. */
export const warm: Subcommand = {
  help: "Usage: memcache-table warm type:name\n",
  flags: [],
  values: [],
  run: (given) => {
    given.report.fatal("not there yet");
    return Promise.resolve(1);
  },
};
