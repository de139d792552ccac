import { parseEntryLine } from "../../config/entry_line.ts";
import {
  type LogicalLine,
  LogicalLines,
  physicalLine,
} from "../../config/logical_lines.ts";
import type { NumberedEntry } from "./file_values.ts";
import { readLines } from "../input.ts";
import { Progress } from "../progress.ts";
import type { Session } from "../session.ts";
import { terminal } from "../terminal.ts";

/**
 * `-i`: stores the entries of standard input. A line that cannot be used is
 * left out with a warning, and makes the exit status 1 in the end; the others
 * are stored all the same.
 */
export async function loadStandardInput(session: Session): Promise<number> {
  const { report, text } = session;
  const table = await session.open(session.command.tables[0], true);
  const { withContents } = session.command.fileValues
    ? await import("./file_values.ts")
    : { withContents: undefined };
  // Who types the lines sees how far they are.
  const progress = Progress.where(!terminal.isTerminal("input"));
  const size = progress && terminal.inputSize();
  let read = 0;
  const onRead = (bytes: number) => {
    read += bytes;
  };
  let status = 0;
  const leaveOut = (line: number, reason: string) => {
    report.warning(`standard input, line ${line}: ${reason}: not stored`);
    status = 1;
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
      leaveOut(line, error.message);
      return [];
    }
  };
  const store = async (ended: (LogicalLine | undefined)[]) => {
    const entries = ended.flatMap((line) =>
      line === undefined ? [] : parse(line)
    );
    const before = session.kept;
    let refused = 0;
    for await (
      const { stored } of table.updateMany(
        withContents?.(entries, session.tableText, leaveOut) ?? entries,
      )
    ) {
      if (!stored) refused++;
    }
    progress?.add(entries.length, size && read / size);
    // As with postmap, keeping what is there is no failure.
    if (refused > session.kept - before) status = 1;
  };

  const logical = new LogicalLines(({ line }) =>
    leaveOut(line, "a line that continues nothing")
  );
  for await (const lines of readLines(text, { onRead })) {
    await store(lines.map((line) => logical.push(physicalLine(line))));
  }
  await store([logical.end()]);
  progress?.end();
  return status;
}
