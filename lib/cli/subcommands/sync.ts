import { type Change, type Synced, syncTable } from "../../maintenance/sync.ts";
import type { Entry } from "../../table.ts";
import { UsageError } from "../command_line.ts";
import { noFolding } from "../postmap_options.ts";
import { grouped, Progress } from "../progress.ts";
import { type NumberedEntry, sourceEntries } from "../source_entries.ts";
import { Output } from "../streams.ts";
import { terminal } from "../terminal.ts";
import { type Given, json, oneTable, type Subcommand } from "./subcommand.ts";

/** `sync`. */
export const sync: Subcommand = {
  page: {
    usage: ["sync [options] type:name < SOURCE"],
    about:
      "Makes a table hold just what standard input has, in the syntax of " +
      "-i: adds, changes and removes entries, in the backup and in memcached; " +
      "what is equal is not written. A source with a line that cannot be used, " +
      "or without entries, changes nothing. After an interruption run it again.",
    examples: [
      "memcache-table sync memcache:/etc/postfix/aliases.cf < aliases",
    ],
    exitStatus: "0 done, 1 failed, or entries were left out.",
  },
  options: [
    {
      name: "dry-run",
      help: 'list what would change: "+ key value", "~" changed, "-" removed',
      words: ["dry", "pretend", "simulate", "n", "diff"],
    },
    {
      name: "partial",
      help: "leave out lines that cannot be used: as if they were not there",
      words: ["force", "skip"],
    },
    {
      name: "allow-empty",
      help: "a source without entries empties the table",
      words: ["empty"],
    },
    {
      letter: "r",
      help: "of lines with the same key the last one counts, not the first",
      words: ["replace"],
    },
    {
      letter: "w",
      help: "say nothing of lines with the same key",
      words: ["ignore"],
    },
    json,
    noFolding,
  ],
  async run(given) {
    const { flag, report, tableOptions } = given;
    const table = oneTable("sync", given);
    const dryRun = flag("dry-run");
    const progress = Progress.where(!dryRun || !terminal.isTerminal("output"));
    // Of keys and values it is the bytes that count.
    const list = new Output(given.text);
    const source = new Source(given);
    const done = await syncTable(table, source.entries(), {
      ...tableOptions,
      dryRun,
      partial: flag("partial"),
      allowEmpty: flag("allow-empty"),
      fold: !flag("f"),
      duplicates: flag("r") ? "replace" : flag("w") ? "ignore" : "warn",
      onProgress: ({ entries }) => progress?.to(entries),
      onRefusal: (key, reason) => source.refuse(key, reason),
      ...(dryRun && {
        onChange: (change) => list.write(formatChange(change, flag("j"))),
      }),
    }).finally(() => progress?.end());
    await list.flush();
    // Whatever reads the list wants nothing else there.
    if (dryRun) report.note(`${table}: ${summary(done)}; nothing was changed`);
    else {
      const line = flag("j") ? JSON.stringify(done) : summary(done);
      await given.output.write(`${line}\n`);
      await given.output.flush();
    }
    return source.leftOut > 0 ? 1 : 0;
  },
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
  ].map(([word, count]) => `${word} ${grouped(count)}`).join(", ");
}

/** Standard input. */
class Source {
  /** Lines that are not in the table. */
  leftOut = 0;
  #given: Given;
  /** What was asked for last: what is refused while it is read is that. */
  #entry: NumberedEntry | undefined;

  constructor(given: Given) {
    this.#given = given;
  }

  async *entries(): AsyncGenerator<Entry> {
    const { text, report, flag } = this.#given;
    const source = sourceEntries(text, {
      onFlaw: (line, reason) => this.#leaveOut(line, reason),
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
    if (this.leftOut > 0 && !flag("partial")) {
      const lines = this.leftOut === 1
        ? "a line of standard input"
        : `${grouped(this.leftOut)} lines of standard input`;
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

  refuse(key: string, reason: string): void {
    const entry = this.#entry;
    if (entry !== undefined) {
      return this.#leaveOut(entry.line, `key "${key}": ${reason}`);
    }
    this.leftOut++;
    this.#given.report.warning(`not storing key "${key}": ${reason}`);
  }

  #leaveOut(line: number, reason: string): void {
    this.leftOut++;
    this.#given.report.warning(
      `standard input, line ${line}: ${reason}: not stored`,
    );
  }
}
