import { systemClock, type Timer } from "../system/clock.ts";
import { readFile } from "../system/files.ts";
import { configText, type Line, splitLines, type Text } from "../bytes/text.ts";
import { UsageError } from "./command_line.ts";
import { StreamError } from "./streams.ts";
import { terminal } from "./terminal.ts";

const chunkSize = 131072;
// The table should not have to wait for its first keys.
const firstChunkSize = 16384;
const restSize = 1024;
const longestLine = 1048576;
const soonMilliseconds = 10;
const LF = 10;

/** How standard input is read. */
export interface Reading {
  /** Called when the next input lets itself be waited for; never for a file. */
  readonly onWait?: () => Promise<void>;
  /** Called before the last line, when that has no end and comes by itself. */
  readonly onUnended?: () => Promise<unknown>;
  /** Told the first line when it begins with a byte order mark. */
  readonly onMark?: (line: string) => void;
  /** Told how many bytes have come. */
  readonly onRead?: (bytes: number) => void;
  /** Chunks that are done with: their memory is used again. */
  readonly spare?: Uint8Array[];
}

/**
 * The lines of standard input, as many at a time as have come; the last line
 * end of each chunk is left out. Memory is bounded: a line of more than 1 MiB
 * throws a {@linkcode UsageError}.
 */
export async function* readChunks(
  { onWait, onUnended, onMark, onRead, spare = [] }: Reading = {},
): AsyncGenerator<Uint8Array> {
  // Nobody types a file: it may be slow, but it is not waited for.
  const isTyped = onWait !== undefined && terminal.inputSize() === undefined;
  let buffer = roomFor(firstChunkSize, spare);
  // How many bytes of an unfinished line the buffer begins with.
  let held = 0;
  let isFirstLine = true;
  for (let isFirst = true;; isFirst = false) {
    const size = isFirst ? firstChunkSize : chunkSize;
    if (buffer.length - held < size) {
      // Twice the size: a line that arrives in small pieces is copied seldom.
      buffer = copyOf(buffer.subarray(0, held), 2 * held + size, spare);
    }
    const reading = terminal.read(buffer.subarray(held, held + size));
    if (!isFirst && isTyped && !await isSoon(reading)) {
      await onWait();
    }
    const length = await reading.catch((error) => {
      throw new StreamError("standard input", error);
    });
    if (length === null) break;
    onRead?.(length);
    const read = held + length;
    const end = held + buffer.subarray(held, read).lastIndexOf(LF);
    const isUnended = end < held;
    const rest = isUnended ? 0 : end + 1;
    if (read - rest > longestLine) {
      throw new UsageError(
        `standard input: a line is longer than ${longestLine} bytes`,
      );
    }
    held = read - rest;
    if (isUnended) continue;
    const lines = buffer.subarray(0, end);
    if (isFirstLine) tellMark(lines, onMark);
    isFirstLine = false;
    // Each chunk has memory of its own: it may be in use for long.
    buffer = copyOf(buffer.subarray(rest, read), held + chunkSize, spare);
    yield lines;
  }
  if (held === 0) return;
  await onUnended?.();
  const line = buffer.subarray(0, held);
  if (isFirstLine) tellMark(line, onMark);
  yield line;
}

/** A copy in memory that has room for so many bytes. */
function copyOf(
  bytes: Uint8Array,
  size: number,
  spare: Uint8Array[],
): Uint8Array<ArrayBuffer> {
  const copy = roomFor(size, spare);
  copy.set(bytes);
  return copy;
}

function tellMark(lines: Uint8Array, onMark: Reading["onMark"]): void {
  if (lines[0] !== 0xef || lines[1] !== 0xbb || lines[2] !== 0xbf) return;
  const end = lines.indexOf(LF);
  onMark?.(configText(end < 0 ? lines : lines.subarray(0, end)));
}

function roomFor(size: number, spare: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const buffer = spare.pop()?.buffer as ArrayBuffer | undefined;
  return new Uint8Array(
    buffer !== undefined && buffer.byteLength >= size
      ? buffer
      : new ArrayBuffer(Math.max(size, chunkSize + restSize)),
  );
}

/** As `readChunks`, cut into lines. */
export async function* readLines(
  text: Text,
  reading: Reading = {},
): AsyncGenerator<Line[]> {
  for await (const chunk of readChunks(reading)) {
    yield splitLines(text, chunk);
  }
}

async function isSoon(reading: Promise<unknown>): Promise<boolean> {
  let timer: Timer | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = systemClock.setTimer(soonMilliseconds, () => resolve(false));
  });
  try {
    const settled = reading.then(() => true, () => true);
    return await Promise.race([settled, late]);
  } finally {
    timer?.cancel();
  }
}

/** A line up to its first null byte, which is all that postmap sees of it. */
export function beforeNull(line: string): string {
  const end = line.indexOf("\0");
  return end < 0 ? line : line.slice(0, end);
}

/**
 * The arguments of the program, those with U+FFFD as a `configText`. Runtimes
 * put that where an argument is not UTF-8; the kernel knows what was typed.
 */
export async function typedArguments(
  args: readonly string[],
): Promise<string[]> {
  let commandLine: Uint8Array;
  try {
    commandLine = await readFile("/proc/self/cmdline");
  } catch {
    const doubtful = args.find((argument) => argument.includes("\ufffd"));
    throw new UsageError(
      `the argument "${doubtful}" is not UTF-8, or cannot be told from such a ` +
        `one: give keys on standard input, with "-" as the key`,
    );
  }
  // They are its last ones; each ends at a null byte.
  const typed: Uint8Array[] = [];
  for (let end = commandLine.length - 1; typed.length < args.length;) {
    const start = end < 1 ? 0 : commandLine.lastIndexOf(0, end - 1) + 1;
    typed.unshift(commandLine.subarray(start, Math.max(start, end)));
    end = start - 1;
  }
  return args.map((argument, at) =>
    argument.includes("\ufffd") ? configText(typed[at]) : argument
  );
}
