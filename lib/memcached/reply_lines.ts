import { ByteBuffer } from "../bytes/byte_buffer.ts";
import { CR, LF, startsWith } from "./protocol.ts";

/** Splits received bytes into lines. A line may arrive in any number of pieces. */
export class ReplyLines {
  /** The bytes that contain the last complete line. */
  bytes: Uint8Array = new Uint8Array(0);
  /** The start of the line in `bytes`. */
  start = 0;
  /** The end of the line in `bytes`, without its CR LF. */
  end = 0;
  /** Whether the last `take` completed a line. */
  complete = false;
  /** Whether the last `take` found a line of too many bytes. */
  tooLong = false;
  #sizeLimit: number;
  #held = new ByteBuffer(0);

  /** Lines of more than `sizeLimit` bytes are too long. See ReplyLimits. */
  constructor(sizeLimit: number) {
    this.#sizeLimit = sizeLimit;
  }

  /** Whether the beginning of a line is stored until the rest arrives. */
  get isHolding(): boolean {
    return this.#held.length > 0;
  }

  /** Drops the incomplete line. */
  clear(): void {
    this.#held.length = 0;
    this.complete = false;
    this.tooLong = false;
  }

  /** Takes bytes from `start` to the end of the line; returns where it stopped. */
  take(bytes: Uint8Array, start: number): number {
    const lf = bytes.indexOf(LF, start);
    const end = lf < 0 ? bytes.length : lf;
    const held = this.#held;
    this.complete = false;
    const length = held.length + end - start;
    const last = end > start ? bytes[end - 1] : held.bytes[held.length - 1];
    // The LF of a CR LF does not count.
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

/** Whether the last complete line is exactly `word`. */
export function isLine(lines: ReplyLines, word: Uint8Array): boolean {
  const { bytes, start, end } = lines;
  return end - start === word.length && startsWith(bytes, word, start);
}
