import type { Text } from "./text.ts";

const shortCopy = 64;

/** Numbers for `count` things, in the memory of `old` where that is enough. */
export function int32Array(count: number, old?: Int32Array): Int32Array {
  return old !== undefined && old.buffer.byteLength >= count * 4
    ? new Int32Array(old.buffer, 0, count)
    : new Int32Array(count);
}

/** Bytes that grow at their end. */
export class ByteBuffer {
  /** The bytes, and room behind them. */
  bytes: Uint8Array<ArrayBuffer>;
  /** How many bytes there are. */
  length = 0;

  /**
   * Has room for `size` bytes before it grows, in the memory of `old` where that
   * is enough.
   */
  constructor(size: number, old?: ByteBuffer) {
    this.bytes = old !== undefined && old.bytes.length >= size
      ? old.bytes
      : new Uint8Array(size);
  }

  /** Makes room for so many bytes more. */
  reserve(more: number): void {
    const needed = this.length + more;
    if (needed <= this.bytes.length) return;
    const larger = new Uint8Array(Math.max(needed, this.bytes.length * 2));
    larger.set(this.bytes.subarray(0, this.length));
    this.bytes = larger;
  }

  /** Adds bytes. */
  append(source: Uint8Array, start: number, end: number): void {
    this.reserve(end - start);
    const { bytes } = this;
    let to = this.length;
    this.length += end - start;
    // For the few bytes that most strings have, faster than a call of `set`.
    if (end - start > shortCopy) bytes.set(source.subarray(start, end), to);
    else while (start < end) bytes[to++] = source[start++];
  }

  /** Adds a byte. */
  appendByte(byte: number): void {
    this.reserve(1);
    this.bytes[this.length++] = byte;
  }

  /** Adds text if it is ASCII; else adds nothing, and says `false`. */
  appendAscii(text: string): boolean {
    this.reserve(text.length);
    const { bytes } = this;
    let to = this.length;
    for (let from = 0; from < text.length; from++) {
      const code = text.charCodeAt(from);
      if (code > 127) return false;
      bytes[to++] = code;
    }
    this.length = to;
    return true;
  }

  /** Adds text, as `text` encodes it. */
  appendText(string: string, text: Text): void {
    if (this.appendAscii(string)) return;
    const bytes = text.encode(string);
    this.append(bytes, 0, bytes.length);
  }

  /** All bytes; they change with the buffer. */
  view(): Uint8Array<ArrayBuffer> {
    return this.bytes.subarray(0, this.length);
  }
}
