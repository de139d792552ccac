import type { Text } from "../bytes/text.ts";
import { type EntryLine, parseEntryLine } from "../config/entry_line.ts";
import {
  type LogicalLine,
  LogicalLines,
  physicalLine,
} from "../config/logical_lines.ts";
import { readLines } from "./input.ts";

/** An entry of standard input, and the line on which it begins. */
export interface NumberedEntry extends EntryLine {
  readonly line: number;
}

/** Who is told what of standard input. */
export interface SourceListeners {
  /** Told of a line that cannot be used, and why. */
  readonly onFlaw: (line: number, reason: string) => void;
  /** Told of a line that looks wrong, and is used all the same. */
  readonly onWarning: (message: string) => void;
  /** Told how many bytes have come. */
  readonly onRead?: (bytes: number) => void;
}

/** The entries of standard input, in the syntax of postmap, as many as have come. */
export async function* sourceEntries(
  text: Text,
  { onFlaw, onWarning, onRead }: SourceListeners,
): AsyncGenerator<NumberedEntry[]> {
  const parse = (ended: LogicalLine | undefined): NumberedEntry[] => {
    if (ended === undefined) return [];
    const { text, line, flaw } = ended;
    try {
      if (flaw !== undefined) throw new RangeError(flaw);
      const entry = parseEntryLine(text);
      if (entry.doubt !== undefined) {
        onWarning(`standard input, line ${line}: ${entry.doubt}`);
      }
      return [{ ...entry, line }];
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      onFlaw(line, error.message);
      return [];
    }
  };
  const logical = new LogicalLines(({ line }) =>
    onFlaw(line, "a line that continues nothing")
  );
  for await (const lines of readLines(text, { onRead })) {
    yield lines.flatMap((line) => parse(logical.push(physicalLine(line))));
  }
  yield parse(logical.end());
}
