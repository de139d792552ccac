import { byteText, type Text } from "../bytes/text.ts";

/** The longest key that memcached takes, in bytes. */
export const longestKey = 250;

/** The commands that the table uses. */
export type Command = "get" | "set" | "delete";

/** The bytes of `get KEY`. */
export function encodeGet(text: Text, key: string): Uint8Array {
  const { length } = key;
  const bytes = new Uint8Array(length + 6);
  // Not from one string: to put that together takes as long as all of this.
  for (let at = 0; at < length; at++) {
    const code = key.charCodeAt(at);
    if (code > 127) return text.encode(`get ${key}\r\n`);
    bytes[at + 4] = code;
  }
  bytes[0] = 103;
  bytes[1] = 101;
  bytes[2] = 116;
  bytes[3] = SPACE;
  bytes[length + 4] = CR;
  bytes[length + 5] = LF;
  return bytes;
}

/** The key in the bytes of `get KEY`. */
export function keyOfGet(request: Uint8Array): Uint8Array {
  return request.subarray(4, request.length - 2);
}

/** The text of `delete KEY`. */
export function deleteCommand(key: string): string {
  return `delete ${key}\r\n`;
}

/** The bytes of `delete KEY`. */
export function encodeDelete(text: Text, key: string): Uint8Array {
  return text.encode(deleteCommand(key));
}

/**
 * The bytes of `set KEY FLAGS TTL LENGTH` and its data, in one piece: sent in
 * two, the second waits for the server's delayed acknowledgement of the first.
 */
export function encodeSet(
  text: Text,
  key: string,
  value: Uint8Array,
  flags: number,
  ttl: number,
): Uint8Array {
  const head = text.encode(`set ${key} ${flags} ${ttl} ${value.length}\r\n`);
  const request = new Uint8Array(head.length + value.length + 2);
  request.set(head);
  request.set(value, head.length);
  request[request.length - 2] = 13;
  request[request.length - 1] = 10;
  return request;
}

/** The text of `set`, of a value that has `size` bytes. */
export function setCommand(
  key: string,
  value: string,
  size: number,
  flags: number,
  ttl: number,
): string {
  return `set ${key} ${flags} ${ttl} ${size}\r\n${value}\r\n`;
}

/** Data as Postfix sees it: it ends before the first null byte. */
export function beforeNull(data: Uint8Array): Uint8Array {
  const end = data.indexOf(0);
  return end < 0 ? data : data.subarray(0, end);
}

/** Limits of a reply, in bytes. */
export interface ReplyLimits {
  /** Longest line, its end included, though not the LF of a CR LF. */
  readonly lineSizeLimit: number;
  /** Longest data. */
  readonly dataSizeLimit: number;
}

/**
 * A reply, complete. After one with `broken` the connection cannot be used any
 * more: the value counts, though what closes it was wrong or missing.
 */
export type Reply =
  | {
    readonly kind: "value";
    readonly data: Uint8Array;
    readonly broken: boolean;
  }
  | { readonly kind: "not found" | "stored" | "deleted" }
  | {
    readonly kind: "failure";
    readonly reason: string;
    /**
     * The server says that it cannot do this, and what follows can be read; or
     * this is a value of another key.
     */
    readonly sign?: "refused" | "other key";
  };

const LF = 10;
const CR = 13;
const SPACE = 32;
const PLUS = 43;
const MINUS = 45;
const ZERO = 48;
const NINE = 57;

const ascii = new TextEncoder();

const words: Record<Command, readonly { line: Uint8Array; reply: Reply }[]> = {
  get: [{ line: ascii.encode("END"), reply: { kind: "not found" } }],
  set: [{ line: ascii.encode("STORED"), reply: { kind: "stored" } }],
  delete: [
    { line: ascii.encode("DELETED"), reply: { kind: "deleted" } },
    { line: ascii.encode("NOT_FOUND"), reply: { kind: "not found" } },
  ],
};
const END = words.get[0].line;
const VALUE = ascii.encode("VALUE");
const SERVER_ERROR = ascii.encode("SERVER_ERROR");
// What closes the reply with a value: END is for those of several keys.
const CLOSING = ascii.encode("\r\nEND\r\n");

// Postfix compares C strings, which end at a null byte.
function isWord(line: Uint8Array, word: Uint8Array): boolean {
  if (line.length > word.length && line[word.length] !== 0) return false;
  return startsWith(line, word);
}

