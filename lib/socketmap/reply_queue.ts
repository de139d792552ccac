import type { Socket } from "../socket/socket.ts";
import type { Answers, LongReply, Question } from "./answers.ts";
import type { Room } from "./room.ts";

// How much of short replies goes out in one write, in characters. A long one has
// a write of its own.
const writeSize = 65536;

/** What a queue of replies needs. */
export interface ReplyQueueParts {
  /** Where replies are sent. */
  readonly socket: Socket;
  /** Answers questions. */
  readonly answers: Answers;
  /** The room for long replies. */
  readonly room: Room;
  /** The time in milliseconds. */
  readonly now: () => number;
  /** Called when replies were taken from the queue, and when they were sent. */
  readonly onProgress: () => void;
  /** Called when nothing can be sent any more. */
  readonly onBroken: () => void;
}

interface Asked {
  /** Missing where the reply needed no lookup. */
  readonly question?: Question;
  /** Called when the key is no longer needed. */
  readonly release?: () => void;
  /** When the table was asked last, in milliseconds. */
  since: number;
  state: "lookup" | "dropped" | "replied";
  reply: string | Uint8Array;
  /** Where a long reply is in the room. */
  place?: number;
}

/**
 * The requests of one client that have no reply yet, or whose reply was not sent.
 * Replies go out in the order of the requests, those that are ready together in
 * one write.
 *
 * A long reply does not wait here: unless it can be sent at once it is dropped,
 * and when its turn comes, the table is asked once more. Postfix waits for each
 * reply before it asks again, so this is for others.
 */
export class ReplyQueue {
  /** When the write began that is not complete, in milliseconds. */
  writingSince: number | undefined;
  #parts: ReplyQueueParts;
  #queue: Asked[] = [];
  #writing = false;
  #closed = false;
  /** About the size of the largest of the last replies, in bytes, if any. */
  #usualSize: number | undefined;
  #sendsLong = false;
  #stopWaiting: (() => void) | undefined;

  /** An empty queue. */
  constructor(parts: ReplyQueueParts) {
    this.#parts = parts;
  }

  /** Whether every request has its reply, and all replies were sent. */
  get idle(): boolean {
    return this.#queue.length === 0 && !this.#writing;
  }

  /** Whether a long reply is being sent. */
  get holdsRoom(): boolean {
    return this.#sendsLong;
  }

  /** Whether one request more may be added, with `most` as the limit. */
  hasRoom(most: number): boolean {
    const { length } = this.#queue;
    const { answers, room } = this.#parts;
    const usualSize = this.#usualSize ?? answers.usualSize;
    return length === 0 ||
      length < most && answers.hasRoom && usualSize < room.long;
  }

  /**
   * Asks the table, and sends its reply. `release` is called when the key is no
   * longer needed.
   */
  ask(question: Question, release?: () => void): void {
    this.#lookUp(this.#add(question, release), question);
  }

  /** Sends a reply that needs no lookup. */
  say(reply: string): void {
    this.#settle(this.#add(), reply);
  }

  /** Answers for tables that were asked so many milliseconds ago. */
  endLate(milliseconds: number): void {
    const { answers, now } = this.#parts;
    for (const asked of this.#queue) {
      const { question, state, since } = asked;
      if (state !== "lookup" || now() - since < milliseconds) continue;
      this.#settle(asked, answers.timeout(question!, milliseconds / 1000));
    }
  }

  /** Forgets everything. */
  close(): void {
    this.#closed = true;
    this.#stopWaiting?.();
    for (const { state, release, place } of this.#queue) {
      if (state === "dropped") release?.();
      if (place !== undefined) this.#parts.room.give(place);
    }
    this.#queue = [];
  }

  #add(question?: Question, release?: () => void): Asked {
    const since = this.#parts.now();
    const asked: Asked = {
      question,
      release,
      since,
      state: "lookup",
      reply: "",
    };
    this.#queue.push(asked);
    return asked;
  }

  /** Asks the table; `place` is for the reply, where that was long before. */
  #lookUp(asked: Asked, question: Question, place?: number): void {
    const { answers, room } = this.#parts;
    answers.ask(question).then((reply) => {
      const isLate = this.#closed || asked.state === "replied";
      if (!isLate && typeof reply !== "string") {
        return this.#settleLong(asked, reply, place);
      }
      if (place !== undefined) room.give(place);
      asked.release?.();
      if (!isLate) this.#settle(asked, reply as string);
    });
  }

  /** Keeps a long reply if it can be sent at once. */
  #settleLong(asked: Asked, reply: LongReply, place?: number): void {
    const { room } = this.#parts;
    const isNext = !this.#writing && this.#queue[0] === asked;
    place ??= isNext ? room.take() : undefined;
    if (place === undefined) {
      asked.state = "dropped";
      return this.#askAgain();
    }
    asked.release?.();
    asked.place = place;
    this.#settle(asked, reply.encodeInto(room.memory(place)));
  }

  /** Asks once more for the reply whose turn it is, if that was dropped. */
  #askAgain(): void {
    const asked = this.#queue[0];
    const isNext = !this.#writing && asked?.state === "dropped";
    if (!isNext || this.#stopWaiting !== undefined) return;
    const { room, now } = this.#parts;
    const ask = (place: number) => {
      this.#stopWaiting = undefined;
      asked.state = "lookup";
      asked.since = now();
      this.#lookUp(asked, asked.question!, place);
    };
    const place = room.take();
    if (place !== undefined) ask(place);
    else this.#stopWaiting = room.wait(ask);
  }

  #settle(asked: Asked, reply: string | Uint8Array): void {
    const size = reply.length;
    const usual = this.#usualSize ?? 0;
    this.#usualSize = size > usual
      ? size
      : usual - Math.ceil((usual - size) / 8);
    asked.reply = reply;
    asked.state = "replied";
    if (this.#closed || this.#writing || this.#queue[0] !== asked) return;
    this.#writing = true;
    // Those that are answered in the same turn go with it.
    queueMicrotask(() => this.#write());
  }

  async #write(): Promise<void> {
    const { now, onProgress, onBroken } = this.#parts;
    try {
      for (;;) {
        const { reply, place } = this.#takeReady();
        if (reply.length === 0) break;
        this.writingSince = now();
        onProgress();
        await this.#send(reply, place);
      }
    } catch {
      onBroken();
    }
    this.writingSince = undefined;
    this.#writing = false;
    this.#askAgain();
    onProgress();
  }

  async #send(reply: string | Uint8Array, place?: number): Promise<void> {
    const { socket, answers, room } = this.#parts;
    if (place === undefined) {
      return await socket.write(answers.encode(reply as string));
    }
    this.#sendsLong = true;
    try {
      await socket.write(reply as Uint8Array);
    } finally {
      this.#sendsLong = false;
      room.give(place);
    }
  }

  /** Takes the replies whose turn it is: short ones together, or a long one. */
  #takeReady(): { reply: string | Uint8Array; place?: number } {
    const [first] = this.#queue;
    if (first?.place !== undefined) return this.#queue.shift()!;
    let reply = "";
    let count = 0;
    for (const asked of this.#queue) {
      const isShort = asked.state === "replied" && asked.place === undefined;
      if (!isShort || reply.length >= writeSize) break;
      reply += asked.reply;
      count++;
    }
    this.#queue.splice(0, count);
    return { reply };
  }
}
