import { byteText } from "../bytes/text.ts";

/** The longest key that memcached takes, in bytes. */
export const longestKey = 250;

/** The commands that the table uses. */
export type Command = "get" | "set" | "delete";

/** Limits of a reply, in bytes. */
export interface ReplyLimits {
  /** Longest line, with its CR but without its LF. */
  readonly lineSizeLimit: number;
  /** Longest data. */
  readonly dataSizeLimit: number;
}

/**
 * A complete reply.
 *
 * - `value`: if it is `broken`, its closing line was wrong or missing. The value is
 *   valid, but the connection must be closed.
 * - `refused`: the server refuses the command. See {@linkcode Refusal}.
 * - `failure`: the bytes are not a reply; nothing after them can be read.
 */
export type Reply =
  | {
    readonly kind: "value";
    /** Valid until the next bytes are received. */
    readonly data: Uint8Array;
    readonly broken: boolean;
  }
  | { readonly kind: "not found" | "stored" | "deleted" }
  | Refusal
  | { readonly kind: "failure"; readonly reason: string };

/** The reply of a server that refuses a command. */
export interface Refusal {
  /** Marks a refusal. */
  readonly kind: "refused";
  /** The server's message. */
  readonly reason: string;
  /**
   * What the refusal concerns:
   *
   * - `entry`: only this key or value: it is too large, or there is no memory for
   *   it.
   * - `command`: perhaps all commands on this connection.
   * - `doubtful`: like `command`. Also, the next reply may not belong to the next
   *   command, because a server may answer with two lines to a command that it does
   *   not understand.
   */
  readonly about: "entry" | "command" | "doubtful";
}

const CR = 13;
const LF = 10;
const SPACE = 32;
const ZERO = 48;

export function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= 57;
}

export function asciiBytes(text: string): Uint8Array {
  return byteText.encode(text);
}

const GET = asciiBytes("get ");

export function encodeGet(key: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(GET.length + key.length + 2);
  bytes.set(GET);
  bytes.set(key, GET.length);
  bytes[bytes.length - 2] = CR;
  bytes[bytes.length - 1] = LF;
  return bytes;
}

/** Whether the key of `get KEY` is in `bytes` from `start` to `end`. */
export function isKeyOfGet(
  request: Uint8Array,
  bytes: Uint8Array,
  start: number,
  end: number,
): boolean {
  if (end - start !== request.length - GET.length - 2) return false;
  for (let at = start; at < end; at++) {
    if (bytes[at] !== request[at - start + GET.length]) return false;
  }
  return true;
}

/** The key in the bytes of `get KEY`. */
export function keyOfGet(request: Uint8Array): Uint8Array {
  return request.subarray(GET.length, request.length - 2);
}

/** A value as Postfix sees it: it ends before the first null byte. */
export function beforeNull(data: Uint8Array): Uint8Array {
  const end = data.indexOf(0);
  return end < 0 ? data : data.subarray(0, end);
}

/** Whether `word` is in `bytes` at `start`. */
export function startsWith(
  bytes: Uint8Array,
  word: Uint8Array,
  start = 0,
): boolean {
  for (let at = 0; at < word.length; at++) {
    if (bytes[start + at] !== word[at]) return false;
  }
  return true;
}

const refusals =
  /^(?:SERVER_ERROR|CLIENT_ERROR|ERROR|NOT_STORED|EXISTS)(?=\s|$)/;
const aboutEntry = /^SERVER_ERROR (?:out of memory|object too large)/i;

/** The advice for an answer that requires a log-in; empty for other answers. */
export function logInCure(answer: string): string {
  return /authentica/i.test(answer) ? ": set user and password" : "";
}

/** Reads a reply line that does not report success: a refusal or a failure. */
export function readRefusal(
  line: Uint8Array,
): Refusal | { readonly kind: "failure"; readonly reason: string } {
  const text = String.fromCharCode(...line.subarray(0, longestShown + 1));
  const reason = `it answers ${quoted(text)}${logInCure(text)}`;
  const word = refusals.exec(text)?.[0];
  if (word === undefined) return { kind: "failure", reason };
  const about = word !== "SERVER_ERROR"
    ? "doubtful"
    : aboutEntry.test(text)
    ? "entry"
    : "command";
  return { kind: "refused", reason, about };
}

/** The refusal of a value that is longer than `data_size_limit`. */
export function tooLongValue(length: number, limit: number): Refusal {
  const reason =
    `a value of ${length} bytes is longer than data_size_limit = ${limit}`;
  return { kind: "refused", reason, about: "entry" };
}

// A value above the size limit is skipped, so that the replies after it can be
// read. Above this length, which few memcached servers allow, it is a failure.
const longestSkipped = 16 * 1024 * 1024;

/** Whether a value of this length can be skipped. */
export function canSkip(length: number): boolean {
  return length <= longestSkipped;
}

/** The message for a value with another key than the requested one. */
export const wrongKey = "a value for a key that was not asked for";

/** The message for a line above the limit. */
export function tooLongLine(limit: number): string {
  return `a reply line is longer than line_size_limit = ${limit}`;
}

/** The message for a value that does not end after the announced length. */
export function wrongLength(length: number): string {
  return `a value does not end after the ${length} bytes that were announced`;
}

const longestShown = 200;

/**
 * A server's message for display: in quotes, on one line. Unprintable characters
 * become question marks; a long message is cut, and ends in "…".
 */
export function quoted(text: string): string {
  // deno-lint-ignore no-control-regex -- control characters are what must go
  const clean = text.replace(/[\x00-\x1f\x7f-\xff]/g, "?");
  return clean.length > longestShown
    ? `"${clean.slice(0, longestShown)}…"`
    : `"${clean}"`;
}

export { CR, GET, LF, SPACE, ZERO };