/** Whether a word stands at a place of some bytes. */
function startsWith(bytes: Uint8Array, word: Uint8Array, start = 0): boolean {
  for (let at = 0; at < word.length; at++) {
    if (bytes[start + at] !== word[at]) return false;
  }
  return true;
}

function isSpace(byte: number): boolean {
  return byte === 32 || (byte >= 9 && byte <= 13);
}

/**
 * The length in a VALUE line, as sscanf("VALUE %*s %*s %ld") reads it: what
 * follows it is free. `undefined` when there is none.
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
  for (; at < end && line[at] >= ZERO && line[at] <= NINE; at++) {
    length = length * 10 + line[at] - ZERO;
  }
  if (at === start) return undefined;
  return negative ? -length : length;
}

/** Whether a VALUE line is for a key. */
function hasKey(line: Uint8Array, key: Uint8Array): boolean {
  const start = VALUE.length + 1;
  return isSpace(line[start + key.length]) && startsWith(line, key, start);
}

// deno-lint-ignore no-control-regex -- control characters are what must go
const notPrintable = /[\x00-\x1f\x7f-\xff]/g;

function printable(line: Uint8Array): string {
  return byteText.decode(line.subarray(0, 30))!.replace(notPrintable, "?");
}

/**
 * Reads replies from bytes as they come, however they are cut. Does no I/O,
 * and never holds more than the limits allow.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { ReplyParser } from "./protocol.ts";
 *
 * const parser = new ReplyParser({ lineSizeLimit: 1024, dataSizeLimit: 10240 });
 * parser.start("delete");
 * const bytes = new TextEncoder().encode("DELETED\r\n");
 * assertEquals(parser.push(bytes, 0), 9);
 * assertEquals(parser.reply, { kind: "deleted" });
 * ```
 */
export class ReplyParser {
  /** The reply, once it is complete. */
  reply: Reply | undefined;

  #limits: ReplyLimits;
  #command: Command = "get";
  #key: Uint8Array | undefined;
  #state: "line" | "data" | "data end" | "closing line" = "line";
  #held = new Uint8Array(64);
  #heldLength = 0;
  #data = new Uint8Array(0);
  #dataLength = 0;

  /** Makes a parser; `start` makes it expect something. */
  constructor(limits: ReplyLimits) {
    this.#limits = limits;
  }

  /**
   * Expects the reply to a command. Postfix takes a value of any key; with `key`
   * it must be that one's, as it has to be where several replies are expected.
   */
  start(command: Command, key?: Uint8Array): void {
    this.reply = undefined;
    this.#command = command;
    this.#key = key;
    this.#state = "line";
    this.#heldLength = 0;
  }

  /**
   * Takes bytes from `start` on until the reply is complete; returns where it
   * stopped.
   */
  push(bytes: Uint8Array, start: number): number {
    let at = this.#state === "line" && this.#heldLength === 0
      ? this.#takeWhole(bytes, start)
      : start;
    while (at < bytes.length && this.reply === undefined) {
      switch (this.#state) {
        case "line":
        case "closing line":
          at = this.#takeLine(bytes, at);
          break;
        case "data":
          at = this.#takeData(bytes, at);
          break;
        case "data end":
          at = this.#takeDataEnd(bytes, at);
      }
    }
    return at;
  }

