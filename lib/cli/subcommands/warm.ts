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
      "memcached has already is replaced, and what the backup does not have is " +
      "removed where key_format is a text and %s, as after an outage. Entries " +
      'that are not for memcached (keys outside the "domain" list, keys and ' +
      "values that are too long) are left out; -v says which.",
    examples: ["memcache-table warm memcache:/etc/postfix/aliases.cf"],
    exitStatus: "0 done, 1 failed, or memcached refused an entry; what was " +
      "copied stays.",
  },
  options: [],
  async run(given) {
    const table = oneTable("warm", given);
    const start = systemClock.now();
    const progress = Progress.where();
    const { copied, leftOut, refused, removed } = await warmCache(table, {
      ...given.tableOptions,
      onProgress: ({ entries }) => progress?.to(entries),
    });
    progress?.end();
    await given.output.write(
      `${table}: ${copied} entries copied, ${leftOut} left out, ` +
        (refused === undefined ? "" : `${refused} refused, `) +
        (removed === undefined ? "" : `${removed} removed, `) +
        `in ${secondsSince(start)} seconds\n`,
    );
    await given.output.flush();
    return refused === undefined ? 0 : 1;
  },
};

/** Seconds with one decimal. */
export function secondsSince(start: number): string {
  return ((systemClock.now() - start) / 1000).toFixed(1);
}
