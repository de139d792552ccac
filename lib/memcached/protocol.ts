/** The longest key that memcached takes, in bytes. */
export const longestKey = 250;

/** The commands that the table uses. */
export type Command = "get" | "set" | "delete";

/** Limits of a reply, in bytes. */
export interface ReplyLimits {
  /** Longest line, its end included, though not the LF of a CR LF. */
  readonly lineSizeLimit: number;
  /** Longest data. */
  readonly dataSizeLimit: number;
}

/**
 * A reply, complete.
 *
 * - `value`: after one that is `broken` the connection cannot be used any more;
 *   the value counts, though what closes it was wrong or missing.
 * - `refused`: the server says that it does not do this. See {@linkcode Refusal}.
 * - `failure`: what came is no reply; nothing that follows can be read.
 */
export type Reply =
  | {
    readonly kind: "value";
    readonly data: Uint8Array;
    readonly broken: boolean;
  }
  | { readonly kind: "not found" | "stored" | "deleted" }
  | Refusal
  | { readonly kind: "failure"; readonly reason: string };

/** A complete answer that is a refusal. */
export interface Refusal {
  /** Tells it from other replies. */
  readonly kind: "refused";
  /** What the server said. */
  readonly reason: string;
  /**
   * - `entry`: it is about this key or value alone, which is too large, or for
   *   which there is no memory.
   * - `command`: it may be about all that is asked on this connection.
   * - `doubtful`: as `command`, and one cannot be sure that the next reply
   *   belongs to the next command: a server may answer with two lines to a
   *   command that it did not understand.
   */
  readonly about: "entry" | "command" | "doubtful";
}

const CR = 13;
const LF = 10;
const SPACE = 32;

const ascii = new TextEncoder();

/** The bytes of a word, or of a line without its end. */
export function asciiBytes(text: string): Uint8Array {
  return ascii.encode(text);
}

const GET = asciiBytes("get ");
const DELETE = asciiBytes("delete ");

/** The bytes of `get KEY`. */
export function encodeGet(key: Uint8Array): Uint8Array {
  return encodeKeyCommand(GET, key);
}

/** The key in the bytes of `get KEY`. */
export function keyOfGet(request: Uint8Array): Uint8Array {
  return request.subarray(GET.length, request.length - 2);
}

/** The bytes of `delete KEY`. */
export function encodeDelete(key: Uint8Array): Uint8Array {
  return encodeKeyCommand(DELETE, key);
}

function encodeKeyCommand(word: Uint8Array, key: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(word.length + key.length + 2);
  bytes.set(word);
  bytes.set(key, word.length);
  bytes[bytes.length - 2] = CR;
  bytes[bytes.length - 1] = LF;
  return bytes;
}

/** Data as Postfix sees it: it ends before the first null byte. */
export function beforeNull(data: Uint8Array): Uint8Array {
  const end = data.indexOf(0);
  return end < 0 ? data : data.subarray(0, end);
}

/** Whether a word stands at a place of some bytes. */
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

/** What helps, where an answer says that the server wants a log-in. */
export function logInCure(answer: string): string {
  return /authentica/i.test(answer) ? ": set user and password" : "";
}

/** What a line says that is none of the good answers to a command. */
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

// A value that is too long is read to its end, so that the replies behind it can
// be read, unless it is longer than any that memcached keeps unless told to.
const longestPassedOver = 16 * 1024 * 1024;

/** Whether a value of this length can be passed over. */
export function canPassOver(length: number): boolean {
  return length <= longestPassedOver;
}

/** What is said of a value for a key that was not asked for. */
export const otherKey = "a value for a key that was not asked for";

/** What is said of a line that is longer than it may be. */
export function tooLongLine(limit: number): string {
  return `a reply line is longer than line_size_limit = ${limit}`;
}

/** What is said when data does not end where it should. */
export function wrongLength(length: number): string {
  return `a value does not end after the ${length} bytes that were announced`;
}

const longestShown = 200;

/**
 * What a server said, in quotes, on one line: characters that cannot be printed
 * become question marks, and what is cut off is marked.
 */
export function quoted(text: string): string {
  // deno-lint-ignore no-control-regex -- control characters are what must go
  const clean = text.replace(/[\x00-\x1f\x7f-\xff]/g, "?");
  return clean.length > longestShown
    ? `"${clean.slice(0, longestShown)}…"`
    : `"${clean}"`;
}

export { CR, LF, SPACE };
