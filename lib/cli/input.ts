import { systemClock, type Timer } from "../clock.ts";
import { readFile } from "../files.ts";
import { type Line, splitLines, type Text } from "../key/text.ts";
import { UsageError } from "./command_line.ts";
import { StreamError } from "./streams.ts";
import { terminal } from "./terminal.ts";

const chunkSize = 131072;
const longestLine = 1048576;
const soonMilliseconds = 10;
const LF = 10;

/**
 * The lines of standard input, as many at a time as have come; the last line
 * end of each chunk is left out. Memory is bounded: a line of more than 1 MiB
 * throws a {@linkcode UsageError}. `onWait` is called when the next input lets
 * itself be waited for, `onRead` with the number of bytes that have come.
 */
export async function* readChunks(
  onWait?: () => Promise<void>,
  onRead?: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  let rest = new Uint8Array(0);
  for (let isFirst = true;; isFirst = false) {
    // Each chunk has memory of its own: it may be in use for long.
    const buffer = new Uint8Array(rest.length + chunkSize);
    buffer.set(rest);
    const reading = terminal.read(buffer.subarray(rest.length));
    if (!isFirst && onWait !== undefined && !await isSoon(reading)) {
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
  if (rest.length > 0) yield rest;
}

/** As `readChunks`, cut into lines. */
export async function* readLines(
  text: Text,
  onWait?: () => Promise<void>,
  onRead?: (bytes: number) => void,
): AsyncGenerator<Line[]> {
  for await (const chunk of readChunks(onWait, onRead)) {
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
