// Requests and replies of the socketmap protocol are netstrings: `LENGTH:DATA,`.

const COLON = 58;
const COMMA = 44;
const ZERO = 48;

// A client that announces more than this, in bytes, does not speak the protocol.
const largestLength = 999_999_999;

/** Returned instead of a netstring that is longer than the limit. */
export const tooLong: unique symbol = Symbol("a netstring that is too long");

const nothing = new Uint8Array(0);

/**
 * Parses netstrings as their bytes arrive. Does no I/O. Keeps at most one
 * incomplete netstring beside the bytes that arrived last. Skips data of more
 * than `limit` bytes.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { NetstringParser, tooLong } from "./netstring.ts";
 *
 * const parser = new NetstringParser(5);
 * parser.push(new TextEncoder().encode("5:hello,6:worlds,3:w"));
 * assertEquals(parser.next(), new TextEncoder().encode("hello"));
 * assertEquals(parser.next(), tooLong);
 * assertEquals(parser.next(), undefined);
 * assertEquals(parser.partial, true);
 * ```
 */
export class NetstringParser {
  /** What is wrong with the input; nothing after it can be parsed. */
  broken: string | undefined;
  #limit: number;
  /** The input of `next`: the bytes that arrived last, or `#kept`. */
  #bytes: Uint8Array = nothing;
  #at = 0;
  /** Memory for a netstring that arrives in pieces. */
  #kept: Uint8Array = nothing;
  /** How many bytes of data remain to be skipped. */
  #skipping = 0;
  #isSkipping = false;

  /** `limit` is the most bytes of data that a netstring may have. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Whether a netstring has begun and is not complete. */
  get partial(): boolean {
    return this.#isSkipping || this.#at < this.#bytes.length;
  }

  /** The size of the memory that an incomplete netstring takes, in bytes. */
  get held(): number {
    return this.#kept.length;
  }

  /**
   * Adds bytes. Call it only when `next` has returned `undefined`; the bytes must
   * not change until `next` returns `undefined` again.
   */
  push(bytes: Uint8Array): void {
    if (this.broken !== undefined) return;
    const length = this.#bytes.length - this.#at;
    if (length === 0) this.#bytes = bytes;
    else {
      const end = length + bytes.length;
      if (end > this.#kept.length) this.#grow(length, end);
      this.#kept.set(bytes, length);
      this.#bytes = this.#kept.subarray(0, end);
    }
    this.#at = 0;
  }

  // The size is doubled at least, so that copying takes linear time however small
  // the pieces are.
  #grow(length: number, needed: number): void {
    const grown = new Uint8Array(Math.max(needed, 2 * this.#kept.length));
    grown.set(this.#kept.subarray(0, length));
    this.#kept = grown;
  }

  /**
   * Returns the data of the next netstring, {@linkcode tooLong} for one that was
   * skipped, or `undefined` if it is not complete.
   */
  next(): Uint8Array | typeof tooLong | undefined {
    if (this.broken !== undefined) return undefined;
    if (this.#isSkipping) return this.#skip();
    const bytes = this.#bytes;
    const start = this.#at;
    let size = 0;
    let at = start;
    for (; at < bytes.length; at++) {
      const digit = bytes[at] - ZERO;
      if (digit < 0 || digit > 9) break;
      if (at > start && size === 0) return this.#break("a length with zeros");
      size = size * 10 + digit;
      if (size > largestLength) {
        return this.#break(`a request of more than ${largestLength} bytes`);
      }
    }
    if (at === bytes.length) return this.#wait();
    if (at === start || bytes[at] !== COLON) {
      return this.#break("no length where there must be one");
    }
    if (size > this.#limit) {
      this.#isSkipping = true;
      this.#skipping = size;
      this.#at = at + 1;
      return this.#skip();
    }
    const end = at + 1 + size;
    if (end >= bytes.length) return this.#wait();
    if (bytes[end] !== COMMA) return this.#break("no comma behind a request");
    this.#at = end + 1;
    return bytes.subarray(at + 1, end);
  }

  #skip(): typeof tooLong | undefined {
    const skipped = Math.min(this.#bytes.length - this.#at, this.#skipping);
    this.#skipping -= skipped;
    this.#at += skipped;
    if (this.#at === this.#bytes.length) return this.#wait();
    if (this.#bytes[this.#at] !== COMMA) {
      return this.#break("no comma behind a request");
    }
    this.#at++;
    this.#isSkipping = false;
    return tooLong;
  }

  #break(reason: string): undefined {
    this.broken = reason;
    this.#bytes = this.#kept = nothing;
    this.#at = 0;
    this.#isSkipping = false;
  }

  /** Copies the start of an incomplete netstring: the bytes belong to the caller. */
  #wait(): undefined {
    const rest = this.#bytes.subarray(this.#at);
    const isKept = this.#at === 0 && rest.buffer === this.#kept.buffer;
    if (rest.length === 0) this.#kept = nothing;
    else if (!isKept) this.#kept = rest.slice();
    this.#bytes = this.#kept.subarray(0, rest.length);
    this.#at = 0;
  }
}
