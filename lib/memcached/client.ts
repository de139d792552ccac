import { NoAnswerError, reasonOf, TemporaryError } from "../errors.ts";
import type { ConnectionEvent } from "../events.ts";
import { formatEndpoint } from "../socket/endpoint.ts";
import type { Connect, Endpoint } from "../socket/socket.ts";
import { type Clock, systemClock } from "../system/clock.ts";
import { Abandoning } from "./abandoning.ts";
import {
  Connection,
  type ConnectionOwner,
  type Ending,
  TimeUp,
} from "./connection.ts";
import { cannotConnect } from "./cannot_connect.ts";
import { Pauses } from "./pauses.ts";
import type { Command, Refusal, Reply, ReplyLimits } from "./protocol.ts";
import {
  CommandRequest,
  type Failed,
  type Request,
  RequestQueue,
} from "./queue.ts";
import type { WriteOrder } from "./write_order.ts";

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
  /**
   * Loads what sends the lookups of several callers in one line; without it, each
   * has a line of its own. Handed in, for a small bundle goes without.
   */
  readonly loadMergeGets?: () => Promise<MergeGets>;
  /** Told of failures after a first try. */
  readonly onWarning: (message: string) => void;
  /** Told of connections, retries and time-outs. */
  readonly observe?: (event: ConnectionEvent) => void;
}

/**
 * Takes the first request off a queue, together with those behind it that can go
 * out in one line.
 */
export type MergeGets = (queue: RequestQueue, limits: ReplyLimits) => Request;

/** Options of one request. */
export interface ClientRequestOptions {
  /** Ends it, with the reason of the signal. */
  readonly signal?: AbortSignal;
  /** Tries, where they are fewer than those of the client. */
  readonly maxTry?: number;
}

// Bytes of commands that may wait for their replies, and of those that go out in
// one write. When many wait already, a few more are not worth a write.
const windowSize = 262144;
const writeSize = 65536;
const enoughUnderWay = 16384;

// A server that fails for some keys is asked for each of the others all the same;
// one that does nothing on so many connections in a row fails for all.
const mostUselessConnections = 16;

const noTimeLeft = "no complete answer in the time for all tries";

/**
 * Sends requests to one memcached over one connection, which is opened when it is
 * needed and used again. Requests of concurrent callers go out together, in order.
 *
 * A command fails by itself: it waits for its own pause, while others go on. What
 * becomes of a command when a connection ends:
 *
 * - The server was silent: that was a try of all that waited for a reply.
 * - A reply could not be read, or stopped in the middle: that was a try of its
 *   command. The others are sent again at once.
 * - The server closed the connection while it was idle, or between two replies:
 *   that was nobody's try. Where commands have one try, the second was a try.
 * - The server carried nothing out on this connection and on many before it, for
 *   it wants a log-in, say: that was a try of all, too.
 *
 * When connecting fails, there is no second try. Whatever happens, no request
 * waits longer than `maxTry` time-outs and the pauses between them, from the
 * moment when it was asked; or when the server answered those before it, if that
 * is later.
 */
export class MemcacheClient implements ConnectionOwner {
  #options: ClientOptions;
  #clock: Clock;
  /** The longest that a request may take, in milliseconds. */
  #longestWait: number;
  #connection: Connection | undefined;
  #queue = new RequestQueue();
  /** Refused, and not counted as a try yet. */
  #refused: CommandRequest[] = [];
  #pauses: Pauses;
  #abandoning = new Abandoning();
  #writeOrder: WriteOrder | undefined;
  #mergeGets: MergeGets | undefined;
  #loadsMergeGets = false;
  #wasConnected = false;
  #connectingSince = 0;
  /** Connections in a row on which nothing was carried out. */
  #uselessConnections = 0;
  #pumpIsDue = false;
  #turnStart = 0;
  #underWay = new Set<Promise<unknown>>();
  #closed: { reason: unknown } | undefined;

