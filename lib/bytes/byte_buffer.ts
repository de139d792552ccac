import type { Text } from "./text.ts";

const shortCopy = 64;

/** An array of `count` numbers. Reuses the memory of `old` if it is large enough. */
export function int32Array(count: number, old?: Int32Array): Int32Array {
  return old !== undefined && old.buffer.byteLength >= count * 4
    ? new Int32Array(old.buffer, 0, count)
    : new Int32Array(count);
}

/** Copies the bytes of `source` from `start` to `end`. */
export function copyBytes(
  source: Uint8Array,
  start: number,
  end: number,
  target: Uint8Array,
  at: number,
): void {
  // For a few bytes, which most strings have, a loop is faster than `set`.
  if (end - start > shortCopy) target.set(source.subarray(start, end), at);
  else while (start < end) target[at++] = source[start++];
}

/** A growing array of bytes. */
export class ByteBuffer {
  /** The content, followed by free space. */
  bytes: Uint8Array<ArrayBuffer>;
  /** The length of the content. */
  length = 0;

  /**
   * Has room for `size` bytes before it grows. Reuses the memory of `old` if it is
   * large enough.
   */
  constructor(size: number, old?: ByteBuffer) {
    this.bytes = old !== undefined && old.bytes.length >= size
      ? old.bytes
      : new Uint8Array(size);
  }

  /** Makes room for `more` bytes. */
  reserve(more: number): void {
    const needed = this.length + more;
    if (needed <= this.bytes.length) return;
    const larger = new Uint8Array(Math.max(needed, this.bytes.length * 2));
    larger.set(this.bytes.subarray(0, this.length));
    this.bytes = larger;
  }

  append(source: Uint8Array, start: number, end: number): void {
    this.reserve(end - start);
    copyBytes(source, start, end, this.bytes, this.length);
    this.length += end - start;
  }

  appendByte(byte: number): void {
    this.reserve(1);
    this.bytes[this.length++] = byte;
  }

  /** Adds ASCII text. For other text it adds nothing and returns `false`. */
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

  /** Adds a string, encoded by `text`. */
  appendText(string: string, text: Text): void {
    if (this.appendAscii(string)) return;
    const bytes = text.encode(string);
    this.append(bytes, 0, bytes.length);
  }

  /** The content. Valid until the buffer changes. */
  view(): Uint8Array<ArrayBuffer> {
    return this.bytes.subarray(0, this.length);
  }
}
