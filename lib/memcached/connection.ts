import { reasonOf } from "../errors.ts";
import type { Connect, Endpoint, Socket } from "../socket/socket.ts";
import type { Clock, Timer } from "../system/clock.ts";
import { quoted, type ReplyLimits } from "./protocol.ts";
import {
  type Failed,
  type ReplyReader,
  type Request,
  type RequestOwner,
  RequestQueue,
} from "./queue.ts";
import { ReplyParser } from "./reply_parser.ts";

/** What a connection needs to know of its server, and of the world. */
export interface ConnectionOptions extends ReplyLimits {
  /** The server. */
  readonly endpoint: Endpoint;
  /** Opens the socket. */
  readonly connect: Connect;
  /** Milliseconds for connecting, sending, receiving; 0 or less: no limit. */
  readonly timeout: number;
  /** The time. */
  readonly clock: Clock;
}

/** How a connection ended. */
export interface Ending {
  /** What happened, for messages. */
  readonly reason: string;
  /**
   * Whose try that was. `unread`: the server closed between two replies, and
   * has not read the command whose reply was next, or has not answered it.
   */
  readonly failed: Failed | "unread";
  /** Whether the server was silent for as long as it may be. */
  readonly isSilence: boolean;
  /** The requests without a reply. */
  readonly flight: readonly Request[];
  /** Whether a command was carried out, or refused for its entry alone. */
  readonly hasServed: boolean;
}

/** Who is told what becomes of a connection and its requests. */
export interface ConnectionOwner extends RequestOwner {
  /** It is open. */
  opened(connection: Connection): void;
  /** It could not be opened. */
  notOpened(cause: unknown): void;
  /** More can be sent, perhaps. */
  ready(): void;
  /** It ended. */
  ended(ending: Ending): void;
}

// A connection that was idle this long and then ends before the first byte of
// a reply was closed while it idled: nobody read the command.
const idleMilliseconds = 100;

// A timer that goes off this late shows that the program was busy meanwhile. Then
// what has arrived is read first, for which it takes as long at the most.
const lateMilliseconds = 10;

const noCompleteAnswer = "no complete answer in the time for all tries";
const closedByServer = "the server closed the connection";

/**
 * One connection to memcached, from the attempt to its end: sends commands, and
 * gives each its reply, in their order. Any failure ends it, so a reply that comes
 * late never answers another command.
 */
export class Connection implements ReplyReader {
  /** Requests that were sent, and have no reply yet. */
  readonly flight = new RequestQueue();
  /** Reads the replies to single commands. */
  readonly parser: ReplyParser;
  /** How many replies were read. */
  replies = 0;
  /** As in {@linkcode ReplyReader}. */
  hasServed = false;
  #options: ConnectionOptions;
  #owner: ConnectionOwner;
  /** `draining`: it ends when all that was sent has its reply. */
  #state: "connecting" | "open" | "draining" | "ended" = "connecting";
  #socket: Socket | undefined;
  #isWriting = false;
  /** Bytes have come since the first request in flight was sent. */
  #hasBegun = false;
  #wasIdle = false;
  #idleSince = 0;
  #deadline = Infinity;
  #timer: Timer | undefined;
  #timerDue = 0;
  #endConnecting: ((reason: unknown) => void) | undefined;

  /** Connects when `open` is called. */
  constructor(options: ConnectionOptions, owner: ConnectionOwner) {
    this.#options = options;
    this.#owner = owner;
    this.parser = new ReplyParser(options);
  }

  /** Whether requests can be sent now: open, and the last write is done. */
  get isReady(): boolean {
    return this.#state === "open" && !this.#isWriting;
  }

  /** Whether it waits for the socket. */
  get isConnecting(): boolean {
    return this.#state === "connecting";
  }