  /** Connects to nothing yet. */
  constructor(options: ClientOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    const { timeout, maxTry, retryPause } = options;
    this.#longestWait = timeout <= 0
      ? Infinity
      : maxTry * timeout + (maxTry - 1) * retryPause;
    this.#pauses = new Pauses(this.#clock, retryPause, (requests) => {
      this.sendAgain(this.#notOvertaken(requests));
      this.#pump();
    });
  }

  /**
   * Sends a command and returns its reply: never a failure, and a refusal only of
   * a write that is about its entry. Rejects with {@linkcode TemporaryError} when
   * all tries failed, and with the reason of `signal` when that is aborted.
   */
  request(
    command: Command,
    bytes: Uint8Array,
    options: ClientRequestOptions = {},
  ): Promise<Reply> {
    const { maxTry = this.maxTry, signal } = options;
    return new Promise((resolve, reject) => {
      const one = new CommandRequest(command, bytes, maxTry, resolve, reject);
      one.isMergeable = command === "get";
      this.send(one, signal);
    });
  }

  /** Keeps the order of writes from now on: for who writes, and only then. */
  keepOrder(order: WriteOrder): void {
    this.#writeOrder = order;
  }

  /** Tries of a command, unless told otherwise. */
  get maxTry(): number {
    return this.#options.maxTry;
  }

  /** Sends a request, which knows what to do with its replies. */
  send(request: Request, signal?: AbortSignal): void {
    if (this.#closed !== undefined) return request.fail(this.#closed.reason);
    if (signal !== undefined && !this.#abandoning.watch(request, signal)) {
      return;
    }
    // Whoever asks several things in one turn asks them at one time.
    if (!this.#pumpIsDue) this.#turnStart = this.#clock.now();
    request.mustEndAt = this.#turnStart + this.#longestWait;
    this.#writeOrder?.add(request);
    this.#queue.push(request);
    if (this.#connection?.flight.head === undefined) {
      this.#pump(this.#turnStart);
    } else this.#pumpSoon();
  }

  /** Ends all requests, with `reason`, and the connection. */
  async close(reason: unknown): Promise<void> {
    if (this.#closed === undefined) {
      this.#closed = { reason };
      if (this.#connection?.isConnecting === false) {
        this.#options.observe?.({
          kind: "disconnect",
          reason: "the table was closed",
        });
      }
      const flight = this.#connection?.close(reason) ?? [];
      this.#connection = undefined;
      const unanswered = [
        ...flight,
        ...this.#pauses.takeAll(),
        ...this.#queue.takeAll(),
        ...this.#refused.splice(0),
      ];
      for (const request of unanswered) request.fail(reason);
    }
    await Promise.all(this.#underWay);
  }

  /** Sends what is asked in this turn in one piece, when the turn is over. */
  #pumpSoon(): void {
    if (this.#pumpIsDue) return;
    this.#pumpIsDue = true;
    // Who asks several things at once does so again: from the next time on they
    // go in fewer lines.
    const { loadMergeGets } = this.#options;
    if (!this.#loadsMergeGets && loadMergeGets !== undefined) {
      this.#loadsMergeGets = true;
      this.#track((async () => this.#mergeGets = await loadMergeGets())());
    }
    queueMicrotask(() => {
      this.#pumpIsDue = false;
      this.#pump();
    });
  }

  /** Sends what can be sent now. */
  #pump(now: number = this.#clock.now()): void {
    if (this.#closed !== undefined) return;
    const queue = this.#queue;
    this.#dropEnded(now);
    if (queue.head === undefined) return;
    const connection = this.#connection;
    if (connection === undefined) return this.#connect(queue.head);
    if (!connection.isReady) return;
    const { size } = connection.flight;
    const isLittle = size > enoughUnderWay && queue.size < writeSize;
    if (size < windowSize && !isLittle) this.#send(connection);
  }

  /** Takes off the queue what nobody waits for, and what has no time left. */
  #dropEnded(now: number): void {
    const queue = this.#queue;
    for (let one = queue.head; one !== undefined; one = queue.head) {
      if (!one.isAbandoned && !one.isSent) this.#extend(one);
      if (!one.isAbandoned && now < one.mustEndAt) return;
      queue.shift();
      if (!one.isAbandoned) one.failEach(this.failure(noTimeLeft, true));
    }
  }

  /** What waits behind others has more time, as long as those are answered. */
  #extend(request: Request): void {
    const answered = this.#connection?.answeredAt ?? -Infinity;
    const mustEndAt = answered + this.#longestWait;
    if (mustEndAt > request.mustEndAt) request.mustEndAt = mustEndAt;
  }

  #connect(first: Request): void {
    const now = this.#connectingSince = this.#clock.now();
    const { timeout } = this.#options;
    const connection = new Connection(
      { ...this.#options, clock: this.#clock },
      this,
    );
    this.#connection = connection;
    const deadline = timeout <= 0 ? Infinity : now + timeout;
    this.#track(connection.open(Math.min(deadline, first.mustEndAt)));
  }

  opened(connection: Connection): void {
    this.#options.observe?.({
      kind: "connect",
      again: this.#wasConnected,
      milliseconds: this.#clock.now() - this.#connectingSince,
    });
    this.#wasConnected = true;
    this.#pump();
    connection.rest();
  }

  /** Whoever waited for the connection shares its failure. */
  notOpened(cause: unknown): void {
    this.#connection = undefined;
    const { table, endpoint, observe } = this.#options;
    if (cause instanceof TimeUp) {
      observe?.({ kind: "timeout", waited: "connection" });
    }
    observe?.({
      kind: "unreachable",
      reason: reasonOf(cause),
      milliseconds: this.#clock.now() - this.#connectingSince,
    });
    const error = cannotConnect(table, endpoint, cause);
    for (const request of this.#queue.takeAll()) request.failEach(error);
  }

  ready(): void {
    this.#countRefused();
    this.#pump();
  }

  #send(connection: Connection): void {
    const requests: Request[] = [];
    const parts: Uint8Array[] = [];
    let size = 0;
    do {
      const request = this.#mergeGets?.(this.#queue, this.#options) ??
        this.#queue.shift()!;
      const { bytes } = request;
      if (!request.isSent) {
        request.isSent = true;
        this.#extend(request);
      }
      requests.push(request);
      parts.push(bytes);
      size += bytes.length;
      while (this.#queue.head?.isAbandoned) this.#queue.shift();
    } while (this.#queue.head !== undefined && size < writeSize);
    connection.send(requests, joined(parts, size));
  }

  written(request: Request): void {
    this.#writeOrder?.done(request);
  }

  refused(request: CommandRequest, refusal: Refusal): void {
    request.refusal = refusal;
    request.lastError = this.failure(refusal.reason);
    this.#refused.push(request);
    this.#writeOrder?.wait([request]);
    if (refusal.about === "command") this.#connection?.drain();
  }

  /** Counts the tries of the commands that were refused since the last time. */
  #countRefused(): void {
    if (this.#refused.length === 0) return;
    const atOnce: CommandRequest[] = [];
    const byReason = new Map<string, CommandRequest[]>();
    for (const request of this.#notOvertaken(this.#refused.splice(0))) {
      const { reason, about } = request.refusal!;
      if (about === "entry") this.#countEntry(request, atOnce);
      else {
        const others = byReason.get(reason);
        if (others === undefined) byReason.set(reason, [request]);
        else others.push(request);
      }
    }
    for (const [reason, requests] of byReason) this.#tried(requests, reason);
    this.sendAgain(atOnce);
  }

  /**
   * Counts a try that was refused for its entry: nobody has anything of a pause,
   * so it is made again at once.
   */
  #countEntry(request: CommandRequest, again: CommandRequest[]): void {
    request.tries++;
    if (request.tries < request.maxTry && !request.isAbandoned) {
      again.push(request);
    } else if (request.command === "get") request.fail(request.lastError);
    else request.answer(request.refusal!);
  }

  #notOvertaken(requests: CommandRequest[]): CommandRequest[] {
    const sent = [this.#connection?.flight.head, this.#queue.head];
    return this.#writeOrder?.withoutOvertaken(requests, sent) ?? requests;
  }

  ended(ending: Ending): void {
    this.#connection = undefined;
    const { reason, isSilence, flight } = ending;
    const { observe } = this.#options;
    if (isSilence) observe?.({ kind: "timeout", waited: "reply" });
    observe?.({ kind: "disconnect", reason });
    const again: Request[] = [];
    const tried: CommandRequest[] = [];
    const failed = this.#whose(ending);
    for (const [at, request] of flight.entries()) {
      const own = failed === "next" && at > 0 ? "none" : failed;
      const left = request.leftOver(own, this);
      again.push(...left.again);
      tried.push(...left.tried);
    }
    this.sendAgain(again);
    this.#tried(tried, reason, isSilence);
    this.#countRefused();
    this.#pump();
  }

  /** Whose try it was that a connection ended. */
  #whose({ failed, hasServed, flight }: Ending): Failed {
    if (hasServed) this.#uselessConnections = 0;
    else if (flight.length > 0) this.#uselessConnections++;
    const failsForAll = this.#uselessConnections > mostUselessConnections;
    if (failsForAll) return "all";
    // Who wants one try has that one: as in Postfix it failed.
    if (failed === "unread") return this.maxTry > 1 ? "none" : "next";
    return failed;
  }

  /** A try of some commands has failed: each has a pause, or no try left. */
  #tried(
    requests: readonly CommandRequest[],
    reason: string,
    isSilence = false,
  ): void {
    if (requests.length === 0) return;
    const { retryPause, onWarning, observe } = this.#options;
    const error = this.failure(reason, isSilence);
    const latest = this.#clock.now() + retryPause;
    const again: CommandRequest[] = [];
    let isRepeated = false;
    for (const request of requests) {
      request.tries++;
      request.lastError = error;
      if (request.tries > 1) isRepeated = true;
      const hasTry = request.tries < request.maxTry &&
        latest < request.mustEndAt;
      if (hasTry && !request.isAbandoned) again.push(request);
      else request.fail(error);
    }
    if (again.length === 0) return;
    if (isRepeated) onWarning(error.message);
    observe?.({ kind: "retry", commands: again.length, reason });
    this.#pauses.add(again);
    this.#writeOrder?.wait(again);
  }

  /** Puts requests before all others, as far as they have time left. */
  sendAgain(requests: readonly Request[]): void {
    const now = this.#clock.now();
    this.#queue.putBack(requests.filter((request) => {
      if (request.isAbandoned) return false;
      if (now < request.mustEndAt) return true;
      request.failEach(this.failure(noTimeLeft, true));
      return false;
    }));
  }

  /** The error for what the server did. */
  failure(reason: string, isSilence = false): TemporaryError {
    const { table, endpoint } = this.#options;
    const Kind = isSilence ? NoAnswerError : TemporaryError;
    return new Kind(
      `${table}: memcached at ${formatEndpoint(endpoint)} failed: ${reason}`,
    );
  }

  /** Keeps a promise until it settles, for `close` to wait for. */
  #track(work: Promise<unknown>): void {
    this.#underWay.add(work);
    work.finally(() => this.#underWay.delete(work));
  }
}

function joined(parts: readonly Uint8Array[], size: number): Uint8Array {
  if (parts.length === 1) return parts[0];
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
