// A message of Postfix's internal protocol: names and values, each ended by a
// null byte, and an empty name at the end of all.

const NUL = 0;

/** Attributes of a message, in their order. */
export type Attributes =
  readonly (readonly [name: string, value: Uint8Array])[];

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The bytes of a message. Values must have no null byte. */
export function encodeAttributes(attributes: Attributes): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const [name, value] of attributes) {
    parts.push(encoder.encode(`${name}\0`), value, Uint8Array.of(NUL));
  }
  parts.push(Uint8Array.of(NUL));
  const message = new Uint8Array(
    parts.reduce((length, part) => length + part.length, 0),
  );
  let at = 0;
  for (const part of parts) {
    message.set(part, at);
    at += part.length;
  }
  return message;
}

/**
 * Reads one message from bytes as they come. Does no I/O, and holds no more
 * than `limit` bytes.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { AttributeParser, encodeAttributes } from "./attributes.ts";
 *
 * const parser = new AttributeParser(1000);
 * const value = new TextEncoder().encode("0");
 * parser.push(encodeAttributes([["status", value]]));
 * assertEquals(parser.message?.get("status"), value);
 * ```
 */
export class AttributeParser {
  /** The message, once it is complete. */
  message: Map<string, Uint8Array> | undefined;
  /** Whether more came than a message, or one that is none. */
  broken = false;

  #limit: number;
  #held = new Uint8Array(0);

  /** Expects a message of at most `limit` bytes. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Takes the next bytes. */
  push(bytes: Uint8Array): void {
    const held = new Uint8Array(this.#held.length + bytes.length);
    held.set(this.#held);
    held.set(bytes, this.#held.length);
    this.#held = held;
    const read = new Map<string, Uint8Array>();
    for (let at = 0;;) {
      const nameEnd = held.indexOf(NUL, at);
      if (nameEnd === at) {
        this.message = read;
        this.broken = at + 1 < held.length;
        return;
      }
      const valueEnd = nameEnd < 0 ? -1 : held.indexOf(NUL, nameEnd + 1);
      if (valueEnd < 0) break;
      const name = decoder.decode(held.subarray(at, nameEnd));
      read.set(name, held.slice(nameEnd + 1, valueEnd));
      at = valueEnd + 1;
    }
    this.broken = held.length > this.#limit;
  }
}
