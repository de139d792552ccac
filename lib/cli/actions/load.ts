import { parseEntryLine } from "../../config/entry_line.ts";
import {
  type LogicalLine,
  LogicalLines,
  physicalLine,
} from "../../config/logical_lines.ts";
import { TemporaryError } from "../../errors.ts";
import type { NumberedEntry } from "./file_values.ts";
import { readLines } from "../input.ts";
import { formatCount, Progress } from "../progress.ts";
import type { Refusal, Session } from "../session.ts";
import { terminal } from "../terminal.ts";

// After so many refused entries in a row, the server will refuse all others too.
const maxRefused = 1000;

/**
 * `-i`: stores the entries of standard input. Returns the exit status. A line that
 * cannot be used, or whose entry is refused, is skipped with a warning, and the
 * exit status is 1. If the table fails, a message says how far it came.
 */
export async function loadStandardInput(session: Session): Promise<number> {
  const { report, text } = session;
  const table = await session.open(session.command.tables[0], true);
  const { withContents } = session.command.fileValues
    ? await import("./file_values.ts")
    : { withContents: undefined };
  // A user who types the lines needs no progress line.
  const progress = Progress.onTerminal(!terminal.isTerminal("input"));
  const size = progress && terminal.inputSize();
  let read = 0;
  const onRead = (bytes: number) => {
    read += bytes;
  };
  let stored = 0;
  let skipped = 0;
  let refusedInARow = 0;
  let isRefusing = false;
  const skip = (line: number, reason: string) => {
    report.warning(`standard input, line ${line}: ${reason}: not stored`);
    skipped++;
  };
  const parse = ({ text, line, flaw }: LogicalLine): NumberedEntry[] => {
    try {
      if (flaw !== undefined) throw new RangeError(flaw);
      const entry = parseEntryLine(text);
      if (entry.doubt !== undefined) {
        report.warning(`standard input, line ${line}: ${entry.doubt}`);
      }
      return [{ ...entry, line }];
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      skip(line, error.message);
      return [];
    }
  };
  const recordRefusal = ({ key, line }: NumberedEntry, refusal: Refusal) => {
    skip(line, `key "${key}": ${refusal.reason}`);
    if (refusal.by === "rules") {
      refusedInARow = 0;
      return;
    }
    isRefusing = true;
    if (++refusedInARow === maxRefused) {
      throw new TemporaryError(
        `${table.name}: ${maxRefused} entries in a row were refused: it ends here`,
      );
    }
  };
  /** Entries that are being stored. Their results come in the same order. */
  const pending: NumberedEntry[] = [];
  const store = async (completed: (LogicalLine | undefined)[]) => {
    const entries = completed.flatMap((line) =>
      line === undefined ? [] : parse(line)
    );
    pending.push(...entries);
    const updates = table.updateMany(
      withContents?.(entries, session.tableText, (line, reason) => {
        skip(line, reason);
        pending.splice(pending.findIndex((entry) => entry.line === line), 1);
      }) ?? entries,
    );
    for await (const update of updates) {
      const entry = pending.shift()!;
      const refusal = session.takeRefusal(update.key);
      // As in postmap, it is no error if the table keeps the old value.
      if (refusal !== undefined) recordRefusal(entry, refusal);
      else {
        refusedInARow = 0;
        if (update.stored) stored++;
      }
    }
    progress?.add(entries.length, size && read / size);
  };

  const logical = new LogicalLines(({ line }) =>
    skip(line, "a line that continues nothing")
  );
  let isDone = false;
  try {
    for await (const lines of readLines(text, { onRead })) {
      await store(lines.map((line) => logical.push(physicalLine(line))));
    }
    await store([logical.end()]);
    isDone = true;
  } finally {
    progress?.end();
    const line = pending[0]?.line;
    const end = isDone || line === undefined
      ? ""
      : `, up to line ${formatCount(line)} of standard input`;
    if (isRefusing || !isDone && stored > 0) {
      report.note(
        `${formatCount(stored)} entries stored, ${
          formatCount(skipped)
        } not${end}`,
      );
    }
  }
  return skipped > 0 ? 1 : 0;
}
