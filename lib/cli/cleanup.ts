import type { Subcommand } from "./subcommand.ts";

/** `cleanup`. */
export const cleanup: Subcommand = {
  help: "Usage: memcache-table cleanup type:name\n",
  flags: [],
  values: [],
  run: (given) => {
    given.report.fatal("not there yet");
    return Promise.resolve(1);
  },
};
