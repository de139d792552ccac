import { parseEntryLine } from "../config/entry_line.ts";
import {
  type LogicalLine,
  LogicalLines,
  physicalLine,
} from "../config/logical_lines.ts";
import { readLines } from "./input.ts";
import type { Session } from "./session.ts";

/**
 * `-i`: stores the entries of standard input. A line that cannot be used is
 * left out with a warning, and makes the exit status 1 in the end; the others
 * are stored all the same.
 */
export async function loadStandardInput(session: Session): Promise<number> {
  const { report, text } = session;
  const table = await session.open(session.command.tables[0], true);
  let status = 0;
  const leaveOut = (line: number, reason: string) => {
    report.warning(`standard input, line ${line}: ${reason}: not stored`);
    status = 1;
  };
  const store = async ({ text, line, flaw }: LogicalLine) => {
    if (flaw !== undefined) return leaveOut(line, flaw);
    let entry;
    try {
      entry = parseEntryLine(text);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      leaveOut(line, error.message);
      return;
    }
    if (entry.doubt !== undefined) {
      report.warning(`standard input, line ${line}: ${entry.doubt}`);
    }
    const { kept } = session;
    const stored = await table.update(entry.key, entry.value);
    // As with postmap, keeping what is there is no failure.
    if (!stored && session.kept === kept) status = 1;
  };

  const logical = new LogicalLines(({ line }) =>
    leaveOut(line, "a line that continues nothing")
  );
  const lossy = new TextDecoder();
  for await (const lines of readLines(text)) {
    for (const line of lines) {
      const ended = logical.push(
        typeof line === "string"
          ? physicalLine(line)
          : physicalLine(undefined, lossy.decode(line)),
      );
      if (ended !== undefined) await store(ended);
    }
  }
  const ended = logical.end();
  if (ended !== undefined) await store(ended);
  return status;
}
