import { ByteBuffer, int32Array } from "../bytes/byte_buffer.ts";
import type { ByteStringsBuilder } from "../bytes/byte_strings.ts";
import type { Exchange } from "./exchange.ts";
import { longestKey, type ReplyLimits } from "./protocol.ts";
import { ReplyLines } from "./reply_lines.ts";

const keysOfLine = 100;

const LF = 10;
const CR = 13;
const SPACE = 32;
const ZERO = 48;
const NINE = 57;
const DELETE = 127;

// Of the line of a value, what follows the key: two numbers and what is between.
const longestRest = 32;

const ascii = new TextEncoder();
const GET = ascii.encode("get");
const END = ascii.encode("END");
const VALUE = ascii.encode("VALUE ");
const SERVER_ERROR = ascii.encode("SERVER_ERROR");

/** What surrounds each lookup key in its memcache key. */
export interface KeyFrame {
  /** Before it. */
  readonly prefix: Uint8Array;
  /** After it. */
  readonly suffix: Uint8Array;
}

/** The frame of a key that is a memcache key already. */
export const noFrame: KeyFrame = {
  prefix: new Uint8Array(0),
  suffix: new Uint8Array(0),
};

/** A key of a batch. */
export interface SentKey {
  /** Its number. */
  readonly at: number;
  /** The memcache key. */
  readonly key: Uint8Array;
}

/**
 * Many lookups in lines of `get KEY KEY …`. Their values go into a
 * `ByteStringsBuilder`, each copied once, wherever the server's answer has it.
 *
 * Strict where the parser of single replies is lenient as Postfix is: what looks
 * strange here is a failure, and the keys are asked for one by one.
 */
export class GetMany implements Exchange {
  /** As in Exchange. */
  done = false;
  /** As in Exchange. */
  failure: string | undefined;
  #values: ByteStringsBuilder;
  #dataSizeLimit: number;
  #lineSizeLimit: number;
  #request: ByteBuffer;
  // Keys, numbered in the order in which they were added.
  #count = 0;
  #starts: Int32Array;
  #ends: Int32Array;
  #numbers: Int32Array;
  /** The first key of the line that is being answered. */
  #lineFirst = 0;
  /** The key whose value is expected, if it has one. */
  #expected = 0;
  #state: "line" | "data" | "data end" = "line";
  #lines: ReplyLines;
  /** The number of the value that is being read. */
  #reading = 0;
  #dataLeft = 0;
  #endSeen = 0;
  #refused: SentKey[] = [];

  /**
   * For at most `count` keys of about `size` bytes in all. Takes over the memory
   * of `old`, whose answer nobody needs any more.
   */
  constructor(
    count: number,
    size: number,
    values: ByteStringsBuilder,
    limits: ReplyLimits,
    old?: GetMany,
  ) {
    this.#values = values;
    this.#dataSizeLimit = limits.dataSizeLimit;
    this.#lineSizeLimit = limits.lineSizeLimit;
    this.#lines = new ReplyLines(limits.lineSizeLimit);
    this.#request = new ByteBuffer(size + count * 4 + 64, old && old.#request);
    this.#starts = int32Array(count, old && old.#starts);
    this.#ends = int32Array(count, old && old.#ends);
    this.#numbers = int32Array(count, old && old.#numbers);
  }

  /** How many keys were added. */
  get count(): number {
    return this.#count;
  }

  /** As in Exchange. */
  get bytes(): Uint8Array {
    return this.#request.view();
  }

  /** Ends the last line. To be called once, after the last `add`. */
  finish(): this {
    this.#request.appendAscii("\r\n");
    return this;
  }

