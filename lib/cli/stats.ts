import type { Subcommand } from "./subcommand.ts";

/** `stats`. */
export const stats: Subcommand = {
  help: "Usage: memcache-table stats type:name\n",
  flags: [],
  values: [],
  run: (given) => {
    given.report.fatal("not there yet");
    return Promise.resolve(1);
  },
};
