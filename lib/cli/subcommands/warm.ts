import { systemClock } from "../../system/clock.ts";
import { warmCache } from "../../maintenance/warm.ts";
import { Progress } from "../progress.ts";
import { oneTable, type Subcommand } from "./subcommand.ts";

/** `warm`. */
export const warm: Subcommand = {
  page: {
    usage: ["warm [options] memcache:name"],
    about:
      "Copies the backup of a memcache table into memcached, so that after " +
      "a restart of memcached not all lookups have to wait for the backup. What " +
      "memcached has already is replaced. Entries that memcached cannot take " +
      '(keys outside the "domain" list, keys and values that are too long) are ' +
      "left out; -v says which.",
    examples: ["memcache-table warm memcache:/etc/postfix/aliases.cf"],
    exitStatus: "0 done, 1 failed; what was copied before a failure stays.",
  },
  options: [],
  async run(given) {
    const table = oneTable("warm", given);
    const start = systemClock.now();
    const progress = Progress.where();
    const { copied, leftOut } = await warmCache(table, {
      ...given.tableOptions,
      onProgress: ({ entries }) => progress?.to(entries),
    });
    progress?.end();
    await given.output.write(
      `${table}: ${copied} entries copied, ${leftOut} left out, ` +
        `in ${secondsSince(start)} seconds\n`,
    );
    await given.output.flush();
    return 0;
  },
};

/** Seconds with one decimal. */
export function secondsSince(start: number): string {
  return ((systemClock.now() - start) / 1000).toFixed(1);
}
