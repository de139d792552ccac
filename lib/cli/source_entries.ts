import type { Text } from "../bytes/text.ts";
import { type EntryLine, parseEntryLine } from "../config/entry_line.ts";
import {
  type LogicalLine,
  LogicalLines,
  physicalLine,
} from "../config/logical_lines.ts";
import { readLines } from "./input.ts";

/** An entry of standard input, and the number of its first line. */
export interface NumberedEntry extends EntryLine {
  readonly line: number;
}

/** Callbacks of {@linkcode sourceEntries}. */
export interface SourceListeners {
  /** Called with a line that cannot be used, and the reason. */
  readonly onFlaw: (line: number, reason: string) => void;
  /** Called with a warning about a line that is used, but looks wrong. */
  readonly onWarning: (message: string) => void;
  /** Called with the number of bytes of each read. */
  readonly onRead?: (bytes: number) => void;
  /** Ends it, where a part of the input ends, or while it waits for input. */
  readonly signal?: AbortSignal;
}

const linesAtOnce = 200;

/** Parses the entries of standard input, in batches as they arrive. */
export async function* sourceEntries(
  text: Text,
  { onFlaw, onWarning, onRead, signal }: SourceListeners,
): AsyncGenerator<NumberedEntry[]> {
  const parse = (completed: LogicalLine | undefined): NumberedEntry[] => {
    if (completed === undefined) return [];
    const { text, line, flaw } = completed;
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
  for await (const lines of readLines(text, { onRead, signal })) {
    // A part at a time: whoever stores them does that meanwhile.
    for (let at = 0; at < lines.length; at += linesAtOnce) {
      signal?.throwIfAborted();
      yield lines.slice(at, at + linesAtOnce).flatMap((line) =>
        parse(logical.push(physicalLine(line)))
      );
    }
  }
  yield parse(logical.end());
}
