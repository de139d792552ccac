import { systemClock } from "../../system/clock.ts";
import { parseTime } from "../../config/time.ts";
import { cleanUp } from "../../maintenance/cleanup.ts";
import { UsageError } from "../command_line.ts";
import { Progress } from "../progress.ts";
import { type Given, oneTable, type Subcommand } from "./subcommand.ts";
import { terminal } from "../terminal.ts";
import { secondsSince } from "./warm.ts";

/** `cleanup`. */
export const cleanup: Subcommand = {
  page: {
    usage: ["cleanup --postscreen | --verify [options] type:name"],
    about: "Removes what has expired from the cache of postscreen(8) or " +
      "verify(8), from the backup and from memcached. Postfix does so itself " +
      "every 12 hours, unless postscreen_cache_cleanup_interval or " +
      "address_verify_cache_cleanup_interval is 0. The times are those of " +
      "main.cf. Postfix may run meanwhile, if it has the cache behind proxy: " +
      "what it refreshes stays.",
    examples: [
      "memcache-table cleanup --postscreen memcache:/etc/postfix/postscreen.cf",
    ],
    exitStatus:
      "0 done, 1 failed; what was removed before a failure had expired.",
  },
  options: [
    {
      name: "postscreen",
      help: "entries go 7 days after a test expired, or as " +
        "postscreen_cache_retention_time says",
    },
    {
      name: "verify",
      help: "entries go 31 days after a good result, 3 after another, or as " +
        "address_verify_positive_expire_time and " +
        "address_verify_negative_expire_time say",
    },
    {
      name: "older-than",
      argument: "AGE",
      help: "instead of these times: 12h, 7d, 2w (s, m, h, d, w)",
      words: ["age", "than", "older"],
    },
    {
      name: "dry-run",
      help: "list what would go, and why; change nothing",
      words: ["dry", "pretend", "simulate", "n"],
    },
  ],
  async run(given) {
    const { flag, report, output } = given;
    const table = oneTable("cleanup", given);
    const daemon = whoseCache(given);
    const olderThan = parseAge(given.value("older-than"));
    const dryRun = flag("dry-run");
    const start = systemClock.now();
    const progress = Progress.where(!dryRun || !terminal.isTerminal("output"));
    const done = await cleanUp(table, {
      ...given.tableOptions,
      daemon,
      olderThan,
      dryRun,
      onProgress: ({ entries }) => progress?.to(entries),
      onExpired: ({ key, reason }) => {
        if (dryRun) return output.write(`${key}\t${reason}\n`);
        report.detail?.(`${table}: removing key "${key}": ${reason}`);
      },
    });
    progress?.end();
    const refreshed = done.refreshed > 0
      ? `, ${done.refreshed} refreshed meanwhile`
      : "";
    const summary = `${table}: ${done.entries} entries, ${done.removed} ` +
      `${dryRun ? "to be " : ""}removed (${done.malformed} malformed)` +
      `${refreshed}, in ${secondsSince(start)} seconds`;
    // Whatever reads the list wants nothing else there.
    if (dryRun) report.note(summary);
    else output.add(`${summary}\n`);
    await output.flush();
    return 0;
  },
};

function whoseCache({ flag }: Given): "postscreen" | "verify" {
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
