import type { Socket } from "../socket/socket.ts";
import type { Answers } from "./answers.ts";
import { NetstringParser } from "./netstring.ts";

// Bytes of a request's data. Names and keys of Postfix are far shorter.
const longestRequest = 10_000;

// What goes out in one write, and then one reply more.
const writeSize = 65536;

// What a client that broke the protocol may still send while it is told so.
const lingerBytes = 262_144;
const lingerMilliseconds = 2000;

/** What all conversations of a server share. Times are milliseconds. */
export interface Surroundings {
  /** Answers requests. */
  readonly answers: Answers;
  /** The time, as it was a second ago at the most. */
  readonly now: number;
  /**
   * Requests of one client that may be without a reply that it took; then no
   * more are read.
   */
  readonly mostUnanswered: number;
  /** How long a client may be silent, or leave its replies unread. */
  readonly idle: number;
  /** How long it may take to send a request. */
  readonly requestTimeout: number;
  /** How long a lookup may take. */
  readonly lookupTimeout: number;
  /** Told of clients that are sent away. */
  readonly onWarning: (kind: string, message: string) => void;
}

interface Asked {
  reply: string | undefined;
  readonly since: number;
}

/**
 * One client: reads its requests, starts a lookup for each at once, and sends
 * the replies in the order of the requests, those that are ready together in one
 * write.
 */
export class Conversation {
  #socket: Socket;
  #around: Surroundings;
  #parser = new NetstringParser(longestRequest);
  /** Requests without a reply, or whose reply was not sent yet. */
  #asked: Asked[] = [];
  #reading = false;
  #flushing = false;
  #ending = false;
  #closed = false;
  #lastActive: number;
  #partialSince: number | undefined;
  #writingSince: number | undefined;
  #lingeringSince: number | undefined;
  #wakeReader: (() => void) | undefined;

  /** Takes over the socket. */
  constructor(socket: Socket, around: Surroundings) {
    this.#socket = socket;
    this.#around = around;
    this.#lastActive = around.now;
  }

  /** Converses until the client leaves, or is sent away. Never rejects. */
  async run(): Promise<void> {
    try {
      await this.#read();
      await this.#until(() => this.#asked.length === 0 && !this.#flushing);
      if (this.#parser.broken !== undefined) await this.#linger();
    } catch {
      // The connection broke: there is nobody left to be told.
    } finally {
      this.close();
    }
  }

  /** Answers what was read, and reads no more. */
  finish(): void {
    this.#ending = true;
    this.#closeIfDone();
  }

  /** Ends it at once. */
  close(): void {
    this.#closed = true;
    this.#wakeReader?.();
    this.#socket.close();
  }

  /** Looks whether something takes too long; called about once a second. */
  checkTime(): void {
    if (this.#closed) return;
    const { now, idle, requestTimeout, onWarning } = this.#around;
    this.#endLateLookups();
    if (isOver(this.#lingeringSince, lingerMilliseconds, now)) this.close();
    else if (isOver(this.#writingSince, idle, now)) {
      onWarning("unread", "a client does not take its replies: disconnected");
      this.close();
    } else if (!this.#reading) return;
    else if (isOver(this.#partialSince, requestTimeout, now)) {
      onWarning("slow", "a client sent half a request: disconnected");
      this.close();
    } else if (
      this.#asked.length === 0 && isOver(this.#lastActive, idle, now)
    ) {
      this.close();
    }
  }

  #endLateLookups(): void {
    const { now, lookupTimeout, answers } = this.#around;
    for (const asked of this.#asked) {
      if (asked.reply !== undefined) continue;
      if (!isOver(asked.since, lookupTimeout, now)) break;
      this.#answered(asked, answers.timeout(lookupTimeout / 1000));
    }
  }

  async #read(): Promise<void> {
    const parser = this.#parser;
    while (!this.#ending && !this.#closed) {
      this.#reading = true;
      const bytes = await this.#socket.read();
      this.#reading = false;
      if (bytes === null) return;
      this.#lastActive = this.#around.now;
      parser.push(bytes);
      let complete = false;
      for (;;) {
        const request = parser.next();
        if (request === undefined) break;
        complete = true;
        this.#ask(request);
        if (this.#hasRoom()) continue;
        await this.#until(() => this.#hasRoom());
        if (this.#closed) return;
      }
      if (parser.broken !== undefined) return this.#refuse(parser.broken);
      if (!parser.partial) this.#partialSince = undefined;
      else if (complete) this.#partialSince = this.#around.now;
      else this.#partialSince ??= this.#around.now;
    }
  }

  #hasRoom(): boolean {
    return this.#asked.length < this.#around.mostUnanswered;
  }

  #ask(request: Uint8Array): void {
    const { answers, now } = this.#around;
    const asked: Asked = { reply: undefined, since: now };
    this.#asked.push(asked);
    const reply = answers.answer(request);
    if (typeof reply === "string") this.#answered(asked, reply);
    else reply.then((reply) => this.#answered(asked, reply));
  }

  #refuse(reason: string): void {
    const reply = this.#around.answers.refusal("protocol", reason);
    const asked: Asked = { reply: undefined, since: this.#around.now };
    this.#asked.push(asked);
    this.#answered(asked, reply);
  }

  #answered(asked: Asked, reply: string): void {
    if (this.#closed) return;
    asked.reply = reply;
    if (this.#flushing || this.#asked[0] !== asked) return;
    this.#flushing = true;
    // Those that are answered in the same turn go with it.
    queueMicrotask(() => this.#flush());
  }

  async #flush(): Promise<void> {
    try {
      for (;;) {
        const replies = this.#takeReady();
        if (replies === "") break;
        this.#writingSince = this.#around.now;
        await this.#socket.write(this.#around.answers.encode(replies));
        this.#lastActive = this.#around.now;
      }
    } catch {
      this.close();
    }
    this.#writingSince = undefined;
    this.#flushing = false;
    this.#wakeReader?.();
    this.#closeIfDone();
  }

  /** Takes the replies whose turn it is. */
  #takeReady(): string {
    let replies = "";
    let count = 0;
    for (const { reply } of this.#asked) {
      if (reply === undefined || replies.length >= writeSize) break;
      replies += reply;
      count++;
    }
    this.#asked.splice(0, count);
    this.#wakeReader?.();
    return replies;
  }

  /** Nothing is left to be said to a client that is waited for in vain. */
  #closeIfDone(): void {
    const quiet = this.#asked.length === 0 && !this.#flushing;
    const waits = this.#reading || this.#lingeringSince !== undefined;
    if (this.#ending && waits && quiet) this.close();
  }

  /** Waits until something holds, or the conversation is closed. */
  async #until(holds: () => boolean): Promise<void> {
    while (!this.#closed && !holds()) {
      await new Promise<void>((resolve) => this.#wakeReader = resolve);
      this.#wakeReader = undefined;
    }
  }

  /**
   * Reads on for a while. To close a connection on which there is more to read
   * would take from the client the reply that says what it did wrong.
   */
  async #linger(): Promise<void> {
    this.#lingeringSince = this.#around.now;
    await this.#socket.endWrite?.();
    for (let left = lingerBytes; left > 0 && !this.#closed;) {
      const bytes = await this.#socket.read();
      if (bytes === null) return;
      left -= bytes.length;
    }
  }
}

function isOver(
  since: number | undefined,
  milliseconds: number,
  now: number,
): boolean {
  return since !== undefined && now - since >= milliseconds;
}
