import { ByteBuffer } from "../bytes/byte_buffer.ts";
import { startsWith } from "./protocol.ts";

const LF = 10;
const CR = 13;

/** The lines of many replies, taken from bytes however they are cut. */
export class ReplyLines {
  /** Where the line is that was completed last. */
  bytes: Uint8Array = new Uint8Array(0);
  /** Where it starts there. */
  start = 0;
  /** Where it ends there, without its line end. */
  end = 0;
  /** Whether the last `take` completed a line. */
  complete = false;
  /** Whether the last `take` came upon a line of more bytes than allowed. */
  tooLong = false;
  #sizeLimit: number;
  #held = new ByteBuffer(0);

  /** Lines of more than `sizeLimit` bytes, their end included, are too long. */
  constructor(sizeLimit: number) {
    this.#sizeLimit = sizeLimit;
  }

  /** Whether the beginning of a line is held until the rest of it comes. */
  get isHolding(): boolean {
    return this.#held.length > 0;
  }

  /** Forgets what it holds. */
  clear(): void {
    this.#held.length = 0;
    this.complete = false;
    this.tooLong = false;
  }

  /** Takes bytes from `start` on to the end of a line; returns where it stopped. */
  take(bytes: Uint8Array, start: number): number {
    const lf = bytes.indexOf(LF, start);
    const end = lf < 0 ? bytes.length : lf;
    const held = this.#held;
    this.complete = false;
    const length = held.length + end - start;
    const last = end > start ? bytes[end - 1] : held.bytes[held.length - 1];
    // One byte over is fine when it is the LF of a CR LF.
    this.tooLong = length > this.#sizeLimit ||
      (length === this.#sizeLimit && last !== CR);
    if (this.tooLong) return end;
    if (lf < 0) {
      held.append(bytes, start, end);
      return end;
    }
    if (held.length === 0) this.#set(bytes, start, end);
    else {
      held.append(bytes, start, end);
      this.#set(held.bytes, 0, held.length);
      held.length = 0;
    }
    return lf + 1;
  }

  #set(bytes: Uint8Array, start: number, lf: number): void {
    this.bytes = bytes;
    this.start = start;
    this.end = lf > start && bytes[lf - 1] === CR ? lf - 1 : lf;
    this.complete = true;
  }
}

/** Whether the line that was completed last is a word and nothing else. */
export function isLine(lines: ReplyLines, word: Uint8Array): boolean {
  const { bytes, start, end } = lines;
  return end - start === word.length && startsWith(bytes, word, start);
}