  /** No more bytes come: the reply is what can be made of those that came. */
  end(reason: string): Reply {
    return this.reply ??= this.#state === "closing line"
      ? { kind: "value", data: this.#data, broken: true }
      : { kind: "failure", reason };
  }

  /**
   * Takes a value with all that belongs to it, when it is there from its first
   * byte to its last, as nearly all are. Returns where it stopped: at `start`,
   * when what is there needs a closer look.
   */
  #takeWhole(bytes: Uint8Array, start: number): number {
    if (this.#command !== "get" || !startsWith(bytes, VALUE, start)) {
      return start;
    }
    let at = start + VALUE.length;
    for (let word = 0; word < 2; word++) {
      if (bytes[at++] !== SPACE) return start;
      const first = at;
      while (bytes[at] > SPACE) at++;
      if (at === first) return start;
      if (word > 0 || this.#key === undefined) continue;
      const isIt = at - first === this.#key.length &&
        startsWith(bytes, this.#key, first);
      if (!isIt) return start;
    }
    if (bytes[at++] !== SPACE) return start;
    const digits = at;
    let length = 0;
    while (bytes[at] >= ZERO && bytes[at] <= NINE) {
      length = length * 10 + bytes[at++] - ZERO;
    }
    const { lineSizeLimit, dataSizeLimit } = this.#limits;
    const fits = at > digits && length <= dataSizeLimit &&
      at + 2 - start <= lineSizeLimit && CLOSING.length <= lineSizeLimit;
    const end = at + 2 + length;
    const isWhole = bytes[at] === CR && bytes[at + 1] === LF &&
      startsWith(bytes, CLOSING, end);
    if (!fits || !isWhole) return start;
    const data = bytes.slice(at + 2, end);
    this.reply = { kind: "value", data, broken: false };
    return end + CLOSING.length;
  }

  #takeLine(bytes: Uint8Array, start: number): number {
    const lf = bytes.indexOf(LF, start);
    const end = lf < 0 ? bytes.length : lf;
    const length = this.#heldLength + end - start;
    const limit = this.#limits.lineSizeLimit;
    if (length >= limit) {
      // One byte over is fine when it is the LF of a CR LF.
      const fits = length === limit &&
        this.#byteOfLine(bytes, start, limit - 1) === CR;
      if (!fits) {
        this.#lineDone(undefined);
        return end;
      }
    }
    if (lf < 0) {
      this.#hold(bytes.subarray(start, end));
      return end;
    }
    let line = bytes.subarray(start, end);
    if (this.#heldLength > 0) {
      this.#hold(line);
      line = this.#held.subarray(0, this.#heldLength);
    }
    if (line[line.length - 1] === CR) line = line.subarray(0, -1);
    this.#lineDone(line);
    return lf + 1;
  }

  #byteOfLine(bytes: Uint8Array, start: number, index: number): number {
    return index < this.#heldLength
      ? this.#held[index]
      : bytes[start + index - this.#heldLength];
  }

  #hold(bytes: Uint8Array): void {
    const length = this.#heldLength + bytes.length;
    if (length > this.#held.length) {
      const larger = new Uint8Array(Math.max(length, this.#held.length * 2));
      larger.set(this.#held.subarray(0, this.#heldLength));
      this.#held = larger;
    }
    this.#held.set(bytes, this.#heldLength);
    this.#heldLength = length;
  }

  /** Handles a line, `undefined` for one that is too long. */
  #lineDone(line: Uint8Array | undefined): void {
    this.#heldLength = 0;
    if (this.#state === "closing line") {
      const broken = line === undefined || !isWord(line, END);
      this.reply = { kind: "value", data: this.#data, broken };
    } else if (line === undefined) {
      const limit = this.#limits.lineSizeLimit;
      this.#fail(`a reply line is longer than line_size_limit = ${limit}`);
    } else {
      this.#takeWord(line);
    }
  }

  #takeWord(line: Uint8Array): void {
    for (const word of words[this.#command]) {
      if (!isWord(line, word.line)) continue;
      this.reply = word.reply;
      return;
    }
    const length = this.#command === "get" ? valueLength(line) : undefined;
    const limit = this.#limits.dataSizeLimit;
    if (length === undefined || length < 0) {
      this.#fail(
        `unexpected reply "${printable(line)}"`,
        startsWith(line, SERVER_ERROR) ? "refused" : undefined,
      );
    } else if (this.#key !== undefined && !hasKey(line, this.#key)) {
      this.#fail("a value for another key", "other key");
    } else if (length > limit) {
      this.#fail(
        `a value of ${length} bytes is longer than data_size_limit = ${limit}`,
      );
    } else {
      this.#data = new Uint8Array(length);
      this.#dataLength = 0;
      this.#state = length === 0 ? "data end" : "data";
    }
  }

  #fail(reason: string, sign?: "refused" | "other key"): void {
    this.reply = { kind: "failure", reason, sign };
  }

  #takeData(bytes: Uint8Array, start: number): number {
    const wanted = this.#data.length - this.#dataLength;
    const end = Math.min(start + wanted, bytes.length);
    this.#data.set(bytes.subarray(start, end), this.#dataLength);
    this.#dataLength += end - start;
    if (this.#dataLength === this.#data.length) this.#state = "data end";
    return end;
  }

  #takeDataEnd(bytes: Uint8Array, start: number): number {
    const wanted = this.#heldLength === 0 ? CR : LF;
    if (bytes[start] !== wanted) {
      this.#fail("the data is longer than announced");
    } else if (wanted === CR) {
      this.#heldLength = 1;
    } else {
      this.#heldLength = 0;
      this.#state = "closing line";
    }
    return start + 1;
  }
}
