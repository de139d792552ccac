import {
  asciiBytes,
  canSkip,
  type Command,
  CR,
  isDigit,
  isKeyOfGet,
  LF,
  readRefusal,
  type Reply,
  type ReplyLimits,
  SPACE,
  startsWith,
  tooLongLine,
  tooLongValue,
  wrongKey,
  wrongLength,
  ZERO,
} from "./protocol.ts";
import { ReplyLines } from "./reply_lines.ts";

const PLUS = 43;
const MINUS = 45;

const words: Record<Command, readonly { word: Uint8Array; reply: Reply }[]> = {
  get: [{ word: asciiBytes("END"), reply: { kind: "not found" } }],
  set: [{ word: asciiBytes("STORED"), reply: { kind: "stored" } }],
  delete: [
    { word: asciiBytes("DELETED"), reply: { kind: "deleted" } },
    { word: asciiBytes("NOT_FOUND"), reply: { kind: "not found" } },
  ],
};
const END = words.get[0].word;
const VALUE = asciiBytes("VALUE");
const noData = new Uint8Array(0);

// Postfix compares C strings, which end at a null byte.
function isWord(
  word: Uint8Array,
  bytes: Uint8Array,
  start: number,
  end: number,
): boolean {
  const after = start + word.length;
  if (end < after || end > after && bytes[after] !== 0) return false;
  return startsWith(bytes, word, start);
}

function isSpace(byte: number): boolean {
  return byte === SPACE || (byte >= 9 && byte <= 13);
}

/** What a VALUE line says. */
interface ValueLine {
  readonly keyStart: number;
  readonly keyEnd: number;
  /** The length of the value, in bytes. */
  readonly length: number;
}

/**
 * Reads a VALUE line as sscanf("VALUE %s %*s %ld") does: any text may follow.
 * `undefined` if it is another line.
 */
function readValueLine(
  bytes: Uint8Array,
  start: number,
  end: number,
): ValueLine | undefined {
  if (!startsWith(bytes, VALUE, start)) return undefined;
  const keyStart = skipSpace(bytes, start + VALUE.length, end);
  const keyEnd = skipWord(bytes, keyStart, end);
  // Without a key or flags there are no digits either.
  const flagsEnd = skipWord(bytes, skipSpace(bytes, keyEnd, end), end);
  let at = skipSpace(bytes, flagsEnd, end);
  const isNegative = bytes[at] === MINUS;
  if (isNegative || bytes[at] === PLUS) at++;
  const digits = at;
  let length = 0;
  for (; at < end && isDigit(bytes[at]); at++) {
    length = length * 10 + bytes[at] - ZERO;
  }
  if (at === digits) return undefined;
  return { keyStart, keyEnd, length: isNegative ? -length : length };
}

function skipSpace(bytes: Uint8Array, start: number, end: number): number {
  while (start < end && isSpace(bytes[start])) start++;
  return start;
}

function skipWord(bytes: Uint8Array, start: number, end: number): number {
  while (start < end && bytes[start] !== 0 && !isSpace(bytes[start])) start++;
  return start;
}

/**
 * Parses the reply to one command, which may arrive in any number of pieces. Does
 * no I/O, and never stores more than the limits allow.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { ReplyParser } from "./reply_parser.ts";
 *
 * const parser = new ReplyParser({ lineSizeLimit: 1024, dataSizeLimit: 10240 });
 * parser.start("delete");
 * const bytes = new TextEncoder().encode("DELETED\r\n");
 * assertEquals(parser.push(bytes, 0), 9);
 * assertEquals(parser.reply, { kind: "deleted" });
 * ```
 */
export class ReplyParser {
  /** The reply, as soon as it is complete. */
  reply: Reply | undefined;

  #limits: ReplyLimits;
  #lines: ReplyLines;
  #command: Command = "get";
  #get: Uint8Array | undefined;
  #state: "line" | "data" | "data end" | "closing line" = "line";
  #length = 0;
  #left = 0;
  #endSeen = 0;
  /** The value; `undefined` while a value that is too long is skipped. */
  #data: Uint8Array | undefined;

  /** Makes a parser. Call `start` before `push`. */
  constructor(limits: ReplyLimits) {
    this.#limits = limits;
    this.#lines = new ReplyLines(limits.lineSizeLimit);
  }

