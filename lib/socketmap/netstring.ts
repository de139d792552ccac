// Netstrings, `LENGTH:DATA,`: the form of requests and replies of the socketmap
// protocol.

const COLON = 58;
const COMMA = 44;
const ZERO = 48;

// A client that announces more than this, in bytes, does not speak the protocol.
const largestLength = 999_999_999;

/** Stands for a netstring that was longer than the limit, and was not kept. */
export const tooLong: unique symbol = Symbol("a netstring that is too long");

const nothing = new Uint8Array(0);

/**
 * Reads netstrings from bytes as they arrive. Does no I/O. It keeps at most one
 * incomplete netstring beside the bytes that arrived last. Data of more than
 * `limit` bytes is skipped and not kept.
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
  /** What is wrong with the bytes; nothing after that place can be read. */
  broken: string | undefined;
  #limit: number;
  /** What `next` reads: the bytes that arrived last, or `#kept`. */
  #bytes: Uint8Array = nothing;
  #at = 0;
  /** Memory for a netstring that arrives in pieces. */
  #kept: Uint8Array = nothing;
  /** How many bytes of data are still to be skipped. */
  #skipping = 0;
  #isSkipping = false;

  /** Takes netstrings of at most `limit` bytes of data. */
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
   * Takes the next bytes, when `next` has returned `undefined`. They must not
   * change until it does so again.
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

  // Twice the size at least: then all the copying is linear, however small the
  // pieces are.
  #grow(length: number, needed: number): void {
    const grown = new Uint8Array(Math.max(needed, 2 * this.#kept.length));
    grown.set(this.#kept.subarray(0, length));
    this.#kept = grown;
  }

  /**
   * The data of the next netstring, {@linkcode tooLong} for one that was
   * skipped, `undefined` while it is not complete.
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

  /** Keeps what there is of a netstring, for the bytes are not ours. */
  #wait(): undefined {
    const rest = this.#bytes.subarray(this.#at);
    const isKept = this.#at === 0 && rest.buffer === this.#kept.buffer;
    if (rest.length === 0) this.#kept = nothing;
    else if (!isKept) this.#kept = rest.slice();
    this.#bytes = this.#kept.subarray(0, rest.length);
    this.#at = 0;
  }
}
