import { systemClock } from "../../system/clock.ts";
import { warmCache } from "../../maintenance/warm.ts";
import { UsageError } from "../command_line.ts";
import { Progress } from "../progress.ts";
import type { Given, Subcommand } from "./subcommand.ts";

/** `warm`. */
export const warm: Subcommand = {
  help: `\
Usage: memcache-table warm [-v] [-c DIR] memcache:name

Copies the backup of a memcache table into memcached, as when memcached was
restarted and lookups should not all wait for the backup. What is in memcached
already is replaced. Entries that memcached does not take (the "domain" list,
keys and values that are too long) are left out; -v says which.

  -c DIR    where main.cf is          -v        say what is done

  memcache-table warm memcache:/etc/postfix/memcache-aliases.cf

Exit status: 0 done, 1 failed; what was copied by then stays.
`,
  flags: [],
  values: [],
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

/** The one table that a subcommand takes. Throws {@linkcode UsageError}. */
export function oneTable(name: string, { operands }: Given): string {
  if (operands.length === 1) return operands[0];
  throw new UsageError(
    operands.length === 0
      ? `no table: name one, as in memcache-table ${name} memcache:/etc/postfix/cache.cf`
      : `${name} takes one table, not ${operands.length}: ${
        operands.join(" ")
      }`,
  );
}

/** Seconds with one decimal. */
export function secondsSince(start: number): string {
  return ((systemClock.now() - start) / 1000).toFixed(1);
}
