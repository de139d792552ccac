import { systemClock } from "../../system/clock.ts";
import { parseTime } from "../../config/time.ts";
import { cleanUp } from "../../maintenance/cleanup.ts";
import { UsageError } from "../command_line.ts";
import { tellHowFar } from "../how_far.ts";
import { Progress } from "../progress.ts";
import {
  interruptible,
  type Invocation,
  oneTable,
  type Subcommand,
} from "./subcommand.ts";
import { terminal } from "../terminal.ts";
import { secondsSince } from "./warm.ts";

/** `cleanup`: removes expired entries. */
export const cleanup: Subcommand = {
  page: {
    usage: ["cleanup --postscreen | --verify [options] type:name"],
    about:
      "Removes expired entries of the cache of postscreen(8) or verify(8) " +
      "from the backup and from memcached. Postfix does this itself every 12 " +
      "hours, unless postscreen_cache_cleanup_interval or " +
      "address_verify_cache_cleanup_interval is 0. main.cf sets the expiry times. " +
      "Postfix may run meanwhile if it opens the cache through proxy: an entry " +
      "that it refreshes is kept.",
    examples: [
      "memcache-table cleanup --postscreen memcache:/etc/postfix/postscreen.cf",
    ],
    exitStatus:
      "0 done, 1 failed; entries removed before a failure had expired.",
  },
  options: [
    {
      name: "postscreen",
      help: "remove entries 7 days after a test expired, or as " +
        "postscreen_cache_retention_time says",
    },
    {
      name: "verify",
      help:
        "remove entries 31 days after a good result, 3 after a bad one, or " +
        "as address_verify_positive_expire_time and " +
        "address_verify_negative_expire_time say",
    },
    {
      name: "older-than",
      argument: "AGE",
      help: "a time to use instead of these: 12h, 7d, 2w (s, m, h, d, w)",
      words: ["age", "than", "older"],
    },
    {
      name: "dry-run",
      help: "only list the entries that would be removed, and why",
      words: ["dry", "pretend", "simulate", "n"],
    },
  ],
  run: interruptible(async (invocation) => {
    const { flag, report, output } = invocation;
    const table = oneTable("cleanup", invocation);
    const daemon = chooseDaemon(invocation);
    const olderThan = parseAge(invocation.value("older-than"));
    const dryRun = flag("dry-run");
    const start = systemClock.now();
    const progress = Progress.onTerminal(
      !dryRun || !terminal.isTerminal("output"),
    );
    const done = await cleanUp(table, {
      ...invocation.tableOptions,
      daemon,
      olderThan,
      dryRun,
      onProgress: ({ entries }) => progress?.update(entries),
      onFailure: ({ removed }) => tellHowFar(report, { removed }),
      onExpired: ({ key, reason }) => {
        if (dryRun) return output.write(`${key}\t${reason}\n`);
        report.detail?.(`${table}: removing key "${key}": ${reason}`);
      },
    }).finally(() => progress?.end());
    const refreshed = done.refreshed > 0
      ? `, ${done.refreshed} refreshed meanwhile`
      : "";
    const summary = `${table}: ${done.entries} entries, ${done.removed} ` +
      `${dryRun ? "to be " : ""}removed (${done.malformed} malformed)` +
      `${refreshed}, in ${secondsSince(start)} seconds`;
    // Standard output is only the list, for programs that read it.
    if (dryRun) report.note(summary);
    else output.add(`${summary}\n`);
    await output.flush();
    return 0;
  }),
};

function chooseDaemon({ flag }: Invocation): "postscreen" | "verify" {
  const postscreen = flag("postscreen");
  if (postscreen !== flag("verify")) {
    return postscreen ? "postscreen" : "verify";
  }
  throw new UsageError(
    postscreen
      ? "give only one of --postscreen and --verify: a table is the cache of one"
      : "give --postscreen or --verify, for whose cache it is: " +
        "entries of other tables have no time",
  );
}

function parseAge(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const seconds = parseTime(text);
  if (seconds !== undefined) return seconds;
  throw new UsageError(
    `--older-than ${text}: need a number above 0 with s, m, h, d or w, such as 7d`,
  );
}
