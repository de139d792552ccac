import { ByteBuffer, int32Array } from "./byte_buffer.ts";
import type { Text } from "./text.ts";

/**
 * Many byte strings in one array: the keys or the values of a batch. One object
 * for thousands of them, where a string for each would cost more than the
 * request that it is for.
 */
export interface ByteStrings {
  /** What they are cut from. */
  readonly bytes: Uint8Array;
  /** Where each starts; negative where there is none. */
  readonly starts: Int32Array;
  /** Where each ends. */
  readonly ends: Int32Array;
}

/** How many there are, those that are missing included. */
export function countOf(strings: ByteStrings): number {
  return strings.starts.length;
}

/** One of them; `undefined` where there is none. */
export function stringAt(
  strings: ByteStrings,
  at: number,
): Uint8Array | undefined {
  const start = strings.starts[at];
  return start < 0
    ? undefined
    : strings.bytes.subarray(start, strings.ends[at]);
}

/** Byte strings that are put in one after the other, by any number. */
export class ByteStringsBuilder implements ByteStrings {
  /** As in {@linkcode ByteStrings}. */
  readonly starts: Int32Array;
  /** As in {@linkcode ByteStrings}. */
  readonly ends: Int32Array;
  #buffer: ByteBuffer;

  /**
   * Room for `count` strings; `size` is a guess at their bytes. Takes over the
   * memory of `old`.
   */
  constructor(count: number, size: number, old?: ByteStringsBuilder) {
    this.starts = int32Array(count, old?.starts).fill(-1);
    this.ends = int32Array(count, old?.ends);
    this.#buffer = new ByteBuffer(size, old && old.#buffer);
  }

  /** As in {@linkcode ByteStrings}. */
  get bytes(): Uint8Array {
    return this.#buffer.view();
  }

  /** Puts a string in. */
  put(at: number, source: Uint8Array, start: number, end: number): void {
    this.starts[at] = this.#buffer.length;
    this.append(at, source, start, end);
  }

  /** Puts text in. */
  putText(at: number, string: string, text: Text): void {
    this.starts[at] = this.#buffer.length;
    this.#buffer.appendText(string, text);
    this.ends[at] = this.#buffer.length;
  }

  /** Adds to the string that was put in last. */
  append(at: number, source: Uint8Array, start: number, end: number): void {
    this.#buffer.append(source, start, end);
    this.ends[at] = this.#buffer.length;
  }

  /** Takes the string that was put in last out again. */
  drop(at: number): void {
    this.#buffer.length = this.starts[at];
    this.starts[at] = -1;
  }
}

/** Strings as byte strings; missing where there is none. */
export function encodeStrings(
  strings: readonly (string | undefined)[],
  text: Text,
): ByteStrings {
  const count = strings.length;
  const encoded = new ByteStringsBuilder(count, count * 32);
  for (let at = 0; at < count; at++) {
    const string = strings[at];
    if (string !== undefined) encoded.putText(at, string, text);
  }
  return encoded;
}

const encoder = new TextEncoder();

/** Strings that are all ASCII as byte strings; `undefined` when one is not. */
export function encodeAsciiStrings(
  strings: readonly string[],
): ByteStrings | undefined {
  const count = strings.length;
  const starts = new Int32Array(count);
  const ends = new Int32Array(count);
  let length = 0;
  for (let at = 0; at < count; at++) {
    const string = strings[at];
    if (typeof string !== "string") return undefined;
    starts[at] = length;
    length += string.length;
    ends[at] = length++;
  }
  // One call for all: a call for each takes ten times as long.
  const bytes = new Uint8Array(length);
  const all = strings.join("\n") + "\n";
  const { read, written } = encoder.encodeInto(all, bytes);
  return read === written && written === length
    ? { bytes, starts, ends }
    : undefined;
}

const LF = 10;

/** The lines of some bytes, without their ends. */
export function lineStrings(bytes: Uint8Array): ByteStrings {
  let ends = new Int32Array((bytes.length >> 4) + 16);
  let count = 0;
  for (let at = 0; at < bytes.length; at++) {
    if (bytes[at] !== LF) continue;
    if (count + 1 === ends.length) {
      const more = new Int32Array(ends.length * 2);
      more.set(ends);
      ends = more;
    }
    ends[count++] = at;
  }
  ends[count++] = bytes.length;
  const starts = new Int32Array(count);
  for (let at = 1; at < count; at++) starts[at] = ends[at - 1] + 1;
  return { bytes, starts, ends: ends.subarray(0, count) };
}