  /**
   * Connects until `deadline` at the latest, and then reads replies until it
   * ends. Never rejects.
   */
  async open(deadline: number): Promise<void> {
    let socket: Socket;
    try {
      socket = await this.#connect(deadline);
    } catch (cause) {
      if (this.#state === "ended") return;
      this.#state = "ended";
      this.#timer?.cancel();
      this.#owner.notOpened(cause);
      return;
    }
    if (this.#hasEnded()) {
      socket.close();
      return;
    }
    this.#state = "open";
    this.#deadline = Infinity;
    this.#endConnecting = undefined;
    this.#socket = socket;
    this.#owner.opened(this);
    await this.#readReplies(socket);
  }

  #hasEnded(): boolean {
    return this.#state === "ended";
  }

  #connect(deadline: number): Promise<Socket> {
    const { endpoint, connect } = this.#options;
    const controller = new AbortController();
    return new Promise<Socket>((resolve, reject) => {
      // Not every adapter can end an attempt: what it opens too late is closed.
      let isLate = false;
      this.#endConnecting = (reason) => {
        isLate = true;
        reject(reason);
        controller.abort(reason);
      };
      this.#deadline = deadline;
      this.#watch();
      connect(endpoint, { signal: controller.signal }).then((socket) => {
        if (isLate) socket.close();
        else resolve(socket);
      }, reject);
    });
  }

  /** Sends requests, whose commands are `bytes`, in one write. */
  send(requests: readonly Request[], bytes: Uint8Array): void {
    const socket = this.#socket!;
    const before = this.flight.head;
    for (const request of requests) this.flight.push(request);
    // One that was sent before may have less time left than the timer thinks.
    if (requests[0].mustEndAt < this.#timerDue) {
      this.#timer?.cancel();
      this.#timer = undefined;
    }
    const isFirst = before === undefined;
    if (isFirst) {
      const now = this.#options.clock.now();
      this.#wasIdle = this.replies > 0 &&
        now - this.#idleSince >= idleMilliseconds;
      this.#hasBegun = false;
      this.flight.head!.expect(this);
      socket.setBusy?.(true);
      // Only a server that is silent while something waits for it has failed: what
      // is sent meanwhile does not give it more time.
      this.#extendDeadline(now);
    }
    this.#isWriting = true;
    socket.write(bytes).then(() => {
      this.#isWriting = false;
      if (this.#state === "open") this.#owner.ready();
    }, (error) => {
      if (this.#hasEnded()) return;
      // What the server said before it went away is worth more: that is read first.
      const reason = `sending failed: ${reasonOf(error)}`;
      this.#timer?.cancel();
      this.#timer = this.#options.clock.setTimer(
        lateMilliseconds,
        () => this.#noMoreReplies(reason),
      );
    });
  }

  /** Sends nothing more, and ends when all that was sent has its reply. */
  drain(): void {
    if (this.#state === "open") this.#state = "draining";
  }

  /** Nothing is asked: it should not keep the process alive. */
  rest(): void {
    if (this.flight.head !== undefined) return;
    this.#socket?.setBusy?.(false);
    this.#timer?.setBusy?.(false);
  }

  /** Ends it. What has no reply is the caller's again. */
  close(reason: unknown): Request[] {
    this.#state = "ended";
    this.#timer?.cancel();
    this.#endConnecting?.(reason);
    this.#socket?.close();
    return this.flight.takeAll();
  }

  /** Ends it, and tells its owner; `failed` says whose try that was. */
  end(
    reason: string,
    failed: Ending["failed"] = "none",
    isSilence = false,
  ): void {
    if (this.#hasEnded()) return;
    const flight = this.close(reason);
    const { hasServed } = this;
    this.#owner.ended({ reason, failed, isSilence, flight, hasServed });
  }

  /** The first request in flight has its reply. */
  done(): void {
    this.flight.shift();
    this.replies++;
    this.flight.head?.expect(this);
  }

  async #readReplies(socket: Socket): Promise<void> {
    let ended = closedByServer;
    try {
      for (;;) {
        const bytes = await socket.read();
        if (this.#hasEnded()) return;
        if (bytes === null) break;
        this.#takeReplies(bytes);
        if (this.#hasEnded()) return;
        await this.#nextRequest();
        if (this.#hasEnded()) return;
        this.rest();
      }
    } catch (error) {
      ended = `receiving failed: ${reasonOf(error)}`;
      // A server that expects TLS goes away at the first command.
      const { endpoint } = this.#options;
      const isPlain = "port" in endpoint && !endpoint.tls;
      if (isPlain && !this.replies && !this.#hasBegun) {
        ended += ": does it expect TLS?";
      }
    }
    if (!this.#hasEnded()) this.#noMoreReplies(ended);
  }

  /**
   * Gives whoever got the last reply the turns that it takes to ask again: a
   * read that is started before the next write has to be waited for twice.
   */
  async #nextRequest(): Promise<void> {
    for (let turn = 0; turn < 16 && this.flight.head === undefined; turn++) {
      await undefined;
    }
  }

  #takeReplies(bytes: Uint8Array): void {
    this.#hasBegun = true;
    for (let at = 0; at < bytes.length;) {
      const request = this.flight.head;
      if (request === undefined) {
        const said = String.fromCharCode(...bytes.subarray(at, at + 300));
        this.end(`the server sent what nobody asked for: ${quoted(said)}`);
        return;
      }
      at = request.read(this, bytes, at, this.#owner);
      if (this.#hasEnded()) return;
    }
    if (this.flight.head !== undefined) this.#extendDeadline();
    else if (this.#state === "draining") {
      this.end("it refused a command");
      return;
    } else this.#idleSince = this.#options.clock.now();
    this.#owner.ready();
  }

  /** The connection is of no use any more. */
  #noMoreReplies(reason: string, isSilence = false): void {
    if (this.#hasEnded()) return;
    const next = this.flight.head;
    const isStale = this.#wasIdle && !this.#hasBegun && !isSilence;
    if (next === undefined || isStale) {
      return this.end(reason);
    }
    const isInside = next.isInside(this);
    if (next.end(this, reason)) {
      this.done();
      this.end(reason);
    } else this.end(reason, this.#whose(isInside, isSilence), isSilence);
  }

  #whose(isInside: boolean, isSilence: boolean): Ending["failed"] {
    if (isSilence) return "all";
    return !isInside && this.replies > 0 ? "unread" : "next";
  }

  #extendDeadline(now: number = this.#options.clock.now()): void {
    const { timeout } = this.#options;
    if (timeout <= 0) return;
    this.#deadline = now + timeout;
    // One timer watches over many requests: setting one for each costs more
    // than the request.
    if (this.#timer === undefined) this.#watch();
    else this.#timer.setBusy?.(true);
  }

  #nextDue(): number {
    const { head } = this.flight;
    return Math.min(this.#deadline, head?.mustEndAt ?? Infinity);
  }

  #watch(): void {
    const due = this.#nextDue();
    if (due === Infinity) return;
    this.#timerDue = due;
    const { clock } = this.#options;
    const wait = Math.max(due - clock.now(), 0);
    this.#timer = clock.setTimer(wait, () => this.#timeIsUp());
  }

  #timeIsUp(): void {
    const { clock, timeout } = this.#options;
    const now = clock.now();
    if (now - this.#timerDue > lateMilliseconds) {
      this.#timerDue = now + lateMilliseconds;
      this.#timer = clock.setTimer(lateMilliseconds, () => this.#timeIsUp());
      return;
    }
    this.#timer = undefined;
    if (this.#hasEnded()) return;
    if (now < this.#nextDue()) return this.#watch();
    const late = noAnswer(timeout);
    if (this.#state === "connecting") this.#endConnecting?.(new TimeUp(late));
    else if (this.flight.head === undefined) return;
    else if (now >= this.#deadline) this.#noMoreReplies(late, true);
    else this.end(this.#hasBegun ? noCompleteAnswer : late, "all", true);
  }
}

/** Why an attempt to connect was given up. */
export class TimeUp extends Error {}

/** What is said of a server that was silent for so many milliseconds. */
export function noAnswer(timeout: number): string {
  return `no answer within ${timeout / 1000} s`;
}