  /**
   * Adds a key, unless no memcached can have it: then says why.
   */
  add(
    number: number,
    key: Uint8Array,
    start: number,
    end: number,
    { prefix, suffix }: KeyFrame,
  ): "added" | "unprintable" | "too long" {
    const request = this.#request;
    const before = request.length;
    request.reserve(prefix.length + end - start + suffix.length + 8);
    const { bytes } = request;
    let to = before;
    if (this.#count % keysOfLine === 0) {
      if (this.#count > 0) {
        bytes[to++] = CR;
        bytes[to++] = LF;
      }
      for (let at = 0; at < GET.length; at++) bytes[to++] = GET[at];
    }
    bytes[to++] = SPACE;
    const from = to;
    for (let at = 0; at < prefix.length; at++) bytes[to++] = prefix[at];
    for (let at = start; at < end; at++) {
      const byte = key[at];
      if (byte <= SPACE || byte === DELETE) return "unprintable";
      bytes[to++] = byte;
    }
    for (let at = 0; at < suffix.length; at++) bytes[to++] = suffix[at];
    if (to - from > longestKey) return "too long";
    request.length = to;
    this.#starts[this.#count] = from;
    this.#ends[this.#count] = to;
    this.#numbers[this.#count++] = number;
    return "added";
  }

  /** As in Exchange. */
  push(bytes: Uint8Array, start: number): number {
    let at = start;
    while (at < bytes.length && !this.done && this.failure === undefined) {
      if (this.#state === "line" && !this.#lines.isHolding) {
        at = this.#takeWholeValues(bytes, at);
        if (at === bytes.length) break;
      }
      if (this.#state === "data") at = this.#takeData(bytes, at);
      else if (this.#state === "data end") at = this.#takeDataEnd(bytes, at);
      else at = this.#takeLine(bytes, at);
    }
    return at;
  }

  /** The keys without an answer, after an exchange that fell short. */
  unanswered(): SentKey[] {
    if (this.#state !== "line") this.#values.drop(this.#reading);
    this.#state = "line";
    if (!this.done) this.#cutAtNull();
    const cut = this.#withoutValue(this.#lineFirst, this.#count);
    return [...this.#refused, ...cut];
  }

  /** The keys that have no value. */
  missing(): SentKey[] {
    return this.#withoutValue(0, this.#count);
  }

  #withoutValue(start: number, end: number): SentKey[] {
    const found: SentKey[] = [];
    for (let key = start; key < end; key++) {
      const at = this.#numbers[key];
      if (this.#values.starts[at] >= 0) continue;
      found.push({
        at,
        key: this.#request.bytes.subarray(this.#starts[key], this.#ends[key]),
      });
    }
    return found;
  }

  /**
   * Takes values that are there from their first byte to their last, in the order
   * of the keys, as nearly all are. Returns where that ends: what is there needs a
   * closer look.
   */
  #takeWholeValues(bytes: Uint8Array, start: number): number {
    const request = this.#request.bytes;
    const values = this.#values;
    const lineEnd = this.#lineEnd();
    let taken = start;
    for (let key = this.#expected; key < lineEnd; key++) {
      const keyEnd = this.#ends[key];
      const number = this.#numbers[key];
      let from = this.#starts[key];
      let at = taken + VALUE.length;
      if (at + keyEnd - from + longestRest > bytes.length) break;
      if (bytes[taken] !== VALUE[0] || bytes[at - 1] !== SPACE) break;
      while (from < keyEnd && bytes[at] === request[from]) {
        at++;
        from++;
      }
      if (from < keyEnd || bytes[at++] !== SPACE) break;
      while (bytes[at] >= ZERO && bytes[at] <= NINE) at++;
      if (bytes[at++] !== SPACE) break;
      const digits = at;
      let length = 0;
      while (bytes[at] >= ZERO && bytes[at] <= NINE) {
        length = length * 10 + bytes[at++] - ZERO;
      }
      const end = at + 2 + length;
      const isWhole = at > digits && bytes[at] === CR && bytes[at + 1] === LF &&
        bytes[end] === CR && bytes[end + 1] === LF;
      const fits = length <= this.#dataSizeLimit &&
        at + 1 - taken < this.#lineSizeLimit;
      if (!isWhole || !fits || values.starts[number] >= 0) break;
      values.put(number, bytes, at + 2, end);
      this.#expected = key + 1;
      taken = end + 2;
    }
    return taken;
  }

  #takeLine(bytes: Uint8Array, start: number): number {
    const lines = this.#lines;
    const next = lines.take(bytes, start);
    if (lines.tooLong) this.failure = "a reply line is too long";
    else if (lines.complete) this.#readLine(lines);
    return next;
  }

  #readLine(line: ReplyLines): void {
    if (line.startsWith(VALUE)) {
      this.#readValueLine(line.bytes, line.start + VALUE.length, line.end);
    } else if (line.is(END)) {
      this.#lineDone();
    } else if (line.startsWith(SERVER_ERROR)) {
      this.#refused.push(
        ...this.#withoutValue(this.#lineFirst, this.#lineEnd()),
      );
      this.#lineDone();
    } else this.failure = "an unexpected reply";
  }