/** What there is in some bytes: by four of them at a time where that can be done. */
function look(bytes: Uint8Array): { isAscii: boolean; hasUpper: boolean } {
  let seen = 0;
  let upper = 0;
  let at = 0;
  if (bytes.byteOffset % 4 === 0) {
    const count = bytes.length >> 2;
    const words = new Int32Array(bytes.buffer, bytes.byteOffset, count);
    for (let word = 0; word < count; word++) {
      const four = words[word];
      seen |= four;
      // In each byte the upper bit tells, of one: from "A" on, of two: after "Z".
      upper |= (four + 0x3f3f3f3f) & ~(four + 0x25252525);
    }
    at = count * 4;
  }
  for (; at < bytes.length; at++) {
    seen |= bytes[at];
    upper |= (bytes[at] + 0x3f) & ~(bytes[at] + 0x25);
  }
  return {
    isAscii: (seen & 0x80808080) === 0,
    hasUpper: (upper & 0x80808080) !== 0,
  };
}

function lowerAscii(bytes: Uint8Array): Uint8Array {
  const lower = bytes.slice();
  for (let at = 0; at < lower.length; at++) {
    if (lower[at] >= 65 && lower[at] <= 90) lower[at] |= 32;
  }
  return lower;
}

/**
 * Keys as a table sees them: folded, if they shall be. Those that are no text
 * are missing then, and `onInvalid` is told. The same object where nothing
 * changes.
 */
export function admitStrings(
  keys: ByteStrings,
  text: Text,
  fold: boolean,
  onInvalid: (key: Uint8Array) => void,
): ByteStrings {
  const { bytes, starts, ends } = keys;
  const { isAscii, hasUpper } = look(bytes);
  if (isAscii) {
    return fold && hasUpper ? { bytes: lowerAscii(bytes), starts, ends } : keys;
  }
  const count = countOf(keys);
  const admitted = new ByteStringsBuilder(count, bytes.length + 64);
  for (let at = 0; at < count; at++) {
    const key = stringAt(keys, at);
    if (key === undefined) continue;
    const decoded = text.decode(key);
    if (decoded === undefined) onInvalid(key);
    else if (fold) admitted.putText(at, text.fold(decoded), text);
    else admitted.put(at, key, 0, key.length);
  }
  return admitted;
}

/** The first that is no text; -1 when all are. */
export function firstNotText(strings: ByteStrings, text: Text): number {
  if (!text.utf8 || look(strings.bytes).isAscii) return -1;
  const count = countOf(strings);
  for (let at = 0; at < count; at++) {
    const bytes = stringAt(strings, at);
    if (bytes !== undefined && text.decode(bytes) === undefined) return at;
  }
  return -1;
}

// Values that are decoded together: a call for each takes ten times as long. Few
// enough, for whoever keeps one of them keeps the memory of all.
const decodedTogether = 1024;

/**
 * Byte strings as strings; `undefined` where there is none. `notText` is the
 * first that is no text, which ends the list.
 */
export function decodeStrings(
  strings: ByteStrings,
  text: Text,
): { decoded: (string | undefined)[]; notText?: number } {
  const { bytes, starts, ends } = strings;
  const decoded: (string | undefined)[] = [];
  while (decoded.length < starts.length) {
    const first = decoded.length;
    const start = starts[first];
    if (start < 0) {
      decoded.push(undefined);
      continue;
    }
    const next = endOfRun(strings, first);
    const run = next > first + 1
      ? text.decode(bytes.subarray(start, ends[next - 1]))
      : undefined;
    if (run?.length === ends[next - 1] - start) {
      for (let at = first; at < next; at++) {
        decoded.push(run.slice(starts[at] - start, ends[at] - start));
      }
      continue;
    }
    for (let at = first; at < next; at++) {
      const value = text.decode(bytes.subarray(starts[at], ends[at]));
      if (value === undefined) return { decoded, notText: at };
      decoded.push(value);
    }
  }
  return { decoded };
}

/** Where the byte strings end that lie one behind the other from `first` on. */
function endOfRun({ starts, ends }: ByteStrings, first: number): number {
  let at = first + 1;
  while (
    at < starts.length && starts[at] >= ends[at - 1] &&
    ends[at] - starts[first] <= decodedTogether
  ) at++;
  return at;
}
