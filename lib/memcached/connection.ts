import { reasonOf } from "../errors.ts";
import type { Connect, Endpoint, Socket } from "../socket/socket.ts";
import type { Clock, Timer } from "../system/clock.ts";
import { tlsAlert, tlsHint } from "./cannot_connect.ts";
import { quoted, type ReplyLimits } from "./protocol.ts";
import {
  type Blame,
  type ReplyReader,
  type Request,
  type RequestOwner,
  RequestQueue,
} from "./queue.ts";
import { ReplyParser } from "./reply_parser.ts";

/** The server of a connection, its limits, and its access to network and time. */
export interface ConnectionOptions extends ReplyLimits {
  readonly endpoint: Endpoint;
  readonly connect: Connect;
  /** Milliseconds for connecting, sending, receiving; 0 or less: no limit. */
  readonly timeout: number;
  readonly clock: Clock;
  /** Whether this server has answered before: then it is a memcached. */
  readonly isKnown: boolean;
}

/** How a connection ended. */
export interface ConnectionEnd {
  /** What happened, for messages. */
  readonly reason: string;
  /**
   * Which commands have a failed try. `unread`: the server closed the connection
   * between two replies; whether it has read the next command is unknown.
   */
  readonly blame: Blame | "unread";
  /** Whether a time-out ended it. */
  readonly isTimeout: boolean;
  /** The requests without a reply. */
  readonly flight: readonly Request[];
  /** Whether the server executed a command, or refused just its key or value. */
  readonly hasServed: boolean;
}

/** Receives the events of a connection and of its requests. */
export interface ConnectionOwner extends RequestOwner {
  opened(connection: Connection): void;
  notOpened(connection: Connection, cause: unknown): void;
  /** There may be room to send more. */
  ready(): void;
  /** As `ready`, because replies came. */
  answered(): void;
  ended(connection: Connection, end: ConnectionEnd): void;
}

// If a connection was idle this long and then ends before the first byte of a
// reply, the server closed it while it was idle and did not read the command.
const idleMilliseconds = 100;

// A timer that fires this late shows that the program was busy. Data that arrived
// meanwhile is read first: the timer is set again, for this long, and once: a
// program may be busy for ever.
const lateMilliseconds = 10;

/** The message for a request without time for another try. */
export const noCompleteAnswer = "no complete answer in the time for all tries";
const closedByServer = "the server closed the connection";

/**
 * One connection to memcached, from the attempt to connect to its end. Sends commands
 * and assigns the replies to them, in order. Any failure ends the connection, so that
 * a late reply never answers another command.
 */
export class Connection implements ReplyReader {
  /** Requests in flight: sent, and without a reply yet. */
  readonly flight = new RequestQueue();
  /** Reads the replies to single commands. */
  readonly parser: ReplyParser;
  /** How many replies were read. */
  replies = 0;
  hasServed = false;
  #options: ConnectionOptions;
  #owner: ConnectionOwner;
  /** `draining`: it ends as soon as no request is in flight. */
  #state: "connecting" | "open" | "draining" | "ended" = "connecting";
  #socket: Socket | undefined;
  #isWriting = false;
  /** Whether bytes have arrived since the first request in flight was sent. */
  #hasBegun = false;
  #wasIdle = false;
  /** When it became idle; Infinity while it is not. */
  #idleSince = Infinity;
  #deadline = Infinity;
  #timer: Timer | undefined;
  #timerDue = 0;
  /** Whether the timer was set again because it fired late. */
  #isDeferred = false;
  #endConnecting: ((reason: unknown) => void) | undefined;

  /** Does not connect yet; `open` does. */
  constructor(options: ConnectionOptions, owner: ConnectionOwner) {
    this.#options = options;
    this.#owner = owner;
    this.parser = new ReplyParser(options);
  }

  /** Whether it takes requests, perhaps only after the last write. */
  get isOpen(): boolean {
    return this.#state === "open";
  }

  /** Whether requests can be sent now: open, and the last write is done. */
  get isReady(): boolean {
    return this.isOpen && !this.#isWriting;
  }

  get isConnecting(): boolean {
    return this.#state === "connecting";
  }

