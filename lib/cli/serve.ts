import type { Subcommand } from "./subcommand.ts";

/** `serve`. */
export const serve: Subcommand = {
  help: "Usage: memcache-table serve type:name\n",
  flags: [],
  values: [],
  run: (given) => {
    given.report.fatal("not there yet");
    return Promise.resolve(1);
  },
};
