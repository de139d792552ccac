// Netstrings, `LENGTH:DATA,`: what requests and replies of the socketmap protocol
// are wrapped in.

const COLON = 58;
const COMMA = 44;
const ZERO = 48;

/**
 * Reads netstrings from bytes as they come. Does no I/O, and holds no more than
 * one of them and the bytes that came last.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { NetstringParser } from "./netstring.ts";
 *
 * const parser = new NetstringParser(1000);
 * parser.push(new TextEncoder().encode("5:hello,3:w"));
 * assertEquals(new TextDecoder().decode(parser.next()), "hello");
 * assertEquals(parser.next(), undefined);
 * assertEquals(parser.partial, true);
 * ```
 */
export class NetstringParser {
  /** What is wrong with what came; nothing behind it can be read. */
  broken: string | undefined;
  #limit: number;
  #bytes = new Uint8Array(0);
  #at = 0;

  /** Takes netstrings of at most `limit` bytes of data. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Whether a netstring has begun and is not complete. */
  get partial(): boolean {
    return this.#at < this.#bytes.length;
  }

  /** Takes the next bytes; they must stay as they are until `next` has no more. */
  push(bytes: Uint8Array): void {
    if (this.broken !== undefined) return;
    const held = this.#bytes.length - this.#at;
    if (held === 0) this.#bytes = bytes as Uint8Array<ArrayBuffer>;
    else {
      const joined = new Uint8Array(held + bytes.length);
      joined.set(this.#bytes.subarray(this.#at));
      joined.set(bytes, held);
      this.#bytes = joined;
    }
    this.#at = 0;
  }

  /** The data of the next netstring, `undefined` while it is not complete. */
  next(): Uint8Array | undefined {
    if (this.broken !== undefined) return undefined;
    const bytes = this.#bytes;
    const start = this.#at;
    let size = 0;
    let at = start;
    for (; at < bytes.length; at++) {
      const digit = bytes[at] - ZERO;
      if (digit < 0 || digit > 9) break;
      if (at > start && size === 0) return this.#break("a length with zeros");
      size = size * 10 + digit;
      if (size > this.#limit) {
        return this.#break(`a request of more than ${this.#limit} bytes`);
      }
    }
    if (at === bytes.length) return this.#wait();
    if (at === start || bytes[at] !== COLON) {
      return this.#break("no length where there must be one");
    }
    const end = at + 1 + size;
    if (end >= bytes.length) return this.#wait();
    if (bytes[end] !== COMMA) return this.#break("no comma behind a request");
    this.#at = end + 1;
    return bytes.subarray(at + 1, end);
  }

  #break(reason: string): undefined {
    this.broken = reason;
    this.#bytes = new Uint8Array(0);
    this.#at = 0;
  }

  #wait(): undefined {
    this.#bytes = this.#bytes.slice(this.#at);
    this.#at = 0;
  }
}
