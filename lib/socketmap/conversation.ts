import type { Socket } from "../socket/socket.ts";
import { type Answers, notFound } from "./answers.ts";
import { NetstringParser, tooLong } from "./netstring.ts";
import { ReplyQueue } from "./reply_queue.ts";
import type { Room } from "./room.ts";

/** The longest request that is looked up, in bytes: as Postfix has it. */
export const longestRequest = 102_400;

// What a client that broke the protocol may still send while it is told so.
const lingerBytes = 262_144;
const lingerMilliseconds = 2000;

/** What all conversations of a server share. Times are milliseconds. */
export interface Surroundings {
  /** Answers requests. */
  readonly answers: Answers;
  /** The room for what is long. */
  readonly room: Room;
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

/**
 * One client: reads its requests, starts a lookup for each at once, and sends
 * the replies in the order of the requests.
 */
export class Conversation {
  #socket: Socket;
  #around: Surroundings;
  #parser = new NetstringParser(longestRequest);
  #queue: ReplyQueue;
  #reading = false;
  #ending = false;
  #closed = false;
  #lastActive: number;
  #partialSince: number | undefined;
  /** The place in the room that a long request takes while it comes. */
  #place: number | undefined;
  #stopWaiting: (() => void) | undefined;
  #lingeringSince: number | undefined;
  #wakeReader: (() => void) | undefined;

  /** Takes over the socket. */
  constructor(socket: Socket, around: Surroundings) {
    this.#socket = socket;
    this.#around = around;
    this.#lastActive = around.now;
    this.#queue = new ReplyQueue({
      socket,
      answers: around.answers,
      room: around.room,
      now: () => around.now,
      onProgress: () => this.#progress(),
      onBroken: () => this.close(),
    });
  }

  /** Converses until the client leaves, or is sent away. Never rejects. */
  async run(): Promise<void> {
    try {
      await this.#read();
      await this.#until(() => this.#queue.idle);
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
    if (this.#closed) return;
    this.#closed = true;
    this.#queue.close();
    this.#stopWaiting?.();
    this.#givePlace();
    this.#wakeReader?.();
    this.#socket.close();
  }

  /** Whether the client takes room that another could use. */
  get holdsRoom(): boolean {
    return this.#queue.holdsRoom || this.#place !== undefined;
  }

  /**
   * Since when the client keeps the server waiting: it does not read its
   * replies, or does not send the rest of a request.
   */
  get stuckSince(): number | undefined {
    return this.#queue.writingSince ?? this.#partialSince;
  }

  /** Looks whether something takes too long; called about once a second. */
  checkTime(): void {
    if (this.#closed) return;
    const { now, idle, requestTimeout, lookupTimeout, onWarning } =
      this.#around;
    const queue = this.#queue;
    queue.endLate(lookupTimeout);
    if (isOver(this.#lingeringSince, lingerMilliseconds, now)) this.close();
    else if (isOver(queue.writingSince, idle, now)) {
      onWarning("unread", "a client does not take its replies: disconnected");
      this.close();
    } else if (!this.#reading) return;
    else if (isOver(this.#partialSince, requestTimeout, now)) {
      onWarning("slow", "a client sent half a request: disconnected");
      this.close();
    } else if (queue.idle && isOver(this.#lastActive, idle, now)) this.close();
  }

  async #read(): Promise<void> {
    while (!this.#ending && !this.#closed) {
      this.#reading = true;
      const bytes = await this.#socket.read();
      this.#reading = false;
      if (bytes === null) return;
      this.#lastActive = this.#around.now;
      this.#parser.push(bytes);
      const complete = await this.#askAll();
      if (this.#closed) return;
      const { broken, partial } = this.#parser;
      if (broken !== undefined) {
        this.#queue.say(this.#around.answers.refusal("protocol", broken));
        return;
      }
      if (!partial) this.#partialSince = undefined;
      else if (complete) this.#partialSince = this.#around.now;
      else this.#partialSince ??= this.#around.now;
      if (this.#parser.held < this.#around.room.long) this.#givePlace();
      else await this.#takePlace();
    }
  }

  /** Asks for what is complete; whether there was anything. */
  async #askAll(): Promise<boolean> {
    for (let count = 0;; count++) {
      const request = this.#parser.next();
      if (request === undefined) return count > 0;
      if (request === tooLong) this.#queue.say(notFound);
      else if (request.length < this.#around.room.long) this.#ask(request);
      else await this.#askLong(request);
      if (this.#hasRoom()) continue;
      await this.#until(() => this.#hasRoom());
      if (this.#closed) return true;
    }
  }

  #hasRoom(): boolean {
    return this.#queue.hasRoom(this.#around.mostUnanswered);
  }

  #ask(request: Uint8Array, release?: () => void): void {
    const question = this.#around.answers.read(request);
    if (typeof question !== "string") return this.#queue.ask(question, release);
    release?.();
    this.#queue.say(question);
  }

  /** A long key takes room until the lookup is over, also when the client left. */
  async #askLong(request: Uint8Array): Promise<void> {
    await this.#takePlace();
    const place = this.#place;
    if (place === undefined) return;
    this.#place = undefined;
    this.#ask(request, () => this.#around.room.give(place));
  }

  /** Waits until this has a place in the room, or is closed. */
  async #takePlace(): Promise<void> {
    const { room } = this.#around;
    this.#place ??= room.take();
    if (this.#place !== undefined) return;
    await new Promise<void>((resolve) => {
      const stop = room.wait((place) => {
        this.#place = place;
        resolve();
      });
      this.#stopWaiting = () => {
        stop();
        resolve();
      };
    });
    this.#stopWaiting = undefined;
  }

  #givePlace(): void {
    if (this.#place !== undefined) this.#around.room.give(this.#place);
    this.#place = undefined;
  }

  #progress(): void {
    this.#lastActive = this.#around.now;
    this.#wakeReader?.();
    this.#closeIfDone();
  }

  /** Nothing is left to be said to a client that is waited for in vain. */
  #closeIfDone(): void {
    const waits = this.#reading || this.#lingeringSince !== undefined;
    if (this.#ending && waits && this.#queue.idle) this.close();
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