  #lineEnd(): number {
    return Math.min(this.#lineFirst + keysOfLine, this.#count);
  }

  #lineDone(): void {
    this.#lineFirst = this.#lineEnd();
    this.#expected = this.#lineFirst;
    this.done = this.#lineFirst === this.#count;
    if (this.done) this.#cutAtNull();
  }

  /** Reads `KEY FLAGS LENGTH`. */
  #readValueLine(bytes: Uint8Array, start: number, end: number): void {
    const key = this.#find(bytes, start, end);
    if (key < 0) {
      this.failure = "a value for a key that was not asked for";
      return;
    }
    let at = start + this.#ends[key] - this.#starts[key] + 1;
    while (at < end && bytes[at] !== SPACE) at++;
    const lengthStart = ++at;
    let length = 0;
    for (; at < end && bytes[at] >= ZERO && bytes[at] <= NINE; at++) {
      length = length * 10 + bytes[at] - ZERO;
    }
    const valid = at === end && at > lengthStart;
    if (!valid || length > this.#dataSizeLimit) {
      this.failure = "a value of no good length";
      return;
    }
    this.#expected = key + 1;
    this.#reading = this.#numbers[key];
    this.#values.put(this.#reading, bytes, 0, 0);
    this.#dataLeft = length;
    this.#endSeen = 0;
    this.#state = length === 0 ? "data end" : "data";
  }

  /**
   * The key that a value is for. A memcached answers in the order of the keys, a
   * proxy before several of them in any.
   */
  #find(bytes: Uint8Array, start: number, end: number): number {
    const lineEnd = this.#lineEnd();
    for (let key = this.#expected; key < lineEnd; key++) {
      if (this.#isKey(key, bytes, start, end)) return key;
    }
    for (let key = this.#lineFirst; key < this.#expected; key++) {
      if (this.#isKey(key, bytes, start, end)) return key;
    }
    return -1;
  }

  /** Whether a key is the one at a place, and has no value yet. */
  #isKey(
    key: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): boolean {
    const request = this.#request.bytes;
    const keyStart = this.#starts[key];
    const length = this.#ends[key] - keyStart;
    if (start + length >= end || bytes[start + length] !== SPACE) return false;
    for (let at = 0; at < length; at++) {
      if (bytes[start + at] !== request[keyStart + at]) return false;
    }
    return this.#values.starts[this.#numbers[key]] < 0;
  }

  #takeData(bytes: Uint8Array, start: number): number {
    const end = Math.min(start + this.#dataLeft, bytes.length);
    this.#values.append(this.#reading, bytes, start, end);
    this.#dataLeft -= end - start;
    if (this.#dataLeft === 0) this.#state = "data end";
    return end;
  }

  #takeDataEnd(bytes: Uint8Array, start: number): number {
    if (bytes[start] !== (this.#endSeen === 0 ? CR : LF)) {
      this.failure = "the data is longer than announced";
      return start;
    }
    if (++this.#endSeen === 2) this.#state = "line";
    return start + 1;
  }

  /** Values end before their first null byte, as they do for Postfix. */
  #cutAtNull(): void {
    const { bytes, starts, ends } = this.#values;
    if (bytes.indexOf(0) < 0) return;
    for (let key = 0; key < this.#count; key++) {
      const number = this.#numbers[key];
      if (starts[number] < 0) continue;
      const end = bytes.indexOf(0, starts[number]);
      if (end >= 0 && end < ends[number]) ends[number] = end;
    }
  }
}
