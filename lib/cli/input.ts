import { systemClock, type Timer } from "../system/clock.ts";
import { untilAborted } from "../system/abort.ts";
import { readFile } from "../system/files.ts";
import { configText, type Line, splitLines, type Text } from "../bytes/text.ts";
import { UsageError } from "./command_line.ts";
import { StreamError } from "./streams.ts";
import { terminal } from "./terminal.ts";

const chunkSize = 131072;
// Small, so that the first lookups start early.
const firstChunkSize = 16384;
const restSize = 1024;
const longestLine = 1048576;
const soonMilliseconds = 10;
const LF = 10;

/** Options of {@linkcode readChunks}. */
export interface ReadOptions {
  /** Called when no input has come for 10 ms; never if standard input is a file. */
  readonly onWait?: () => Promise<void>;
  /** Called before a chunk that is only a last line without a line end. */
  readonly onUnfinishedLine?: () => Promise<unknown>;
  /** Called with the first line if it begins with a byte order mark. */
  readonly onByteOrderMark?: (line: string) => void;
  /** Called with the number of bytes of each read. */
  readonly onRead?: (bytes: number) => void;
  /** Ends the wait for input. */
  readonly signal?: AbortSignal;
  /** Chunks that are no longer needed; their memory is used again. */
  readonly reusable?: Uint8Array[];
}

/**
 * Reads standard input in chunks of whole lines, without the last line end of
 * each chunk. Memory is bounded. Throws a {@linkcode UsageError} for a line of
 * more than 1 MiB, and a {@linkcode StreamError} if standard input cannot be read.
 */
export async function* readChunks(
  { onWait, onUnfinishedLine, onByteOrderMark, onRead, signal, reusable = [] }:
    ReadOptions = {},
): AsyncGenerator<Uint8Array> {
  let buffer = allocate(firstChunkSize, reusable);
  // The length of the unfinished line at the start of the buffer.
  let held = 0;
  let isFirstLine = true;
  let isTyped: boolean | undefined;
  for (let isFirst = true;; isFirst = false) {
    const size = isFirst ? firstChunkSize : chunkSize;
    if (buffer.length - held < size) {
      // Twice the size, so that a line in many small pieces is not copied often.
      buffer = copyOf(buffer.subarray(0, held), 2 * held + size, reusable);
    }
    const reading = terminal.read(buffer.subarray(held, held + size));
    if (!isFirst && onWait !== undefined && !await settlesSoon(reading)) {
      // A slow file is no reason: nobody waits for an answer. Asked only now, because
      // Deno reads the time zone for the times of a file, which takes it 6 ms.
      isTyped ??= terminal.inputSize() === undefined;
      if (isTyped) await onWait();
    }
    const readable = reading.catch((error) => {
      throw new StreamError("standard input", error);
    });
    const length = await untilAborted(readable, signal);
    if (length === null) break;
    onRead?.(length);
    const read = held + length;
    const end = held + buffer.subarray(held, read).lastIndexOf(LF);
    const hasNoLineEnd = end < held;
    const rest = hasNoLineEnd ? 0 : end + 1;
    if (read - rest > longestLine) {
      throw new UsageError(
        `standard input: a line is longer than ${longestLine} bytes`,
      );
    }
    held = read - rest;
    if (hasNoLineEnd) continue;
    const lines = buffer.subarray(0, end);
    if (isFirstLine) reportByteOrderMark(lines, onByteOrderMark);
    isFirstLine = false;
    // The caller may use a chunk for long, so each has its own memory.
    buffer = copyOf(buffer.subarray(rest, read), held + chunkSize, reusable);
    yield lines;
  }
  if (held === 0) return;
  await onUnfinishedLine?.();
  const line = buffer.subarray(0, held);
  if (isFirstLine) reportByteOrderMark(line, onByteOrderMark);
  yield line;
}

/** Copies bytes into a buffer of at least `size` bytes. */
function copyOf(
  bytes: Uint8Array,
  size: number,
  reusable: Uint8Array[],
): Uint8Array<ArrayBuffer> {
  const copy = allocate(size, reusable);
  copy.set(bytes);
  return copy;
}

function reportByteOrderMark(
  lines: Uint8Array,
  onByteOrderMark: ReadOptions["onByteOrderMark"],
): void {
  if (lines[0] !== 0xef || lines[1] !== 0xbb || lines[2] !== 0xbf) return;
  const end = lines.indexOf(LF);
  onByteOrderMark?.(configText(end < 0 ? lines : lines.subarray(0, end)));
}

function allocate(
  size: number,
  reusable: Uint8Array[],
): Uint8Array<ArrayBuffer> {
  const buffer = reusable.pop()?.buffer as ArrayBuffer | undefined;
  return new Uint8Array(
    buffer !== undefined && buffer.byteLength >= size
      ? buffer
      : new ArrayBuffer(Math.max(size, chunkSize + restSize)),
  );
}

/** Reads standard input as `readChunks` does, and splits it into lines. */
export async function* readLines(
  text: Text,
  reading: ReadOptions = {},
): AsyncGenerator<Line[]> {
  for await (const chunk of readChunks(reading)) {
    yield splitLines(text, chunk);
  }
}

async function settlesSoon(reading: Promise<unknown>): Promise<boolean> {
  let timer: Timer | undefined;
  const late = new Promise<boolean>((resolve) => {
    const wait = (milliseconds: number, then: () => void) =>
      timer = systemClock.setTimer(milliseconds, then);
    // If the program was busy meanwhile, the event loop reads what has come only
    // after it has called a timer that is due.
    wait(soonMilliseconds, () => wait(0, () => resolve(false)));
  });
  try {
    const settled = reading.then(() => true, () => true);
    return await Promise.race([settled, late]);
  } finally {
    timer?.cancel();
  }
}

/**
 * Replaces arguments that contain U+FFFD by the bytes that were typed, as a
 * `configText`. Runtimes put U+FFFD in place of bytes that are not UTF-8; the
 * kernel still has the original ones.
 */
export async function readRawArguments(
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
  // Our arguments are the last ones there. Each ends with a null byte.
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