  /**
   * Connects, by `deadline` at the latest, then reads replies until the connection
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
      this.#owner.notOpened(this, cause);
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
      // Not every adapter can stop an attempt: a socket that it opens too late is
      // closed.
      let isLate = false;
      this.#endConnecting = (reason) => {
        isLate = true;
        reject(reason);
        controller.abort(reason);
      };
      const connecting = connect(endpoint, { signal: controller.signal });
      connecting.then((socket) => {
        if (isLate) socket.close();
        else resolve(socket);
      }, reject);
      // The first timer takes a while in Deno: the network is at work meanwhile.
      this.#deadline = deadline;
      this.#watch();
    });
  }

  /** Sends requests in one write; `bytes` are all of their commands. */
  send(requests: readonly Request[], bytes: Uint8Array, now: number): void {
    const socket = this.#socket!;
    const isFirst = this.flight.head === undefined;
    for (const request of requests) this.flight.push(request);
    if (isFirst) {
      this.#wasIdle = this.replies > 0 &&
        now - this.#idleSince >= idleMilliseconds;
      this.#idleSince = Infinity;
      this.#hasBegun = false;
      this.flight.head!.expect(this);
      socket.setBusy?.(true);
      // Later requests do not extend the deadline: the server has to answer the
      // first one in time.
      this.#extendDeadline(now);
    }
    // A request that is sent again may have to end before the timer fires.
    if (requests.some(({ mustEndAt }) => mustEndAt < this.#timerDue)) {
      this.#watch();
    }
    this.#isWriting = true;
    socket.write(bytes).then(() => {
      this.#isWriting = false;
      if (this.#state === "open") this.#owner.ready();
    }, (error) => {
      if (this.#hasEnded()) return;
      // The server may have sent a better reason before it closed: read that first.
      const reason = `sending failed: ${reasonOf(error)}`;
      this.#setTimer(lateMilliseconds, () => this.#noMoreReplies(reason));
    });
  }

  /** Sends nothing more, and ends when no request is in flight. */
  drain(): void {
    if (this.#state === "open") this.#state = "draining";
  }

  /** Lets the process exit while no request is in flight. */
  idle(): void {
    if (this.flight.head !== undefined) return;
    this.#idleSince = this.#options.clock.now();
    this.#socket?.setBusy?.(false);
    this.#timer?.setBusy?.(false);
  }

  /** Closes it, and returns the requests without a reply. */
  close(reason: unknown): Request[] {
    this.#state = "ended";
    this.#timer?.cancel();
    this.#endConnecting?.(reason);
    // The end of the pending read is waited for: it keeps the process alive.
    this.#socket?.setBusy?.(true);
    this.#socket?.close();
    return this.flight.takeAll();
  }

  /** Closes it, and tells its owner which commands have a failed try. */
  end(
    reason: string,
    blame: ConnectionEnd["blame"] = "none",
    isTimeout = false,
  ): void {
    if (this.#hasEnded()) return;
    const flight = this.close(reason);
    const { hasServed } = this;
    this.#owner.ended(this, { reason, blame, isTimeout, flight, hasServed });
  }

  /** Removes the first request in flight, which has its reply. */
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
        // Waits until the caller that got the last reply has sent its next request, for
        // a few microtasks at most. Writing before reading saves one round through the
        // event loop.
        for (
          let turn = 0;
          turn < 16 && this.flight.head === undefined;
          turn++
        ) {
          await undefined;
        }
        if (this.#hasEnded()) return;
        this.idle();
      }
    } catch (error) {
      ended = `receiving failed: ${reasonOf(error)}`;
    }
    if (this.#hasEnded()) return;
    const { isKnown, endpoint } = this.#options;
    const isUnanswered = this.flight.head !== undefined && !this.replies &&
      !this.#hasBegun;
    if (!isKnown && isUnanswered) ended += tlsHint(endpoint);
    this.#noMoreReplies(ended);
  }

  #takeReplies(bytes: Uint8Array): void {
    this.#hasBegun = bytes[0] !== tlsAlert;
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
    // Reading the clock takes time: of lookups one after the other, each does it once.
    if (this.flight.head !== undefined) {
      this.#extendDeadline(this.#options.clock.now());
    } else if (this.#state === "draining") {
      this.end("it refused a command");
      return;
    }
    this.#owner.answered();
  }

  /** Ends the connection after a failure: no more replies can be read. */
  #noMoreReplies(reason: string, isTimeout = false): void {
    if (this.#hasEnded()) return;
    const next = this.flight.head;
    const isStale = this.#wasIdle && !this.#hasBegun && !isTimeout;
    if (next === undefined || isStale) {
      return this.end(reason);
    }
    const hasPart = next.hasPart(this);
    if (next.end(this, reason)) {
      this.done();
      this.end(reason);
    } else this.end(reason, this.#blame(hasPart, isTimeout), isTimeout);
  }

  #blame(hasPart: boolean, isTimeout: boolean): ConnectionEnd["blame"] {
    if (isTimeout) return "all";
    return !hasPart && this.replies > 0 ? "unread" : "next";
  }

  #extendDeadline(now: number): void {
    const { timeout } = this.#options;
    if (timeout <= 0) return;
    this.#deadline = now + timeout;
    // All requests share one timer: one for each would cost more than the request.
    if (this.#timer === undefined) this.#watch();
    else this.#timer.setBusy?.(true);
  }

  #nextDue(): number {
    let due = this.#deadline;
    for (let one = this.flight.head; one; one = one.next) {
      due = Math.min(due, one.mustEndAt);
    }
    return due;
  }

  #watch(): void {
    const due = this.#nextDue();
    if (due === Infinity) return;
    this.#timerDue = due;
    this.#isDeferred = false;
    this.#setTimer(Math.max(due - this.#options.clock.now(), 0));
  }

  #setTimer(milliseconds: number, callback = () => this.#timeIsUp()): void {
    this.#timer?.cancel();
    this.#timer = this.#options.clock.setTimer(milliseconds, callback);
  }

  #timeIsUp(): void {
    const { clock, timeout } = this.#options;
    const now = clock.now();
    if (now - this.#timerDue > lateMilliseconds && !this.#isDeferred) {
      this.#isDeferred = true;
      return this.#setTimer(lateMilliseconds);
    }
    this.#timer = undefined;
    if (now < this.#nextDue()) return this.#watch();
    const late = noAnswer(timeout);
    const { head } = this.flight;
    if (this.#state === "connecting") {
      this.#endConnecting?.(new ConnectTimeout(late));
    } else if (head === undefined) return;
    else if (now >= this.#deadline) this.#noMoreReplies(late, true);
    else {
      // Where only the time of one behind it is up, the others are sent again.
      this.end(
        this.#hasBegun ? noCompleteAnswer : late,
        now < head.mustEndAt ? "none" : "all",
        true,
      );
    }
  }
}

export class ConnectTimeout extends Error {}

/** The message for a server that was silent for `timeout` milliseconds. */
export function noAnswer(timeout: number): string {
  return `no answer within ${timeout / 1000} s`;
}
