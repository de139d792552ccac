import { systemClock } from "../../system/clock.ts";
import { warmCache } from "../../maintenance/warm.ts";
import { tellHowFar } from "../how_far.ts";
import { Progress } from "../progress.ts";
import { interruptible, oneTable, type Subcommand } from "./subcommand.ts";

/** `warm`: fills memcached from the backup. */
export const warm: Subcommand = {
  page: {
    usage: ["warm [options] memcache:name"],
    about:
      "Copies the backup of a memcache table into memcached, so that lookups " +
      "after a restart of memcached do not have to use the backup. Replaces " +
      "entries that memcached has. If key_format is a fixed text followed by %s, " +
      "removes entries that the backup does not have, unless it has none at all. " +
      "Skips entries that do not " +
      'belong in memcached: keys outside the "domain" list, keys and values that ' +
      "are too long; -v lists them.",
    examples: ["memcache-table warm memcache:/etc/postfix/aliases.cf"],
    exitStatus:
      "0 done; 1 failed, or memcached refused an entry. Copied entries " +
      "are kept.",
  },
  options: [],
  run: interruptible(async (invocation) => {
    const table = oneTable("warm", invocation);
    const start = systemClock.now();
    const progress = Progress.onTerminal();
    const { copied, leftOut, refused, removed } = await warmCache(table, {
      ...invocation.tableOptions,
      onProgress: ({ entries }) => progress?.update(entries),
      onFailure: ({ copied, leftOut, refused = 0, removed }) =>
        tellHowFar(invocation.report, {
          stored: copied,
          notStored: leftOut + refused,
          removed,
        }),
    }).finally(() => progress?.end());
    await invocation.output.write(
      `${table}: ${copied} entries copied, ${leftOut} left out, ` +
        (refused === undefined ? "" : `${refused} refused, `) +
        (removed === undefined ? "" : `${removed} removed, `) +
        `in ${secondsSince(start)} seconds\n`,
    );
    await invocation.output.flush();
    return refused === undefined ? 0 : 1;
  }),
};

/** The seconds since a time of the clock, with one decimal. */
export function secondsSince(start: number): string {
  return ((systemClock.now() - start) / 1000).toFixed(1);
}
