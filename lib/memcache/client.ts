import { type Clock, systemClock, type Timer } from "../clock.ts";
import { ConfigError, reasonOf, TemporaryError } from "../errors.ts";
import { formatEndpoint } from "../socket/endpoint.ts";
import type { Connect, Endpoint, Socket } from "../socket/socket.ts";
import {
  type Command,
  type Reply,
  type ReplyLimits,
  ReplyParser,
} from "./protocol.ts";

/** What a client needs to know of its server, and of the world. */
export interface ClientOptions extends ReplyLimits {
  /** Names the table in messages. */
  readonly table: string;
  /** The server. */
  readonly endpoint: Endpoint;
  /** Opens the socket. */
  readonly connect: Connect;
  /** Milliseconds for connecting, sending, receiving; 0 or less: no limit. */
  readonly timeout: number;
  /** Tries of one command. */
  readonly maxTry: number;
  /** Milliseconds between tries. */
  readonly retryPause: number;
  /** The time. */
  readonly clock?: Clock;
  /** Told of failures after a first try. */
  readonly onWarning: (message: string) => void;
  /** Told of each connection that is opened or closed. */
  readonly onDetail?: (message: string) => void;
}

interface Request {
  readonly command: Command;
  readonly bytes: Uint8Array;
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: unknown) => void;
  abandoned: boolean;
  tries: number;
}

// A connection that was idle this long and then ends before the first byte of
// a reply was closed while it idled: nobody read the command, so sending it
// again is no second try. Without the pause that is a try that failed.
const idleMilliseconds = 100;

/**
 * One lazy connection to one memcached, reused over requests. Requests of
 * concurrent callers wait in order; one is under way at a time.
 *
 * A request that fails closes the connection and is tried again after a pause
 * on a new one, up to `maxTry` times; when connecting fails, there is no second
 * try. So a reply that comes late finds its connection closed, and never
 * answers another request.
 */
export class MemcacheClient {
  #options: ClientOptions;
  #clock: Clock;
  #parser: ReplyParser;
  #socket: Socket | undefined;
  #queue: Request[] = [];
  #current: Request | undefined;
  #replyBegun = false;
  #idleSince = 0;
  #wasIdle = false;
  #deadline = 0;
  #watchTimer: Timer | undefined;
  #pauseTimer: Timer | undefined;
  #endConnecting: ((reason: unknown) => void) | undefined;
  #underWay = new Set<Promise<void>>();
  #closed: { reason: unknown } | undefined;

  /** Connects to nothing yet. */
  constructor(options: ClientOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#parser = new ReplyParser(options);
  }

