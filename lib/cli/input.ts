import { systemClock, type Timer } from "../system/clock.ts";
import { readFile } from "../system/files.ts";
import { type Line, splitLines, type Text } from "../bytes/text.ts";
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
  { onWait, onUnended, onRead, spare = [] }: Reading = {},
): AsyncGenerator<Uint8Array> {
  // Nobody types a file: it may be slow, but it is not waited for.
  const isTyped = onWait !== undefined && terminal.inputSize() === undefined;
  let rest: Uint8Array = new Uint8Array(0);
  for (let isFirst = true;; isFirst = false) {
    // Each chunk has memory of its own: it may be in use for long.
    const size = isFirst ? firstChunkSize : chunkSize;
    const buffer = roomFor(rest.length + size, spare);
    buffer.set(rest);
    rest = buffer.subarray(0, rest.length);
    const reading = terminal.read(
      buffer.subarray(rest.length, rest.length + size),
    );
    if (!isFirst && isTyped && !await isSoon(reading)) {
      await onWait();
    }
    const length = await reading.catch((error) => {
      throw new StreamError("standard input", error);
    });
    if (length === null) break;
    onRead?.(length);
    const bytes = buffer.subarray(0, rest.length + length);
    const end = bytes.lastIndexOf(LF);
    if (bytes.length - end > longestLine) {
      throw new UsageError(
        `standard input: a line is longer than ${longestLine} bytes`,
      );
    }
    rest = bytes.subarray(end + 1);
    if (end >= 0) yield bytes.subarray(0, end);
  }
  if (rest.length === 0) return;
  await onUnended?.();
  yield rest;
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
 * The bytes of a key of the command line that has U+FFFD in it. Runtimes put
 * that where an argument is not UTF-8; the kernel knows what was really typed.
 */
export async function typedBytes(key: string): Promise<Uint8Array> {
  let commandLine: Uint8Array;
  try {
    commandLine = await readFile("/proc/self/cmdline");
  } catch {
    throw new UsageError(
      `the key "${key}" is not UTF-8, or cannot be told from such a one: ` +
        `give it on standard input, with "-" as the key`,
    );
  }
  const lossy = new TextDecoder();
  for (let start = 0; start < commandLine.length;) {
    const end = commandLine.indexOf(0, start);
    // The key may follow its option letter in the same argument.
    const typed = commandLine.subarray(start, end);
    if (lossy.decode(typed).endsWith(key)) return withoutOption(typed, key);
    start = end + 1;
  }
  return new TextEncoder().encode(key);
}

function withoutOption(typed: Uint8Array, key: string): Uint8Array {
  const option = new TextDecoder().decode(typed).length - key.length;
  return typed.subarray(option);
}
