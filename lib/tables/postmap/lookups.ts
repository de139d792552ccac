import {
  type ByteStrings,
  ByteStringsBuilder,
  countOf,
  stringAt,
} from "../../bytes/byte_strings.ts";
import { ByteBuffer } from "../../bytes/byte_buffer.ts";
import type { BatchAnswer } from "../driver.ts";

const NUL = 0;
const TAB = 9;
const LF = 10;

// A run that fails takes a second, for postmap rests before it ends; one that does
// not, a few milliseconds. So there are to be few that fail.
const partsOfFailed = 32;

/** How postmap is asked. */
export interface Asking {
  /** Whether a key is none that is an error to postmap. */
  readonly mayAsk: (key: Uint8Array) => boolean;
  /** Looks a key up by itself, and puts its value in. */
  readonly lookup: (
    key: Uint8Array,
    at: number,
    values: ByteStringsBuilder,
  ) => Promise<void>;
  /** What postmap prints for lines of keys, and what it warns of. */
  readonly ask: (
    input: Uint8Array,
  ) => Promise<{ stdout: Uint8Array; warnings: readonly string[] }>;
  /** Told of warnings. */
  readonly onWarning: (warning: string) => void;
}

/**
 * Looks many keys up in one run of postmap. When that fails, in several, and
 * so on: so the key that is to blame is found, and those before it are answered.
 */
export async function lookupTogether(
  keys: ByteStrings,
  asking: Asking,
  signal?: AbortSignal,
): Promise<BatchAnswer> {
  const count = countOf(keys);
  const values = new ByteStringsBuilder(count, keys.bytes.length);
  const together: number[] = [];
  const alone: number[] = [];
  for (let at = 0; at < count; at++) {
    const key = stringAt(keys, at);
    if (key === undefined || key.includes(NUL) || !asking.mayAsk(key)) continue;
    // In a line, or in what is printed, such a key would look like two things.
    (key.includes(LF) || key.includes(TAB) ? alone : together).push(at);
  }
  let failed: BatchAnswer["failed"];
  const askAlone = async (at: number) => {
    try {
      signal?.throwIfAborted();
      await asking.lookup(stringAt(keys, at)!, at, values);
    } catch (error) {
      failed = { at, error };
    }
  };
  const askTogether = async (numbers: readonly number[]): Promise<void> => {
    if (numbers.length < 2) {
      for (const at of numbers) await askAlone(at);
      return;
    }
    try {
      signal?.throwIfAborted();
      const { stdout, warnings } = await asking.ask(linesOf(keys, numbers));
      const found = match(keys, numbers, stdout);
      if (found !== undefined) {
        for (const warning of warnings) asking.onWarning(warning);
        for (const { at, start, end } of found) {
          values.put(at, stdout, start, end);
        }
        return;
      }
    } catch (error) {
      if (signal?.aborted) {
        failed = { at: numbers[0], error };
        return;
      }
    }
    const size = Math.ceil(numbers.length / partsOfFailed);
    for (let at = 0; at < numbers.length && failed === undefined; at += size) {
      await askTogether(numbers.slice(at, at + size));
    }
  };
  await askTogether(together);
  for (const at of alone) {
    if (at < (failed?.at ?? Infinity)) await askAlone(at);
  }
  return { values, failed };
}

function linesOf(keys: ByteStrings, numbers: readonly number[]): Uint8Array {
  const lines = new ByteBuffer(keys.bytes.length + numbers.length);
  for (const at of numbers) {
    lines.append(keys.bytes, keys.starts[at], keys.ends[at]);
    lines.appendByte(LF);
  }
  return lines.view();
}

/**
 * Where the values of the keys are in lines of key, tab and value, which come in
 * the order of the keys; `undefined` when a line belongs to none.
 */
function match(
  keys: ByteStrings,
  numbers: readonly number[],
  printed: Uint8Array,
): { at: number; start: number; end: number }[] | undefined {
  const found: { at: number; start: number; end: number }[] = [];
  let line = 0;
  for (const at of numbers) {
    if (line === printed.length) break;
    const start = keys.starts[at];
    const length = keys.ends[at] - start;
    let same = 0;
    while (
      same < length && printed[line + same] === keys.bytes[start + same]
    ) same++;
    if (same < length || printed[line + length] !== TAB) continue;
    const end = printed.indexOf(LF, line + length);
    if (end < 0) return undefined;
    found.push({ at, start: line + length + 1, end });
    line = end + 1;
  }
  return line === printed.length ? found : undefined;
}