  /**
   * Sends a request and returns its reply, which is never of the kind
   * "failure". Rejects with {@linkcode TemporaryError} when all tries failed,
   * and with the reason of `signal` when that is aborted.
   */
  request(
    command: Command,
    bytes: Uint8Array,
    signal?: AbortSignal,
  ): Promise<Reply> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed.reason);
    if (signal?.aborted) return Promise.reject(signal.reason);
    let abandon: (() => void) | undefined;
    const reply = new Promise<Reply>((resolve, reject) => {
      const request: Request = {
        command,
        bytes,
        resolve,
        reject,
        abandoned: false,
        tries: 0,
      };
      if (signal !== undefined) {
        abandon = () => {
          request.abandoned = true;
          reject(signal.reason);
        };
        signal.addEventListener("abort", abandon);
      }
      this.#queue.push(request);
      if (this.#current === undefined) this.#startNext();
    });
    return abandon === undefined
      ? reply
      : reply.finally(() => signal!.removeEventListener("abort", abandon!));
  }

  /** Ends all requests, with `reason`, and the connection. */
  async close(
    reason: unknown = new TemporaryError(
      `${this.#options.table}: the table is closed`,
    ),
  ): Promise<void> {
    if (this.#closed === undefined) {
      this.#closed = { reason };
      const unanswered = this.#queue.splice(0);
      if (this.#current !== undefined) unanswered.unshift(this.#current);
      this.#current = undefined;
      this.#pauseTimer?.cancel();
      this.#watchTimer?.cancel();
      this.#endConnecting?.(reason);
      this.#dropSocket();
      for (const request of unanswered) request.reject(reason);
    }
    await Promise.all(this.#underWay);
  }

  #startNext(): void {
    let next = this.#queue.shift();
    while (next?.abandoned) next = this.#queue.shift();
    this.#current = next;
    if (next !== undefined) this.#try(next);
    else this.#rest();
  }

  /** Nobody waits: an open connection should not keep the process alive. */
  #rest(): void {
    this.#socket?.setBusy?.(false);
    this.#watchTimer?.setBusy?.(false);
  }

  #try(request: Request): void {
    if (this.#socket === undefined) {
      this.#track(this.#openAndSend(request));
    } else {
      this.#wasIdle = this.#clock.now() - this.#idleSince >= idleMilliseconds;
      this.#send(request, this.#socket);
    }
  }

  async #openAndSend(request: Request): Promise<void> {
    let socket: Socket;
    try {
      socket = await this.#open();
    } catch (cause) {
      if (this.#current === request) this.#connectFailed(request, cause);
      return;
    }
    // The client may have been closed since the socket was opened.
    if (this.#current !== request) {
      socket.close();
      return;
    }
    this.#socket = socket;
    this.#wasIdle = false;
    this.#options.onDetail?.(
      `${this.#options.table}: connected to ${
        formatEndpoint(this.#options.endpoint)
      }`,
    );
    this.#track(this.#readReplies(socket));
    if (request.abandoned) this.#startNext();
    else this.#send(request, socket);
  }

  /** Connects within the time-out, or rejects; nothing is left open then. */
  #open(): Promise<Socket> {
    const { endpoint, connect } = this.#options;
    const controller = new AbortController();
    return new Promise<Socket>((resolve, reject) => {
      // Not every adapter can end an attempt: what it opens too late is closed.
      let given = false;
      this.#endConnecting = (reason) => {
        given = true;
        reject(reason);
        controller.abort(reason);
      };
      this.#extendDeadline();
      connect(endpoint, { signal: controller.signal }).then((socket) => {
        if (given) socket.close();
        else resolve(socket);
      }, reject).finally(() => this.#endConnecting = undefined);
    });
  }

  #connectFailed(request: Request, cause: unknown): void {
    if (cause instanceof ConfigError) {
      this.#finish(request, () => request.reject(cause));
      return;
    }
    const { table, endpoint } = this.#options;
    const error = new TemporaryError(
      `${table}: cannot connect to memcached at ${
        formatEndpoint(endpoint)
      } (is it running there?): ${reasonOf(cause)}`,
      { cause },
    );
    this.#finish(request, () => request.reject(error));
  }

  #send(request: Request, socket: Socket): void {
    this.#parser.start(request.command);
    this.#replyBegun = false;
    socket.setBusy?.(true);
    socket.write(request.bytes).catch((error) => {
      if (this.#socket !== socket) return;
      this.#connectionEnded(`sending failed: ${(error as Error).message}`);
    });
    this.#extendDeadline();
  }

  async #readReplies(socket: Socket): Promise<void> {
    let ended = "the server closed the connection";
    try {
      for (;;) {
        const bytes = await socket.read();
        if (this.#socket !== socket) return;
        if (bytes === null) break;
        if (!this.#takeReply(bytes)) return;
        await this.#nextRequest();
        if (this.#socket !== socket) return;
      }
    } catch (error) {
      ended = `receiving failed: ${(error as Error).message}`;
    }
    if (this.#socket === socket) this.#connectionEnded(ended);
  }

  /**
   * Gives whoever got the last reply the turns that it takes to ask again: a
   * read that is started before the next write has to be waited for twice.
   */
  async #nextRequest(): Promise<void> {
    for (let turn = 0; turn < 16 && this.#current === undefined; turn++) {
      await undefined;
    }
  }

  /** Whether the connection can be read further. */
  #takeReply(bytes: Uint8Array): boolean {
    const request = this.#current;
    if (request === undefined) {
      this.#dropSocket("the server sent what nobody asked for");
      return false;
    }
    this.#replyBegun = true;
    const used = this.#parser.push(bytes, 0);
    const reply = this.#parser.reply;
    if (reply === undefined) {
      this.#extendDeadline();
      return true;
    }
    if (reply.kind === "failure") {
      this.#attemptFailed(request, reply.reason);
      return false;
    }
    const broken = used < bytes.length ||
      (reply.kind === "value" && reply.broken);
    if (broken) this.#dropSocket("the reply did not end as it should");
    else this.#idleSince = this.#clock.now();
    this.#finish(request, () => request.resolve(reply));
    return !broken;
  }

  /** The connection ended: with a try, or while it idled. */
  #connectionEnded(reason: string): void {
    const request = this.#current;
    if (request !== undefined && !(this.#wasIdle && !this.#replyBegun)) {
      this.#attemptFailed(request, reason);
      return;
    }
    this.#dropSocket(reason);
    if (request !== undefined) this.#try(request);
  }

  #attemptFailed(request: Request, reason: string): void {
    this.#dropSocket(reason);
    const reply = this.#parser.end(reason);
    if (reply.kind === "value") {
      this.#finish(request, () => request.resolve(reply));
      return;
    }
    const { table, endpoint, maxTry, retryPause, onWarning } = this.#options;
    request.tries++;
    const message = `${table}: memcached at ${
      formatEndpoint(endpoint)
    } failed: ${reason}`;
    if (request.tries >= maxTry || request.abandoned) {
      this.#finish(request, () => request.reject(new TemporaryError(message)));
      return;
    }
    if (request.tries > 1) onWarning(message);
    this.#pauseTimer = this.#clock.setTimer(retryPause, () => {
      this.#pauseTimer = undefined;
      if (request.abandoned) this.#startNext();
      else this.#try(request);
    });
  }

  /** Settles the current request and goes on to the next. */
  #finish(request: Request, settle: () => void): void {
    if (this.#current !== request) return;
    settle();
    this.#startNext();
  }

  #noAnswer(): string {
    return `no answer within ${this.#options.timeout / 1000} s`;
  }

  #dropSocket(reason?: string): void {
    if (this.#socket === undefined) return;
    if (reason !== undefined) {
      this.#options.onDetail?.(
        `${this.#options.table}: disconnected: ${reason}`,
      );
    }
    this.#socket.close();
    this.#socket = undefined;
    this.#wasIdle = false;
  }

  #extendDeadline(): void {
    const { timeout } = this.#options;
    if (timeout <= 0) return;
    this.#deadline = this.#clock.now() + timeout;
    // One timer watches over many requests: setting one for each costs more
    // than the request.
    if (this.#watchTimer === undefined) this.#watch(timeout);
    else this.#watchTimer.setBusy?.(true);
  }

  #watch(milliseconds: number): void {
    this.#watchTimer = this.#clock.setTimer(milliseconds, () => {
      this.#watchTimer = undefined;
      const left = this.#deadline - this.#clock.now();
      if (left > 0) this.#watch(left);
      else if (this.#endConnecting !== undefined) {
        this.#endConnecting(new Error(this.#noAnswer()));
      } else if (this.#current !== undefined && this.#socket !== undefined) {
        this.#attemptFailed(this.#current, this.#noAnswer());
      }
    });
  }

  /** Keeps a promise until it settles, for `close` to wait for. */
  #track(work: Promise<void>): void {
    this.#underWay.add(work);
    work.finally(() => this.#underWay.delete(work));
  }
}
