import { type Change, type Synced, syncTable } from "../../maintenance/sync.ts";
import type { Entry } from "../../table.ts";
import { UsageError } from "../command_line.ts";
import { tellHowFar } from "../how_far.ts";
import { noFolding } from "../postmap_options.ts";
import { formatCount, Progress } from "../progress.ts";
import { type NumberedEntry, sourceEntries } from "../source_entries.ts";
import { Output } from "../streams.ts";
import { terminal } from "../terminal.ts";
import {
  interruptible,
  type Invocation,
  json,
  oneTable,
  type Subcommand,
} from "./subcommand.ts";

/** `sync`: makes a table equal to standard input. */
export const sync: Subcommand = {
  page: {
    usage: ["sync [options] type:name < SOURCE"],
    about:
      "Makes a table equal to standard input, in the syntax of -i: adds, changes " +
      "and removes entries, in the backup and in memcached. Equal entries are not " +
      "written. If a line cannot be used, or there are no entries, nothing is " +
      "changed. After an interruption, run it again.",
    examples: [
      "memcache-table sync memcache:/etc/postfix/aliases.cf < aliases",
    ],
    exitStatus: "0 done; 1 failed, or entries were skipped.",
  },
  options: [
    {
      name: "dry-run",
      help: 'list the changes: "+ key value", "~" changed, "-" removed',
      words: ["dry", "pretend", "simulate", "n", "diff"],
    },
    {
      name: "partial",
      help: "skip lines that cannot be used, as if they were not there",
      words: ["force", "skip"],
    },
    {
      name: "allow-empty",
      help: "a source without entries empties the table",
      words: ["empty"],
    },
    {
      letter: "r",
      help: "for lines with the same key, use the last one, not the first",
      words: ["replace"],
    },
    {
      letter: "w",
      help: "do not warn of lines with the same key",
      words: ["ignore"],
    },
    json,
    noFolding,
  ],
  run: interruptible(async (invocation) => {
    const { flag, report, tableOptions } = invocation;
    const table = oneTable("sync", invocation);
    const dryRun = flag("dry-run");
    const progress = Progress.onTerminal(
      !dryRun || !terminal.isTerminal("output"),
    );
    // Keys and values are printed with their own bytes.
    const list = new Output(invocation.text);
    const source = new Source(invocation);
    const synced = await syncTable(table, source.entries(), {
      ...tableOptions,
      dryRun,
      partial: flag("partial"),
      allowEmpty: flag("allow-empty"),
      fold: !flag("f"),
      duplicates: flag("r") ? "replace" : flag("w") ? "ignore" : "warn",
      onProgress: ({ entries }) => progress?.update(entries),
      onFailure: ({ added, changed, removed, leftOut }) =>
        tellHowFar(invocation.report, {
          stored: added + changed,
          notStored: leftOut,
          removed,
        }),
      onRefusal: (key, reason) => source.recordRefusal(key, reason),
      ...(dryRun && {
        onChange: (change) => list.write(formatChange(change, flag("j"))),
      }),
    }).finally(() => progress?.end());
    await list.flush();
    // A program that reads the list expects nothing else there.
    if (dryRun) {
      report.note(`${table}: ${summary(synced)}; nothing was changed`);
    } else {
      const line = flag("j") ? JSON.stringify(synced) : summary(synced);
      await invocation.output.write(`${line}\n`);
      await invocation.output.flush();
    }
    return source.skipped > 0 ? 1 : 0;
  }),
};

const marks = { added: "+", changed: "~", removed: "-" } as const;

function formatChange(change: Change, json: boolean): string {
  const { kind, key, value } = change;
  return json
    ? JSON.stringify({ change: kind, key, value }) + "\n"
    : `${marks[kind]} ${key}\t${value}\n`;
}

function summary({ added, changed, removed, kept, leftOut }: Synced): string {
  const counts = { added, changed, removed, kept };
  return [
    ...Object.entries(counts),
    ...(leftOut > 0 ? [["left out", leftOut] as const] : []),
  ].map(([word, count]) => `${word} ${formatCount(count)}`).join(", ");
}

/** The entries of standard input. */
class Source {
  /** Number of lines that were skipped. */
  skipped = 0;
  #invocation: Invocation;
  /** The last entry that was requested. A refusal meanwhile is about this entry. */
  #entry: NumberedEntry | undefined;

  constructor(invocation: Invocation) {
    this.#invocation = invocation;
  }

  async *entries(): AsyncGenerator<Entry> {
    const { text, report, flag, tableOptions } = this.#invocation;
    const source = sourceEntries(text, {
      signal: tableOptions.signal,
      onFlaw: (line, reason) => this.#skip(line, reason),
      onWarning: report.warning,
    });
    let count = 0;
    for await (const entries of source) {
      for (const entry of entries) {
        this.#entry = entry;
        yield entry;
      }
      count += entries.length;
    }
    this.#entry = undefined;
    if (this.skipped > 0 && !flag("partial")) {
      const lines = this.skipped === 1
        ? "a line of standard input"
        : `${formatCount(this.skipped)} lines of standard input`;
      throw new UsageError(
        `${lines} cannot be used: nothing was changed; correct the source, or ` +
          "go on without them with --partial",
      );
    }
    if (count === 0 && !flag("allow-empty")) {
      throw new UsageError(
        "standard input has no entries: nothing was changed; --allow-empty " +
          "empties the table",
      );
    }
  }

  recordRefusal(key: string, reason: string): void {
    const entry = this.#entry;
    if (entry !== undefined) {
      return this.#skip(entry.line, `key "${key}": ${reason}`);
    }
    this.skipped++;
    this.#invocation.report.warning(`not storing key "${key}": ${reason}`);
  }

  #skip(line: number, reason: string): void {
    this.skipped++;
    this.#invocation.report.warning(
      `standard input, line ${line}: ${reason}: not stored`,
    );
  }
}
