// A message of Postfix's internal protocol is a list of names and values. Each ends
// with a null byte, and an empty name ends the message.

import { ByteBuffer } from "../../bytes/byte_buffer.ts";

const NUL = 0;

/** The attributes of a message, in their order. */
export type Attributes =
  readonly (readonly [name: string, value: Uint8Array])[];

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Encodes a message. Values must not have a null byte. */
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
 * Parses one message from bytes that arrive in pieces. Does no I/O.
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
  /** Whether the message is too long, or bytes follow it. */
  broken = false;

  #limit: number;
  #held = new ByteBuffer(0);
  #read = new Map<string, Uint8Array>();
  /** Where the first incomplete attribute begins. */
  #start = 0;
  /** Where its name ends; -1 while the name is incomplete. */
  #nameEnd = -1;

  /** Expects a message of at most `limit` bytes. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Parses the next bytes. */
  push(bytes: Uint8Array): void {
    if (this.message !== undefined) {
      this.broken ||= bytes.length > 0;
      return;
    }
    // Examine each byte only once, even when a value arrives in small pieces.
    let from = this.#held.length;
    this.#held.append(bytes, 0, bytes.length);
    const held = this.#held.view();
    for (let nul; (nul = held.indexOf(NUL, from)) >= 0; from = nul + 1) {
      if (this.#nameEnd >= 0) {
        const name = decoder.decode(held.subarray(this.#start, this.#nameEnd));
        this.#read.set(name, held.slice(this.#nameEnd + 1, nul));
        this.#start = nul + 1;
        this.#nameEnd = -1;
      } else if (nul > this.#start) this.#nameEnd = nul;
      else {
        this.message = this.#read;
        this.broken = nul + 1 < held.length;
        return;
      }
    }
    this.broken = held.length > this.#limit;
  }
}
