import type { Socket } from "../socket/socket.ts";
import type { Answers, LongReply, LookupRequest } from "./answers.ts";
import type { BufferPool } from "./buffer_pool.ts";

// Characters. Short replies are written together, up to this length; each long
// one is written alone.
const maxWriteLength = 65536;

/** What a reply queue works with. */
export interface ReplyQueueParts {
  /** The connection to the client. */
  readonly socket: Socket;
  /** Answers questions. */
  readonly answers: Answers;
  /** Buffers for long replies. */
  readonly pool: BufferPool;
  /** The current time in milliseconds. */
  readonly now: () => number;
  /** Called when replies leave the queue, and when they were sent. */
  readonly onProgress: () => void;
  /** Called when the connection broke. */
  readonly onBroken: () => void;
}

interface QueuedRequest {
  /** Missing if no lookup was needed. */
  readonly request?: LookupRequest;
  /** Called when the key is no longer needed. */
  readonly release?: () => void;
  /** When the last lookup began, in milliseconds. */
  since: number;
  state: "lookup" | "dropped" | "replied";
  reply: string | Uint8Array;
  /** The slot of a long reply. */
  slot?: number;
}

/**
 * The requests of one client whose reply was not sent yet. Replies are sent in
 * the order of the requests; short ones that are ready are sent in one write.
 *
 * A long reply is not kept in the queue. If it cannot be sent at once, it is
 * dropped, and the lookup is repeated when its turn comes. This does not happen
 * to Postfix, which waits for each reply before it sends the next request.
 */
export class ReplyQueue {
  /** When the current write began, in milliseconds. */
  writingSince: number | undefined;
  #parts: ReplyQueueParts;
  #queue: QueuedRequest[] = [];
  #writing = false;
  #closed = false;
  /** Roughly the largest size of recent replies, in bytes. */
  #typicalSize: number | undefined;
  #sendsLong = false;
  #stopWaiting: (() => void) | undefined;

  /** Makes an empty queue. */
  constructor(parts: ReplyQueueParts) {
    this.#parts = parts;
  }

  /** Whether all requests were answered and all replies sent. */
  get isIdle(): boolean {
    return this.#queue.length === 0 && !this.#writing;
  }

  /** Whether a long reply is being sent. */
  get holdsSlot(): boolean {
    return this.#sendsLong;
  }

  /** Whether another request may be added; the queue may have `limit` of them. */
  canTake(limit: number): boolean {
    const { length } = this.#queue;
    const { answers, pool } = this.#parts;
    const typicalSize = this.#typicalSize ?? answers.typicalSize;
    return length === 0 ||
      length < limit && answers.hasCapacity && typicalSize < pool.longSize;
  }

  /**
   * Looks a key up, and sends the reply. `release` is called when the key is no
   * longer needed.
   */
  add(request: LookupRequest, release?: () => void): void {
    this.#lookUp(this.#enqueue(request, release), request);
  }

  /** Sends a reply that needs no lookup. */
  addReply(reply: string): void {
    this.#settle(this.#enqueue(), reply);
  }

  /** Answers for lookups that take longer than `milliseconds`. */
  answerTimeouts(milliseconds: number): void {
    const { answers, now } = this.#parts;
    for (const queued of this.#queue) {
      const { request, state, since } = queued;
      if (state !== "lookup" || now() - since < milliseconds) continue;
      this.#settle(queued, answers.timeout(request!, milliseconds / 1000));
    }
  }

  /** Drops all requests and replies. */
  close(): void {
    this.#closed = true;
    this.#stopWaiting?.();
    for (const { state, release, slot } of this.#queue) {
      if (state === "dropped") release?.();
      if (slot !== undefined) this.#parts.pool.release(slot);
    }
    this.#queue = [];
  }

  #enqueue(request?: LookupRequest, release?: () => void): QueuedRequest {
    const since = this.#parts.now();
    const queued: QueuedRequest = {
      request,
      release,
      since,
      state: "lookup",
      reply: "",
    };
    this.#queue.push(queued);
    return queued;
  }

  /** If the reply was long before, `slot` is the slot for it. */
  #lookUp(queued: QueuedRequest, request: LookupRequest, slot?: number): void {
    const { answers, pool } = this.#parts;
    answers.lookUp(request).then((reply) => {
      const isObsolete = this.#closed || queued.state === "replied";
      if (!isObsolete && typeof reply !== "string") {
        return this.#settleLong(queued, reply, slot);
      }
      if (slot !== undefined) pool.release(slot);
      queued.release?.();
      if (!isObsolete) this.#settle(queued, reply as string);
    });
  }

  /** Keeps a long reply if it can be sent at once. */
  #settleLong(queued: QueuedRequest, reply: LongReply, slot?: number): void {
    const { pool } = this.#parts;
    const isNext = !this.#writing && this.#queue[0] === queued;
    slot ??= isNext ? pool.take() : undefined;
    if (slot === undefined) {
      queued.state = "dropped";
      return this.#repeatLookup();
    }
    queued.release?.();
    queued.slot = slot;
    this.#settle(queued, reply.encodeInto(pool.memory(slot)));
  }

  /** Repeats the lookup of the first request if its reply was dropped. */
  #repeatLookup(): void {
    const queued = this.#queue[0];
    const isNext = !this.#writing && queued?.state === "dropped";
    if (!isNext || this.#stopWaiting !== undefined) return;
    const { pool, now } = this.#parts;
    const ask = (slot: number) => {
      this.#stopWaiting = undefined;
      queued.state = "lookup";
      queued.since = now();
      this.#lookUp(queued, queued.request!, slot);
    };
    const slot = pool.take();
    if (slot !== undefined) ask(slot);
    else this.#stopWaiting = pool.wait(ask);
  }

  #settle(queued: QueuedRequest, reply: string | Uint8Array): void {
    const size = reply.length;
    const usual = this.#typicalSize ?? 0;
    this.#typicalSize = size > usual
      ? size
      : usual - Math.ceil((usual - size) / 8);
    queued.reply = reply;
    queued.state = "replied";
    if (this.#closed || this.#writing || this.#queue[0] !== queued) return;
    this.#writing = true;
    // Later, so that replies which are ready in the same turn are sent together.
    queueMicrotask(() => this.#write());
  }

  async #write(): Promise<void> {
    const { now, onProgress, onBroken } = this.#parts;
    try {
      for (;;) {
        const { reply, slot } = this.#takeReady();
        if (reply.length === 0) break;
        this.writingSince = now();
        onProgress();
        await this.#send(reply, slot);
      }
    } catch {
      onBroken();
    }
    this.writingSince = undefined;
    this.#writing = false;
    this.#repeatLookup();
    onProgress();
  }

  async #send(reply: string | Uint8Array, slot?: number): Promise<void> {
    const { socket, answers, pool } = this.#parts;
    if (slot === undefined) {
      return await socket.write(answers.encode(reply as string));
    }
    this.#sendsLong = true;
    try {
      await socket.write(reply as Uint8Array);
    } finally {
      this.#sendsLong = false;
      pool.release(slot);
    }
  }

  /** Takes the next replies: several short ones, or one long one. */
  #takeReady(): { reply: string | Uint8Array; slot?: number } {
    const [first] = this.#queue;
    if (first?.slot !== undefined) return this.#queue.shift()!;
    let reply = "";
    let count = 0;
    for (const queued of this.#queue) {
      const isShort = queued.state === "replied" && queued.slot === undefined;
      if (!isShort || reply.length >= maxWriteLength) break;
      reply += queued.reply;
      count++;
    }
    this.#queue.splice(0, count);
    return { reply };
  }
}
