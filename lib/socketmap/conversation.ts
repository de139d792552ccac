import type { Socket } from "../socket/socket.ts";
import type { Answers } from "./answers.ts";
import { NetstringParser, tooLong } from "./netstring.ts";
import { ReplyQueue } from "./reply_queue.ts";
import type { BufferPool } from "./buffer_pool.ts";

/** The longest request that is looked up, in bytes; the same as in Postfix. */
export const longestRequest = 102_400;

// How much, and for how long, a client may still send after it broke the protocol.
const lingerBytes = 262_144;
const lingerMilliseconds = 2000;

/** What all conversations of a server share. Times are in milliseconds. */
export interface ConversationContext {
  /** Answers requests. */
  readonly answers: Answers;
  /** Buffers for long requests and replies. */
  readonly pool: BufferPool;
  /** The current time, at most a second old. */
  readonly now: number;
  /**
   * How many requests of one client may be unanswered; then no more are read.
   */
  readonly maxUnanswered: number;
  /** How long a client may be silent, or leave its replies unread. */
  readonly idle: number;
  /** How long a client may take to send a request. */
  readonly requestTimeout: number;
  /** How long a lookup may take. */
  readonly lookupTimeout: number;
  /** What a client is called in warnings. */
  readonly nameOf: (socket: Socket) => string;
  /** Called when a client is disconnected for a fault. */
  readonly onWarning: (kind: string, message: string) => void;
}

/**
 * The connection of one client. Starts a lookup for each request as soon as it
 * is read, and sends the replies in the order of the requests.
 */
export class Conversation {
  /** What the client is called in warnings. */
  readonly name: string;
  #socket: Socket;
  #context: ConversationContext;
  #parser = new NetstringParser(longestRequest);
  #queue: ReplyQueue;
  #reading = false;
  #ending = false;
  #closed = false;
  #lastActive: number;
  #partialSince: number | undefined;
  /** The slot of a long request that is not complete. */
  #slot: number | undefined;
  #stopWaiting: (() => void) | undefined;
  #lingeringSince: number | undefined;
  #wakeReader: (() => void) | undefined;

