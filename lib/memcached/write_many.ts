import type { Text } from "../bytes/text.ts";
import type { Exchange } from "./exchange.ts";
import type { Command, ReplyLimits } from "./protocol.ts";
import { ReplyLines } from "./reply_lines.ts";

const ascii = new TextEncoder();
const SERVER_ERROR = ascii.encode("SERVER_ERROR");

const verdicts: Record<
  Exclude<Command, "get">,
  readonly { readonly word: Uint8Array; readonly verdict: boolean }[]
> = {
  set: [{ word: ascii.encode("STORED"), verdict: true }],
  delete: [
    { word: ascii.encode("DELETED"), verdict: true },
    { word: ascii.encode("NOT_FOUND"), verdict: false },
  ],
};

/** Many `set` or `delete` commands, sent without waiting in between. */
export class WriteMany implements Exchange {
  /** As in Exchange. */
  done = false;
  /** As in Exchange. */
  failure: string | undefined;
  /** Which command it sends. */
  readonly command: Exclude<Command, "get">;
  /** Whether each command did something; `undefined` while that is unknown. */
  readonly verdicts: (boolean | undefined)[] = [];
  #text: Text;
  #commands: string[] = [];
  #bytes: Uint8Array | undefined;
  #answered = 0;
  #lines: ReplyLines;

  /** Sends nothing but commands of one kind; `text` says how they become bytes. */
  constructor(
    command: Exclude<Command, "get">,
    text: Text,
    limits: ReplyLimits,
  ) {
    this.command = command;
    this.#text = text;
    this.#lines = new ReplyLines(limits.lineSizeLimit);
  }

  /** As in Exchange. */
  get bytes(): Uint8Array {
    return this.#bytes ??= this.#text.encode(this.#commands.join(""));
  }

  /** How many commands were added. */
  get count(): number {
    return this.#commands.length;
  }

  /**
   * Adds a command, all before they are sent. Commands are numbered in the order
   * in which they are added.
   */
  add(command: string): void {
    this.#commands.push(command);
  }

  /** The commands without a verdict. */
  unanswered(): number[] {
    const found: number[] = [];
    for (let at = 0; at < this.count; at++) {
      if (this.verdicts[at] === undefined) found.push(at);
    }
    return found;
  }

  /** A command, to be sent again by itself. */
  commandAt(at: number): Uint8Array {
    return this.#text.encode(this.#commands[at]);
  }

  /** As in Exchange. */
  push(bytes: Uint8Array, start: number): number {
    let at = start;
    while (at < bytes.length && !this.done && this.failure === undefined) {
      const lines = this.#lines;
      at = lines.take(bytes, at);
      if (lines.tooLong) this.failure = "a reply line is too long";
      else if (lines.complete) this.#readLine(lines);
    }
    return at;
  }

  #readLine(line: ReplyLines): void {
    for (const { word, verdict } of verdicts[this.command]) {
      if (!line.is(word)) continue;
      this.#answer(verdict);
      return;
    }
    if (line.startsWith(SERVER_ERROR)) this.#answer(undefined);
    else this.failure = "an unexpected reply";
  }

  #answer(verdict: boolean | undefined): void {
    this.verdicts[this.#answered++] = verdict;
    this.done = this.#answered === this.#commands.length;
  }
}
