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

// A run that succeeds takes a few milliseconds. One that fails takes a second, since
// postmap sleeps before it exits. Many small parts mean few failing runs.
const partsAfterFailure = 32;

/** The ways to run postmap. */
export interface PostmapRuns {
  /** Whether postmap accepts this key. */
  readonly accepts: (key: Uint8Array) => boolean;
  /** Looks up one key, and adds its value to `values`. */
  readonly lookupOne: (
    key: Uint8Array,
    at: number,
    values: ByteStringsBuilder,
  ) => Promise<void>;
  /** Looks up lines of keys; returns what postmap prints, and its warnings. */
  readonly lookupLines: (
    input: Uint8Array,
  ) => Promise<{ stdout: Uint8Array; warnings: readonly string[] }>;
  /** Called with each warning. */
  readonly onWarning: (warning: string) => void;
}

/**
 * Looks up many keys in one run of postmap. If it fails, divides the keys into
 * parts with a run each, and so on. This finds the key that fails, and the values
 * of the keys before it.
 */
export async function lookupMany(
  keys: ByteStrings,
  postmap: PostmapRuns,
  signal?: AbortSignal,
): Promise<BatchAnswer> {
  const count = countOf(keys);
  const values = new ByteStringsBuilder(count, keys.bytes.length);
  const together: number[] = [];
  const alone: number[] = [];
  for (let at = 0; at < count; at++) {
    const key = stringAt(keys, at);
    if (key === undefined || key.includes(NUL) || !postmap.accepts(key)) {
      continue;
    }
    // As a line of input or output, such a key would look like two fields.
    (key.includes(LF) || key.includes(TAB) ? alone : together).push(at);
  }
  let failed: BatchAnswer["failed"];
  const lookupAlone = async (at: number) => {
    try {
      signal?.throwIfAborted();
      await postmap.lookupOne(stringAt(keys, at)!, at, values);
    } catch (error) {
      failed = { at, error };
    }
  };
  const lookupGroup = async (numbers: readonly number[]): Promise<void> => {
    if (numbers.length < 2) {
      for (const at of numbers) await lookupAlone(at);
      return;
    }
    try {
      signal?.throwIfAborted();
      const { stdout, warnings } = await postmap.lookupLines(
        linesOf(keys, numbers),
      );
      const found = findValues(keys, numbers, stdout);
      if (found !== undefined) {
        for (const warning of warnings) postmap.onWarning(warning);
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
    const size = Math.ceil(numbers.length / partsAfterFailure);
    for (let at = 0; at < numbers.length && failed === undefined; at += size) {
      await lookupGroup(numbers.slice(at, at + size));
    }
  };
  await lookupGroup(together);
  for (const at of alone) {
    if (at < (failed?.at ?? Infinity)) await lookupAlone(at);
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
 * Finds the values of the keys in printed lines (key, tab and value), which have
 * the order of the keys. `undefined` when a line belongs to no key.
 */
function findValues(
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
