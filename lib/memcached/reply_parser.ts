import {
  asciiBytes,
  canSkip,
  type Command,
  CR,
  isDigit,
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

// Postfix compares C strings, which end at a null byte.
function isWord(line: Uint8Array, word: Uint8Array): boolean {
  if (line.length > word.length && line[word.length] !== 0) return false;
  return startsWith(line, word);
}

function isSpace(byte: number): boolean {
  return byte === SPACE || (byte >= 9 && byte <= 13);
}

/**
 * The length in a VALUE line, as sscanf("VALUE %*s %*s %ld") reads it: any text may
 * follow. `undefined` if there is none.
 */
function valueLength(line: Uint8Array): number | undefined {
  if (!startsWith(line, VALUE)) return undefined;
  const end = line.length;
  let at = VALUE.length;
  for (let word = 0; word < 2; word++) {
    while (at < end && isSpace(line[at])) at++;
    const start = at;
    while (at < end && line[at] !== 0 && !isSpace(line[at])) at++;
    if (at === start) return undefined;
  }
  while (at < end && isSpace(line[at])) at++;
  const negative = line[at] === MINUS;
  if (negative || line[at] === PLUS) at++;
  const start = at;
  let length = 0;
  for (; at < end && isDigit(line[at]); at++) {
    length = length * 10 + line[at] - ZERO;
  }
  if (at === start) return undefined;
  return negative ? -length : length;
}

/** Whether a VALUE line is for a key. */
function hasKey(line: Uint8Array, key: Uint8Array): boolean {
  let start = VALUE.length;
  while (start < line.length && isSpace(line[start])) start++;
  const end = start + key.length;
  return isSpace(line[end]) && startsWith(line, key, start);
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
  #key: Uint8Array | undefined;
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
   * Expects the reply to a command. A value must be for `key`: otherwise, after a
   * lost reply, the reply to the next command would answer this one.
   */
  start(command: Command, key?: Uint8Array): void {
    this.reply = undefined;
    this.#command = command;
    this.#key = key;
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
    if (lines.tooLong) this.#lineDone(undefined);
    else if (lines.complete) {
      this.#lineDone(lines.bytes.subarray(lines.start, lines.end));
    }
    return next;
  }

  /** Handles a line; `undefined` is a line that is too long. */
  #lineDone(line: Uint8Array | undefined): void {
    if (this.#state === "closing line") {
      this.reply = this.#value(line === undefined || !isWord(line, END));
    } else if (line === undefined) {
      this.#fail(tooLongLine(this.#limits.lineSizeLimit));
    } else {
      this.#takeWord(line);
    }
  }

  #takeWord(line: Uint8Array): void {
    const all = words[this.#command];
    for (let number = 0; number < all.length; number++) {
      const { word, reply } = all[number];
      if (!isWord(line, word)) continue;
      this.reply = reply;
      return;
    }
    const length = this.#command === "get" ? valueLength(line) : undefined;
    const limit = this.#limits.dataSizeLimit;
    if (length === undefined || length < 0) this.reply = readRefusal(line);
    else if (this.#key !== undefined && !hasKey(line, this.#key)) {
      this.#fail(wrongKey);
    } else if (length > limit && !canSkip(length)) {
      this.#fail(tooLongValue(length, limit).reason);
    } else {
      this.#data = length > limit ? undefined : new Uint8Array(length);
      this.#length = this.#left = length;
      this.#endSeen = 0;
      this.#state = length === 0 ? "data end" : "data";
    }
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
    this.#data?.set(bytes.subarray(start, end), this.#length - this.#left);
    this.#left -= end - start;
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
