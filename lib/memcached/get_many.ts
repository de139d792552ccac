import { ByteBuffer, int32Array } from "../bytes/byte_buffer.ts";
import { ByteStringsBuilder } from "../bytes/byte_strings.ts";
import { type Exchange, takeRefusal } from "./exchange.ts";
import {
  asciiBytes,
  beforeNull,
  canSkip,
  CR,
  encodeGet,
  isDigit,
  LF,
  readRefusal,
  type ReplyLimits,
  SPACE,
  startsWith,
  tooLongLine,
  tooLongValue,
  wrongKey,
  wrongLength,
  ZERO,
} from "./protocol.ts";
import { CommandRequest } from "./queue.ts";
import { isLine, ReplyLines } from "./reply_lines.ts";

const keysPerLine = 100;

// Bytes of a VALUE line after its key: the flags, the length and their separators.
const longestRest = 32;

const GET = asciiBytes("get");
const END = asciiBytes("END");
const VALUE = asciiBytes("VALUE ");

/**
 * Many lookups in lines of `get KEY KEY …`. The values are copied once, from the
 * received bytes into a `ByteStringsBuilder`.
 *
 * This reader is strict; the parser of single replies is lenient, like Postfix.
 * After an unusual reply the keys are looked up one by one, with that parser.
 */
export class GetMany implements Exchange {
  replies = 0;
  hasServed = false;
  done = false;
  failure: string | undefined;
  doubt: string | undefined;
  /** Why the lookup of a key failed, by its number. */
  readonly errors = new Map<number, unknown>();
  /** Where the values are put: the results, until nobody waits for them. */
  #values: ByteStringsBuilder;
  readonly #results: ByteStringsBuilder;
  #dataSizeLimit: number;
  #lineSizeLimit: number;
  #request: ByteBuffer;
  /** Where the first line without a reply starts in the request. */
  #sentFrom = 0;
  // The keys, in the order in which they were added: where each starts and ends in
  // the request, and its number, which is the caller's index of it.
  #count = 0;
  #starts: Int32Array;
  #ends: Int32Array;
  #numbers: Int32Array;
  /** The first key of the `get` line whose reply is being read. */
  #lineFirst = 0;
  /** The key that the next value should be for. */
  #expected = 0;
  #state: "line" | "data" | "data end" = "line";
  #lines: ReplyLines;
  /** The key whose value is being read. */
  #reading = 0;
  #length = 0;
  #dataLeft = 0;
  #endSeen = 0;
  /** Keys of lines that were refused. */
  #refused: number[] = [];
  /** The lengths of values that are too long, by key. */
  #tooLong = new Map<number, number>();

  /**
   * Has room for `count` keys of about `size` bytes in total. Reuses the memory of
   * `old`, whose result must no longer be used.
   */
  constructor(
    count: number,
    size: number,
    values: ByteStringsBuilder,
    limits: ReplyLimits,
    old?: GetMany,
  ) {
    this.#values = this.#results = values;
    this.#dataSizeLimit = limits.dataSizeLimit;
    this.#lineSizeLimit = limits.lineSizeLimit;
    this.#lines = new ReplyLines(limits.lineSizeLimit);
    this.#request = new ByteBuffer(size + count * 4 + 64, old && old.#request);
    this.#starts = int32Array(count, old && old.#starts);
    this.#ends = int32Array(count, old && old.#ends);
    this.#numbers = int32Array(count, old && old.#numbers);
  }

  get count(): number {
    return this.#count;
  }

