import { ByteBuffer } from "../bytes/byte_buffer.ts";
import { byteText, type Text } from "../bytes/text.ts";
import { type Exchange, takeRefusal } from "./exchange.ts";
import {
  asciiBytes,
  type Command,
  type Refusal,
  type ReplyLimits,
  tooLongLine,
} from "./protocol.ts";
import { CommandRequest } from "./queue.ts";
import { isLine, ReplyLines } from "./reply_lines.ts";

type WriteCommand = Exclude<Command, "get">;

const verdicts: Record<
  WriteCommand,
  readonly { readonly word: Uint8Array; readonly verdict: boolean }[]
> = {
  set: [{ word: asciiBytes("STORED"), verdict: true }],
  delete: [
    { word: asciiBytes("DELETED"), verdict: true },
    { word: asciiBytes("NOT_FOUND"), verdict: false },
  ],
};

/** Many `set` or `delete` commands, pipelined. */
export class WriteMany implements Exchange {
  replies = 0;
  hasServed = false;
  readonly isForOne = true;
  failure: string | undefined;
  doubt: string | undefined;
  readonly command: WriteCommand;
  /** Whether each command had an effect; `undefined` while that is unknown. */
  readonly verdicts: (boolean | undefined)[] = [];
  /** The refusals of the server, by the index of the command. */
  readonly refusals = new Map<number, Refusal>();
  /** The errors of failed commands, by the index of the command. */
  readonly errors = new Map<number, unknown>();
  #request: ByteBuffer;
  /** Where each command starts in the request. */
  #starts: number[] = [];
  #keyEnds: number[] = [];
  #sentFrom = 0;
  #answered = 0;
  #lineSizeLimit: number;
  #lines: ReplyLines;

  /** Makes room for commands of about `size` bytes in total. */
  constructor(command: WriteCommand, limits: ReplyLimits, size = 1024) {
    this.command = command;
    this.#request = new ByteBuffer(size);
    this.#lineSizeLimit = limits.lineSizeLimit;
    this.#lines = new ReplyLines(limits.lineSizeLimit);
  }

  get bytes(): Uint8Array {
    const { bytes, length } = this.#request;
    return bytes.subarray(this.#sentFrom, length);
  }

  get count(): number {
    return this.#keyEnds.length;
  }

  get done(): boolean {
    return this.#answered === this.count;
  }

  get hasPart(): boolean {
    return this.#lines.isHolding;
  }

  /**
   * Returns the buffer for the memcache key of the next command. Call `endSet`,
   * `endDelete` or `dropKey` then.
   */
  beginKey(): ByteBuffer {
    this.#starts[this.count] = this.#request.length;
    this.#request.appendAscii(`${this.command} `);
    return this.#request;
  }

  /** Drops the command that was begun: its key is missing or not allowed. */
  dropKey(): void {
    this.#request.length = this.#starts[this.count];
  }

  /** Completes a `set`; `size` is the length of the value in bytes. */
  endSet(
    value: string,
    size: number,
    text: Text,
    { flags, ttl }: { flags: number; ttl: number },
  ): void {
    const request = this.#request;
    this.#keyEnds.push(request.length);
    request.appendAscii(` ${flags} ${ttl} ${size}\r\n`);
    request.appendText(value, text);
    request.appendAscii("\r\n");
  }

  endDelete(): void {
    this.#keyEnds.push(this.#request.length);
    this.#request.appendAscii("\r\n");
  }

  /** The memcache key of a command, with one character for each byte. */
  keyAt(at: number): string {
    return byteText.decode(this.#keyBytes(at))!;
  }

  #keyBytes(at: number): Uint8Array {
    const start = this.#starts[at] + this.command.length + 1;
    return this.#request.bytes.subarray(start, this.#keyEnds[at]);
  }

  *keys(isDone: boolean): Generator<readonly [at: number, key: string]> {
    for (let at = 0; at < this.count; at++) {
      if ((this.verdicts[at] !== undefined) === isDone) {
        yield [at, this.keyAt(at)];
      }
    }
  }

  push(bytes: Uint8Array, start: number): number {
    let at = start;
    while (
      at < bytes.length && !this.done && this.doubt === undefined &&
      this.failure === undefined
    ) {
      const lines = this.#lines;
      at = lines.take(bytes, at);
      if (lines.tooLong) this.failure = tooLongLine(this.#lineSizeLimit);
      else if (lines.complete) this.#readLine(lines);
    }
    return at;
  }

  #readLine(line: ReplyLines): void {
    const all = verdicts[this.command];
    // By index: an iterator for each reply is memory for the garbage collector.
    for (let number = 0; number < all.length; number++) {
      const { word, verdict } = all[number];
      if (!isLine(line, word)) continue;
      this.hasServed = true;
      this.#answer(verdict);
      return;
    }
    const refusal = takeRefusal(this, line);
    if (refusal === undefined) return;
    this.refusals.set(this.#answered, refusal);
    this.#answer(undefined);
  }

  #answer(verdict: boolean | undefined): void {
    this.replies++;
    this.verdicts[this.#answered++] = verdict;
  }

  restart(): void {
    this.#lines.clear();
    this.#sentFrom = this.#starts[this.#answered];
    this.failure = undefined;
    this.doubt = undefined;
  }

  unfinished(maxTry: number): CommandRequest[] {
    const open: CommandRequest[] = [];
    for (const [at, refusal] of this.refusals) {
      const single = this.#single(at, maxTry);
      single.refusal = refusal;
      open.push(single);
    }
    this.refusals.clear();
    for (let at = this.#answered; at < this.count; at++) {
      open.push(this.#single(at, maxTry));
    }
    return open;
  }

  #single(at: number, maxTry: number): CommandRequest {
    const start = this.#starts[at];
    const end = this.#starts[at + 1] ?? this.#request.length;
    const single = new CommandRequest(
      this.command,
      this.#request.bytes.subarray(start, end),
      maxTry,
      (reply) => {
        if (reply.kind === "refused") this.refusals.set(at, reply);
        else this.verdicts[at] = reply.kind !== "not found";
      },
      (error) => this.errors.set(at, error),
    );
    single.order = at;
    return single;
  }
}