  /**
   * Expects the reply to a command. A value must be for the key of the command
   * `get`: otherwise, after a lost reply, the reply to the next command would answer
   * this one.
   */
  start(command: Command, get?: Uint8Array): void {
    this.reply = undefined;
    this.#command = command;
    this.#get = get;
    this.#data = undefined;
    this.#state = "line";
    this.#lines.clear();
  }

  /** Whether a part of the reply was read. */
  get hasPart(): boolean {
    return this.reply === undefined &&
      (this.#state !== "line" || this.#lines.isHolding);
  }

  /** Reads bytes from `start` until the reply is complete; returns where it stopped. */
  push(bytes: Uint8Array, start: number): number {
    let at = start;
    while (at < bytes.length && this.reply === undefined) {
      if (this.#state === "data") at = this.#takeData(bytes, at);
      else if (this.#state === "data end") at = this.#takeDataEnd(bytes, at);
      else at = this.#takeLine(bytes, at);
    }
    // The next bytes may come in the same memory.
    if (this.reply === undefined && this.#data?.buffer === bytes.buffer) {
      this.#data = this.#data.slice();
    }
    return at;
  }

  /** No more bytes follow: the reply is a complete value, or a failure. */
  end(reason: string): Reply {
    if (this.reply !== undefined) return this.reply;
    const isClosing = this.#state === "closing line";
    return this.reply = isClosing ? this.#value(true) : {
      kind: "failure",
      reason,
    };
  }

  #takeLine(bytes: Uint8Array, start: number): number {
    const lines = this.#lines;
    const next = lines.take(bytes, start);
    const isClosing = this.#state === "closing line";
    if (lines.tooLong) {
      if (isClosing) this.reply = this.#value(true);
      else this.#fail(tooLongLine(this.#limits.lineSizeLimit));
    } else if (lines.complete) {
      const { bytes, start, end } = lines;
      if (isClosing) this.reply = this.#value(!isWord(END, bytes, start, end));
      else this.#takeFirstLine(bytes, start, end);
    }
    return next;
  }

  #takeFirstLine(bytes: Uint8Array, start: number, end: number): void {
    const all = words[this.#command];
    for (let number = 0; number < all.length; number++) {
      const { word, reply } = all[number];
      if (!isWord(word, bytes, start, end)) continue;
      this.reply = reply;
      return;
    }
    const value = this.#command === "get"
      ? readValueLine(bytes, start, end)
      : undefined;
    if (value === undefined || value.length < 0) {
      this.reply = readRefusal(bytes.subarray(start, end));
    } else if (
      this.#get !== undefined &&
      !isKeyOfGet(this.#get, bytes, value.keyStart, value.keyEnd)
    ) {
      this.#fail(wrongKey);
    } else this.#expectData(value.length);
  }

  #expectData(length: number): void {
    const limit = this.#limits.dataSizeLimit;
    if (length > limit && !canSkip(length)) {
      this.#fail(tooLongValue(length, limit).reason);
      return;
    }
    this.#data = length > limit ? undefined : noData;
    this.#length = this.#left = length;
    this.#endSeen = 0;
    this.#state = length === 0 ? "data end" : "data";
  }

  #value(broken: boolean): Reply {
    const data = this.#data;
    if (data !== undefined) return { kind: "value", data, broken };
    const refusal = tooLongValue(this.#length, this.#limits.dataSizeLimit);
    return broken ? { kind: "failure", reason: refusal.reason } : refusal;
  }

  #fail(reason: string): void {
    this.reply = { kind: "failure", reason };
  }

  #takeData(bytes: Uint8Array, start: number): number {
    const end = Math.min(start + this.#left, bytes.length);
    const part = bytes.subarray(start, end);
    // A whole value, the usual case, is not copied.
    if (part.length === this.#length) this.#data &&= part;
    else {
      if (this.#data === noData) this.#data = new Uint8Array(this.#length);
      this.#data?.set(part, this.#length - this.#left);
    }
    this.#left -= part.length;
    if (this.#left === 0) this.#state = "data end";
    return end;
  }

  #takeDataEnd(bytes: Uint8Array, start: number): number {
    if (bytes[start] !== (this.#endSeen === 0 ? CR : LF)) {
      this.#fail(wrongLength(this.#length));
    } else if (++this.#endSeen === 2) this.#state = "closing line";
    return start + 1;
  }
}