  get bytes(): Uint8Array {
    const { bytes, length } = this.#request;
    return bytes.subarray(this.#sentFrom, length);
  }

  get hasPart(): boolean {
    return this.#state !== "line" || this.#lines.isHolding ||
      this.#expected > this.#lineFirst;
  }

  get isForOne(): boolean {
    return this.#lineEnd() === this.#lineFirst + 1;
  }

  /** Returns the buffer for the next memcache key. Call `endKey` or `dropKey` then. */
  beginKey(): ByteBuffer {
    const request = this.#request;
    request.reserve(8);
    const { bytes } = request;
    let to = request.length;
    if (this.#count % keysPerLine === 0) {
      if (this.#count > 0) {
        bytes[to++] = CR;
        bytes[to++] = LF;
      }
      for (let at = 0; at < GET.length; at++) bytes[to++] = GET[at];
    }
    bytes[to++] = SPACE;
    this.#starts[this.#count] = request.length = to;
    return request;
  }

  /** Adds the memcache key that was written, for the key of that number. */
  endKey(number: number): void {
    this.#ends[this.#count] = this.#request.length;
    this.#numbers[this.#count++] = number;
  }

  /** Drops the memcache key that was begun: it is missing or not allowed. */
  dropKey(): void {
    const isFirst = this.#count % keysPerLine === 0;
    const around = !isFirst ? 1 : this.#count > 0 ? 6 : 4;
    this.#request.length = this.#starts[this.#count] - around;
  }

  /** Ends the last line. Call it once, after the last key. */
  finish(): this {
    this.#request.appendAscii("\r\n");
    return this;
  }

  push(bytes: Uint8Array, start: number): number {
    let at = start;
    while (
      at < bytes.length && !this.done && this.doubt === undefined &&
      this.failure === undefined
    ) {
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

  restart(): void {
    this.#dropPart();
    for (let key = this.#lineFirst; key < this.#lineEnd(); key++) {
      this.#values.starts[this.#numbers[key]] = -1;
      this.#tooLong.delete(key);
    }
    this.#expected = this.#lineFirst;
    this.#sentFrom = this.#starts[this.#lineFirst] - GET.length - 1;
    this.failure = undefined;
    this.doubt = undefined;
  }

  unfinished(maxTry: number): CommandRequest[] {
    this.#dropPart();
    if (!this.done) this.#cutAtNull();
    const open: CommandRequest[] = [];
    const add = (key: number): CommandRequest => {
      const single = this.single(
        this.#numbers[key],
        this.#keyBytes(key),
        maxTry,
      );
      open.push(single);
      return single;
    };
    this.#refused.forEach(add);
    for (const [key, length] of this.#tooLong) {
      add(key).refusal = tooLongValue(length, this.#dataSizeLimit);
    }
    for (let key = this.#lineFirst; key < this.#count; key++) {
      if (!this.#hasValue(key) && !this.#tooLong.has(key)) add(key);
    }
    return open;
  }

  /** A request for one key, which adds its value to the others. */
  protected single(
    number: number,
    key: Uint8Array,
    maxTry: number,
  ): CommandRequest {
    return new CommandRequest(
      "get",
      encodeGet(key),
      maxTry,
      (reply) => {
        if (reply.kind !== "value") return;
        const data = beforeNull(reply.data);
        this.#values.put(number, data, 0, data.length);
      },
      (error) => this.errors.set(number, error),
    );
  }

  #keyBytes(key: number): Uint8Array {
    const { bytes } = this.#request;
    return bytes.subarray(this.#starts[key], this.#ends[key]);
  }

  #hasValue(key: number): boolean {
    return this.#values.starts[this.#numbers[key]] >= 0;
  }

  /**
   * Nobody waits for the values any more. Those that are complete stay; what is still
   * read changes nothing.
   */
  abandon(): void {
    const results = this.#results;
    const reading = this.#numbers[this.#reading];
    const hasPart = this.#state !== "line" && !this.#tooLong.has(this.#reading);
    if (hasPart) results.drop(reading);
    this.#cutAtNull();
    const others = new ByteStringsBuilder(results.starts.length, 0);
    others.starts.set(results.starts);
    if (hasPart) others.put(reading, others.bytes, 0, 0);
    this.#values = others;
  }

  /** Whether what is still read changes nothing. */
  get isAbandoned(): boolean {
    return this.#values !== this.#results;
  }

  /** Drops a value that has arrived only in part. */
  #dropPart(): void {
    if (this.#state !== "line" && !this.#tooLong.delete(this.#reading)) {
      this.#values.drop(this.#numbers[this.#reading]);
    }
    this.#state = "line";
    this.#lines.clear();
  }

  /** The keys that have no value, by their numbers, and their memcache keys. */
  *missing(): Generator<readonly [number: number, memcacheKey: Uint8Array]> {
    for (let key = 0; key < this.#count; key++) {
      const number = this.#numbers[key];
      if (this.#results.starts[number] < 0) yield [number, this.#keyBytes(key)];
    }
  }

  /**
   * The fast path: reads values that are complete and in the order of the keys, as
   * nearly all are. Returns where it stopped; the slow path goes on from there.
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
      if (!startsWith(bytes, VALUE, taken)) break;
      while (from < keyEnd && bytes[at] === request[from]) {
        at++;
        from++;
      }
      if (from < keyEnd || bytes[at++] !== SPACE) break;
      while (isDigit(bytes[at])) at++;
      if (bytes[at++] !== SPACE) break;
      const digits = at;
      let length = 0;
      while (isDigit(bytes[at])) length = length * 10 + bytes[at++] - ZERO;
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
    if (lines.tooLong) this.failure = tooLongLine(this.#lineSizeLimit);
    else if (lines.complete) this.#readLine(lines);
    return next;
  }

  #readLine(line: ReplyLines): void {
    if (startsWith(line.bytes, VALUE, line.start)) {
      return this.#readValueLine(line);
    }
    if (isLine(line, END)) {
      this.hasServed = true;
      this.#lineDone();
      return;
    }
    const refusal = takeRefusal(this, line);
    if (refusal === undefined) return;
    for (let key = this.#lineFirst; key < this.#lineEnd(); key++) {
      if (!this.#hasValue(key) && !this.#tooLong.has(key)) {
        this.#refused.push(key);
      }
    }
    this.#lineDone();
  }

  #lineEnd(): number {
    return Math.min(this.#lineFirst + keysPerLine, this.#count);
  }

  #lineDone(): void {
    this.replies++;
    this.#lineFirst = this.#lineEnd();
    this.#expected = this.#lineFirst;
    this.done = this.#lineFirst === this.#count;
    if (this.done) this.#cutAtNull();
  }

  /** Reads `KEY FLAGS LENGTH`. */
  #readValueLine(line: ReplyLines): void {
    const { bytes, end } = line;
    const start = line.start + VALUE.length;
    const key = this.#find(bytes, start, end);
    if (key < 0) {
      this.failure = wrongKey;
      return;
    }
    let at = start + this.#ends[key] - this.#starts[key] + 1;
    while (at < end && bytes[at] !== SPACE) at++;
    const lengthStart = ++at;
    let length = 0;
    for (; at < end && isDigit(bytes[at]); at++) {
      length = length * 10 + bytes[at] - ZERO;
    }
    const isNumber = at === end && at > lengthStart;
    if (!isNumber || !canSkip(length)) {
      const whole = bytes.subarray(line.start, end);
      this.failure = readRefusal(whole).reason;
      return;
    }
    this.#expected = key + 1;
    this.#reading = key;
    if (length > this.#dataSizeLimit) this.#tooLong.set(key, length);
    else this.#values.put(this.#numbers[key], bytes, 0, 0);
    this.#length = this.#dataLeft = length;
    this.#endSeen = 0;
    this.#state = length === 0 ? "data end" : "data";
  }

  /**
   * The key that a value is for, -1 if there is none. A memcached answers in the
   * order of the keys; a proxy for several servers answers in any order.
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

  /** Whether the received bytes at `start` are this key, and it has no value yet. */
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
    return !this.#hasValue(key) && !this.#tooLong.has(key);
  }

  #takeData(bytes: Uint8Array, start: number): number {
    const end = Math.min(start + this.#dataLeft, bytes.length);
    if (this.#length <= this.#dataSizeLimit) {
      this.#values.append(this.#numbers[this.#reading], bytes, start, end);
    }
    this.#dataLeft -= end - start;
    if (this.#dataLeft === 0) this.#state = "data end";
    return end;
  }

  #takeDataEnd(bytes: Uint8Array, start: number): number {
    if (bytes[start] !== (this.#endSeen === 0 ? CR : LF)) {
      this.failure = wrongLength(this.#length);
      return start;
    }
    if (++this.#endSeen === 2) this.#state = "line";
    return start + 1;
  }

  /** Cuts each value at its first null byte, as Postfix does. */
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
