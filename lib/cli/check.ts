import type { Subcommand } from "./subcommand.ts";

/** `check`. */
export const check: Subcommand = {
  help: "Usage: memcache-table check type:name\n",
  flags: [],
  values: [],
  run: (given) => {
    given.report.fatal("not there yet");
    return Promise.resolve(1);
  },
};
