import { ByteBuffer, int32Array } from "./byte_buffer.ts";
import { type Text, utf8Text } from "./text.ts";

/**
 * Many byte strings in one array: the keys or the values of a batch. A JavaScript
 * string for each of them would cost more time than the request itself. Single
 * strings may be missing.
 */
export interface ByteStrings {
  /** The bytes of all strings. */
  readonly bytes: Uint8Array;
  /** The start of each string; negative if it is missing. */
  readonly starts: Int32Array;
  /** The end of each string. */
  readonly ends: Int32Array;
}

/** The number of strings, with the missing ones. */
export function countOf(strings: ByteStrings): number {
  return strings.starts.length;
}

/** The string at an index; `undefined` if it is missing. */
export function stringAt(
  strings: ByteStrings,
  at: number,
): Uint8Array | undefined {
  const start = strings.starts[at];
  return start < 0
    ? undefined
    : strings.bytes.subarray(start, strings.ends[at]);
}

/** Builds byte strings: each is put at its index, in any order. */
export class ByteStringsBuilder implements ByteStrings {
  readonly starts: Int32Array;
  readonly ends: Int32Array;
  #buffer: ByteBuffer;

  /**
   * Makes room for `count` strings, of about `size` bytes in total. Reuses the memory
   * of `old`, which must no longer be used.
   */
  constructor(count: number, size: number, old?: ByteStringsBuilder) {
    this.starts = int32Array(count, old?.starts).fill(-1);
    this.ends = int32Array(count, old?.ends);
    this.#buffer = new ByteBuffer(size, old && old.#buffer);
  }

  get bytes(): Uint8Array {
    return this.#buffer.view();
  }

  /** Puts the bytes of `source` from `start` to `end` at index `at`. */
  put(at: number, source: Uint8Array, start: number, end: number): void {
    this.starts[at] = this.#buffer.length;
    this.append(at, source, start, end);
  }

  /** Puts a string, encoded by `text`, at index `at`. */
  putText(at: number, string: string, text: Text): void {
    this.starts[at] = this.#buffer.length;
    this.#buffer.appendText(string, text);
    this.ends[at] = this.#buffer.length;
  }

  /** Adds bytes to the string that was put last. */
  append(at: number, source: Uint8Array, start: number, end: number): void {
    this.#buffer.append(source, start, end);
    this.ends[at] = this.#buffer.length;
  }

  /** Removes the string that was put last. */
  drop(at: number): void {
    this.#buffer.length = this.starts[at];
    this.starts[at] = -1;
  }
}

/** Encodes strings; `undefined` becomes a missing string. */
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

/** Encodes ASCII strings; `undefined` if one of them is not ASCII. */
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
  // One call for all strings: a call for each would take ten times as long.
  const bytes = new Uint8Array(length);
  const all = strings.join("\n") + "\n";
  const { read, written } = encoder.encodeInto(all, bytes);
  return read === written && written === length
    ? { bytes, starts, ends }
    : undefined;
}

/** Encodes strings, as fast as it can be done: one for each would take twice as long. */
export function encodeAllStrings(
  strings: readonly string[],
  text: Text,
): ByteStrings {
  return encodeAsciiStrings(strings) ?? encodeStrings(strings, text);
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

/** Where strings end if they end before their first null byte, as those of C do. */
export function endsBeforeNull(strings: ByteStrings): Int32Array {
  const { bytes, starts, ends } = strings;
  let nul = bytes.indexOf(0);
  if (nul < 0) return ends;
  const cut = ends.slice();
  for (let at = 0; nul >= 0 && at < starts.length; at++) {
    if (nul < starts[at]) nul = bytes.indexOf(0, starts[at]);
    if (nul >= 0 && nul < cut[at]) cut[at] = nul;
  }
  return cut;
}

/** Whether bytes are ASCII, and have upper-case letters. Reads four bytes at a time. */
function scan(bytes: Uint8Array): { isAscii: boolean; hasUpper: boolean } {
  let seen = 0;
  let upper = 0;
  let at = 0;
  if (bytes.byteOffset % 4 === 0) {
    const count = bytes.length >> 2;
    const words = new Int32Array(bytes.buffer, bytes.byteOffset, count);
    for (let word = 0; word < count; word++) {
      seen |= words[word];
      upper |= upperBits(words[word]);
    }
    at = count * 4;
  }
  for (; at < bytes.length; at++) {
    seen |= bytes[at];
    upper |= upperBits(bytes[at]);
  }
  return { isAscii: (seen & 0x80808080) === 0, hasUpper: upper !== 0 };
}

/** Sets the top bit of each of four ASCII bytes that is an upper-case letter. */
function upperBits(four: number): number {
  // The top bit of the first sum is set from "A" on, that of the second after "Z".
  return (four + 0x3f3f3f3f) & ~(four + 0x25252525) & 0x80808080;
}

function lowerAscii(bytes: Uint8Array): Uint8Array {
  const lower = bytes.slice();
  const words = new Int32Array(lower.buffer, 0, lower.length >> 2);
  for (let word = 0; word < words.length; word++) {
    words[word] |= upperBits(words[word]) >>> 2;
  }
  for (let at = words.length * 4; at < lower.length; at++) {
    lower[at] |= upperBits(lower[at]) >>> 2;
  }
  return lower;
}

/**
 * Prepares keys for a table: checks that they are text, and folds them if `fold` is
 * set. Calls `onInvalid` with each key that is not text, and leaves it out. Returns
 * the same object if nothing changes.
 */
export function admitStrings(
  keys: ByteStrings,
  text: Text,
  fold: boolean,
  onInvalid: (key: Uint8Array) => void,
): ByteStrings {
  const { bytes, starts, ends } = keys;
  const { isAscii, hasUpper } = scan(bytes);
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

/** The index of the first string that is not text; -1 if there is none. */
export function firstNotText(strings: ByteStrings, text: Text): number {
  if (!text.utf8 || scan(strings.bytes).isAscii) return -1;
  const count = countOf(strings);
  for (let at = 0; at < count; at++) {
    const bytes = stringAt(strings, at);
    if (bytes !== undefined && text.decode(bytes) === undefined) return at;
  }
  return -1;
}

// Bytes that are decoded together: a call for each string takes ten times as long.
// The limit is low because one string that is kept keeps the memory of all of them.
const decodedTogether = 1024;

/**
 * Decodes byte strings; a missing one becomes `undefined`. Stops at the first that
 * is not text: `notText` is its index.
 */
export function decodeStrings(
  strings: ByteStrings,
  text: Text,
): { decoded: (string | undefined)[]; notText?: number } {
  const { bytes, starts, ends } = strings;
  // Byte strings take four times as long, and are the same where all is ASCII.
  const reader = text.utf8 || !scan(bytes).isAscii ? text : utf8Text;
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
      ? reader.decode(bytes.subarray(start, ends[next - 1]))
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

/** The end (an index) of the strings from `first` that can be decoded together. */
function endOfRun({ starts, ends }: ByteStrings, first: number): number {
  let at = first + 1;
  while (
    at < starts.length && starts[at] >= ends[at - 1] &&
    ends[at] - starts[first] <= decodedTogether
  ) at++;
  return at;
}