  /** Takes over the socket. */
  constructor(socket: Socket, context: ConversationContext) {
    this.name = context.nameOf(socket);
    this.#socket = socket;
    this.#context = context;
    this.#lastActive = context.now;
    this.#queue = new ReplyQueue({
      socket,
      answers: context.answers,
      pool: context.pool,
      now: () => context.now,
      onProgress: () => this.#progress(),
      onBroken: () => this.close(),
    });
  }

  /** Serves the client until it leaves or is disconnected. Never rejects. */
  async run(): Promise<void> {
    try {
      await this.#read();
      await this.#waitUntil(() => this.#queue.isIdle);
      if (this.#parser.broken !== undefined) await this.#linger();
    } catch {
      // The connection broke, so the client cannot be told.
    } finally {
      this.close();
    }
  }

  /** Answers the requests that were read, then closes the connection. */
  finish(): void {
    this.#ending = true;
    this.#closeIfDone();
  }

  /** Closes the connection at once. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#queue.close();
    this.#stopWaiting?.();
    this.#releaseSlot();
    this.#wakeReader?.();
    this.#socket.close();
  }

  /** Whether the client has a slot that another client could use. */
  get holdsSlot(): boolean {
    return this.#queue.holdsSlot || this.#slot !== undefined;
  }

  /**
   * Since when the server has waited for the client to read its replies, or to
   * send the rest of a request.
   */
  get stuckSince(): number | undefined {
    return this.#queue.writingSince ?? this.#partialSince;
  }

  /** Checks all time limits. To be called about once a second. */
  checkTime(): void {
    if (this.#closed) return;
    const { now, idle, requestTimeout, lookupTimeout, onWarning } =
      this.#context;
    const queue = this.#queue;
    queue.answerTimeouts(lookupTimeout);
    if (hasElapsed(this.#lingeringSince, lingerMilliseconds, now)) this.close();
    else if (hasElapsed(queue.writingSince, idle, now)) {
      onWarning(
        "unread",
        `${this.name} does not take its replies: disconnected`,
      );
      this.close();
    } else if (!this.#reading) return;
    else if (hasElapsed(this.#partialSince, requestTimeout, now)) {
      onWarning("slow", `${this.name} sent half a request: disconnected`);
      this.close();
    } else if (queue.isIdle && hasElapsed(this.#lastActive, idle, now)) {
      this.close();
    }
  }

  async #read(): Promise<void> {
    while (!this.#ending && !this.#closed) {
      this.#reading = true;
      const bytes = await this.#socket.read();
      this.#reading = false;
      if (bytes === null) return;
      this.#lastActive = this.#context.now;
      this.#parser.push(bytes);
      const complete = await this.#startLookups();
      if (this.#closed) return;
      const { broken, partial } = this.#parser;
      if (broken !== undefined) {
        const { answers } = this.#context;
        this.#queue.addReply(answers.refusal("protocol", broken, this.name));
        return;
      }
      if (!partial) this.#partialSince = undefined;
      else if (complete) this.#partialSince = this.#context.now;
      else this.#partialSince ??= this.#context.now;
      if (this.#parser.held < this.#context.pool.longSize) this.#releaseSlot();
      else await this.#takeSlot();
    }
  }

  /** Starts a lookup for each complete request. Returns whether there was one. */
  async #startLookups(): Promise<boolean> {
    for (let count = 0;; count++) {
      const request = this.#parser.next();
      if (request === undefined) return count > 0;
      if (request === tooLong) {
        this.#queue.addReply(this.#context.answers.tooLong());
      } else if (request.length < this.#context.pool.longSize) {
        this.#startLookup(request);
      } else await this.#startLongLookup(request);
      if (this.#canTake()) continue;
      await this.#waitUntil(() => this.#canTake());
      if (this.#closed) return true;
    }
  }

  #canTake(): boolean {
    return this.#queue.canTake(this.#context.maxUnanswered);
  }

  #startLookup(request: Uint8Array, release?: () => void): void {
    const question = this.#context.answers.parse(request, this.name);
    if (typeof question !== "string") return this.#queue.add(question, release);
    release?.();
    this.#queue.addReply(question);
  }

  /** A long key keeps its slot until the lookup ends, even if the client leaves. */
  async #startLongLookup(request: Uint8Array): Promise<void> {
    await this.#takeSlot();
    const slot = this.#slot;
    if (slot === undefined) return;
    this.#slot = undefined;
    this.#startLookup(request, () => this.#context.pool.release(slot));
  }

  /** Waits until this has a slot, or is closed. */
  async #takeSlot(): Promise<void> {
    const { pool } = this.#context;
    this.#slot ??= pool.take();
    if (this.#slot !== undefined) return;
    await new Promise<void>((resolve) => {
      const stop = pool.wait((slot) => {
        this.#slot = slot;
        resolve();
      });
      this.#stopWaiting = () => {
        stop();
        resolve();
      };
    });
    this.#stopWaiting = undefined;
  }

  #releaseSlot(): void {
    if (this.#slot !== undefined) this.#context.pool.release(this.#slot);
    this.#slot = undefined;
  }

  #progress(): void {
    this.#lastActive = this.#context.now;
    this.#wakeReader?.();
    this.#closeIfDone();
  }

  /** After `finish`, closes the connection when all replies were sent. */
  #closeIfDone(): void {
    const waits = this.#reading || this.#lingeringSince !== undefined;
    if (this.#ending && waits && this.#queue.isIdle) this.close();
  }

  /** Waits until a condition is true, or the connection is closed. */
  async #waitUntil(condition: () => boolean): Promise<void> {
    while (!this.#closed && !condition()) {
      await new Promise<void>((resolve) => this.#wakeReader = resolve);
      this.#wakeReader = undefined;
    }
  }

  /**
   * Reads on for a while. If a connection is closed that still has unread data,
   * the client may lose the reply that says what it did wrong.
   */
  async #linger(): Promise<void> {
    this.#lingeringSince = this.#context.now;
    await this.#socket.endWrite?.();
    for (let left = lingerBytes; left > 0 && !this.#closed;) {
      const bytes = await this.#socket.read();
      if (bytes === null) return;
      left -= bytes.length;
    }
  }
}

function hasElapsed(
  since: number | undefined,
  milliseconds: number,
  now: number,
): boolean {
  return since !== undefined && now - since >= milliseconds;
}
