import { NoAnswerError, reasonOf, TemporaryError } from "../errors.ts";
import type { ConnectionEvent } from "./connection_event.ts";
import { formatEndpoint } from "../socket/endpoint.ts";
import type { Connect, Endpoint } from "../socket/socket.ts";
import { type Clock, systemClock } from "../system/clock.ts";
import { watchAbort } from "./abort_watch.ts";
import {
  Connection,
  type ConnectionEnd,
  type ConnectionOwner,
  ConnectTimeout,
  noCompleteAnswer,
} from "./connection.ts";
import { cannotConnect } from "./cannot_connect.ts";
import { Pauses } from "./pauses.ts";
import type { MoreConnections } from "./more_connections.ts";
import type { Command, Refusal, Reply, ReplyLimits } from "./protocol.ts";
import {
  type Blame,
  CommandRequest,
  type Request,
  RequestQueue,
} from "./queue.ts";
import type { WriteOrder } from "./write_order.ts";

/** The server of a client, its limits, and its access to the network and time. */
export interface ClientOptions extends ReplyLimits {
  /** Names the table in messages. */
  readonly table: string;
  readonly endpoint: Endpoint;
  readonly connect: Connect;
  /** Milliseconds for connecting, sending, receiving; 0 or less: no limit. */
  readonly timeout: number;
  /** How many times a command is tried. */
  readonly maxTry: number;
  /** Milliseconds between tries. */
  readonly retryPause: number;
  /**
   * The time.
   *
   * @default {systemClock}
   */
  readonly clock?: Clock;
  /**
   * Loads the function that merges the lookups of several callers into one `get`
   * line. Without it each lookup has its own line. It is an option so that the
   * lookup-only bundle stays small.
   */
  readonly loadMergeGets?: () => Promise<MergeGets>;
  /**
   * Loads what opens further connections while many lookups are under way. Without
   * it there is one. It is an option for the same reason.
   */
  readonly loadMoreConnections?: () => Promise<typeof MoreConnections>;
  /**
   * The most connections.
   *
   * @default {1}
   */
  readonly connections?: number;
  /**
   * How many bytes in flight on each connection make another one worth it.
   *
   * @default {16384}
   */
  readonly worthAnother?: number;
  /** Called with why there are fewer connections than would be of use. */
  readonly onDetail?: (message: string) => void;
  /** Called when a retry fails. */
  readonly onWarning: (message: string) => void;
  /** Called with connections, retries and time-outs. */
  readonly observe?: (event: ConnectionEvent) => void;
}

/**
 * Takes the first request off a queue, together with the lookups behind it that
 * can share its line.
 */
export type MergeGets = (queue: RequestQueue, limits: ReplyLimits) => Request;

export interface ClientRequestOptions {
  /** Fails the request, with the reason of the signal. */
  readonly signal?: AbortSignal;
  /**
   * How many times it is tried.
   *
   * @default {ClientOptions.maxTry}
   */
  readonly maxTry?: number;
}

// Limits in bytes: commands in flight, and commands in one write.
const windowSize = 262144;
const writeSize = 65536;
// With more bytes than this in flight, a write waits until it is worth the call.
const enoughInFlight = 16384;
// Bytes of commands in one write where there are several connections: about a batch
// of keys for each.
const sharedWriteSize = 24576;
// About a batch of keys: with so much on each connection, the next batch would wait.
const worthAnother = 16384;

// A server that fails for some keys may still work for the others. After this many
// connections in a row without one executed command, all commands fail.
const mostUselessConnections = 16;

/**
 * Sends requests to one memcached over one connection, which is opened on demand
 * and reused. Requests of concurrent callers are sent together, in order. While many
 * lookups are under way, some of them can use further connections.
 *
 * Each command is retried by itself: it waits for its own pause while others
 * continue. When the connection ends, this counts as a failed try:
 *
 * - The server was silent: for all commands in flight.
 * - A reply was unreadable or incomplete: for the command of that reply. The others
 *   are sent again at once.
 * - The server closed the connection while it was idle, or between two replies: for
 *   no command. Exception: with `maxTry` 1, a close between two replies counts for
 *   the next command.
 * - The server executed nothing on this connection and on many before it, for
 *   example because it requires a log-in: for all commands in flight.
 *
 * A failed attempt to connect is not repeated. In all cases, a request ends at the
 * latest after `maxTry` time-outs and the pauses between them, counted from the
 * moment when it was made, or from the last reply to a request before it.
 */
export class MemcacheClient implements ConnectionOwner {
  #options: ClientOptions;
  #clock: Clock;
  /** How long a request may take, in milliseconds. */
  #longestWait: number;
  /** The first connection. All writes use it. */
  #connection: Connection | undefined;
  #more: MoreConnections | undefined;
  #loadsMore = false;
  #queue = new RequestQueue();
  /** Refused commands whose failed try is not counted yet. */
  #refused: CommandRequest[] = [];
  #pauses: Pauses;
  #writeOrder: WriteOrder | undefined;
  #mergeGets: MergeGets | undefined;
  #loadsMergeGets = false;
  #wasConnected = false;
  /** Whether the server has ever answered. */
  #isKnown = false;
  #connectingSince = 0;
  /** Connections in a row on which no command was executed. */
  #uselessConnections = 0;
  #pumpIsDue = false;
  /** When the last replies came for which requests waited. */
  #answeredAt = -Infinity;
  /** When the first request of this turn of the event loop was made. */
  #turnStart = 0;
  #pending = new Set<Promise<unknown>>();
  #closed: { reason: unknown } | undefined;

  /** Does not connect yet. */
  constructor(options: ClientOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    const { timeout, maxTry, retryPause } = options;
    this.#longestWait = timeout <= 0
      ? Infinity
      : maxTry * timeout + (maxTry - 1) * retryPause;
    this.#pauses = new Pauses(this.#clock, retryPause, (requests) => {
      this.sendAgain(this.#dropSuperseded(requests));
      this.#pump();
    });
  }

  /**
   * Sends a command, and returns what `read` makes of its reply. The reply is never
   * a failure; it is a refusal only if the server refused the key or value of a
   * `set`. Its data is valid only during the call. Rejects with what `read` throws,
   * with {@linkcode TemporaryError} when all tries failed, and with the reason of
   * `signal` when that is aborted.
   */
  request<Result>(
    command: Command,
    bytes: Uint8Array,
    read: (reply: Reply) => Result,
    options: ClientRequestOptions = {},
  ): Promise<Result> {
    const { maxTry = this.maxTry, signal } = options;
    return new Promise((resolve, reject) => {
      const answer = (reply: Reply) => {
        try {
          resolve(read(reply));
        } catch (error) {
          reject(error);
        }
      };
      const one = new CommandRequest(command, bytes, maxTry, answer, reject);
      one.isMergeable = command === "get";
      this.send(one, signal);
    });
  }

  /** Preserves the order of writes from now on. Clients that only read skip this. */
  keepOrder(order: WriteOrder): void {
    this.#writeOrder = order;
  }

  /** How many times a command is tried by default. */
  get maxTry(): number {
    return this.#options.maxTry;
  }

  /** Sends a request. The request itself handles its replies. */
  send(request: Request, signal?: AbortSignal): void {
    if (this.#closed !== undefined) return request.fail(this.#closed.reason);
    if (signal !== undefined && !watchAbort(request, signal)) {
      return;
    }
    // All requests of one turn have the same start: reading the clock takes time.
    if (!this.#pumpIsDue) this.#turnStart = this.#clock.now();
    request.mustEndAt = this.#turnStart + this.#longestWait;
    this.#writeOrder?.add(request);
    this.#queue.push(request);
    if (this.#connection?.flight.head === undefined) {
      this.#pump(this.#turnStart);
    } else this.#pumpSoon();
  }

  /** Fails all requests with `reason`, and closes the connection. */
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
        ...this.#more?.close(reason) ?? [],
        ...this.#pauses.takeAll(),
        ...this.#queue.takeAll(),
        ...this.#refused.splice(0),
      ];
      for (const request of unanswered) request.fail(reason);
    }
    await Promise.all(this.#pending);
  }

  /** Sends all requests of this turn together, in the next microtask. */
  #pumpSoon(): void {
    if (this.#pumpIsDue) return;
    this.#pumpIsDue = true;
    // A caller with concurrent requests will have more of them: from now on they
    // are merged into fewer lines.
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

  /** Sends queued requests if a connection has room; connects if necessary. */
  #pump(now?: number): void {
    if (this.#closed !== undefined) return;
    const queue = this.#queue;
    for (;;) {
      if (queue.head === undefined) return;
      this.#dropEnded(now ??= this.#clock.now());
      if (queue.head === undefined) return;
      const first = this.#connection;
      if (first === undefined) return this.#connect();
      const more = queue.head.isLookup ? this.#more : undefined;
      const connection = more === undefined ? first : more.choose(first);
      if (!connection.isReady) return;
      const { size } = connection.flight;
      const enough = more === undefined ? writeSize : sharedWriteSize;
      const isTooLittle = size > enoughInFlight && queue.size < enough;
      if (size >= windowSize || isTooLittle) return;
      this.#send(connection, enough, now);
      if (this.#more === undefined) return;
    }
  }

  /** Loads what opens more connections when the first one has much to do. */
  #loadMore(): void {
    const { connections = 1, loadMoreConnections } = this.#options;
    if (connections < 2 || loadMoreConnections === undefined) return;
    this.#loadsMore = true;
    this.#track((async () => {
      const MoreConnections = await loadMoreConnections();
      if (this.#closed !== undefined) return;
      this.#more = new MoreConnections({
        options: this.#options,
        clock: this.#clock,
        worthAnother: this.#worthAnother,
        open: () => this.#open(this.#clock.now()),
      });
      this.#pump();
    })());
  }

  get #worthAnother(): number {
    return this.#options.worthAnother ?? worthAnother;
  }

  /** Removes requests from the queue that were aborted, or have no time left. */
  #dropEnded(now: number): void {
    const queue = this.#queue;
    for (let one = queue.head; one !== undefined; one = queue.head) {
      if (!one.isAborted && !one.isSent) this.#extend(one);
      if (!one.isAborted && now < one.mustEndAt) return;
      queue.shift();
      if (!one.isAborted) one.failEach(this.failure(noCompleteAnswer, true));
    }
  }

  /** Gives a request that waits behind others more time while those are answered. */
  #extend(request: Request): void {
    const mustEndAt = this.#answeredAt + this.#longestWait;
    if (mustEndAt > request.mustEndAt) request.mustEndAt = mustEndAt;
  }

  #connect(): void {
    const now = this.#connectingSince = this.#clock.now();
    this.#connection = this.#open(now, this.#queue.head!.mustEndAt);
  }

  /** Starts to connect. */
  #open(now: number, latest = Infinity): Connection {
    const { timeout } = this.#options;
    const connection = new Connection(
      { ...this.#options, clock: this.#clock, isKnown: this.#isKnown },
      this,
    );
    const deadline = timeout <= 0 ? Infinity : now + timeout;
    this.#track(connection.open(Math.min(deadline, latest)));
    return connection;
  }

  opened(connection: Connection): void {
    if (connection !== this.#connection) {
      this.#more?.opened(connection);
      return;
    }
    this.#options.observe?.({
      kind: "connect",
      again: this.#wasConnected,
      milliseconds: this.#clock.now() - this.#connectingSince,
    });
    this.#wasConnected = true;
    this.#pump();
    connection.idle();
  }

  /** All requests that waited for the connection fail. */
  notOpened(connection: Connection, cause: unknown): void {
    if (connection !== this.#connection) {
      this.#more?.forget(connection, reasonOf(cause));
      return;
    }
    this.#connection = undefined;
    const { table, endpoint, observe } = this.#options;
    if (cause instanceof ConnectTimeout) {
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
    this.#pump();
  }

  answered(): void {
    this.#countRefused();
    // Only requests that wait need to know when: later ones have a later start.
    if (this.#queue.head === undefined) return;
    this.#answeredAt = this.#clock.now();
    this.#pump(this.#answeredAt);
  }

  /** Sends the first requests of the queue, about `enough` bytes of them. */
  #send(connection: Connection, enough: number, now: number): void {
    const isFurther = connection !== this.#connection;
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
      while (this.#queue.head?.isAborted) this.#queue.shift();
      if (isFurther && this.#queue.head?.isLookup === false) break;
    } while (this.#queue.head !== undefined && size < enough);
    connection.send(requests, concatenate(parts, size), now);
    if (!this.#loadsMore && connection.flight.size > 2 * this.#worthAnother) {
      this.#loadMore();
    }
  }

  written(request: Request): void {
    this.#writeOrder?.done(request);
  }

  refused(request: CommandRequest, refusal: Refusal): void {
    request.refusal = refusal;
    request.lastError = this.failure(refusal.reason);
    this.#refused.push(request);
    this.#writeOrder?.wait([request]);
  }

  /** Counts a failed try for each command that was refused since the last call. */
  #countRefused(): void {
    if (this.#refused.length === 0) return;
    const atOnce: CommandRequest[] = [];
    const byReason = new Map<string, CommandRequest[]>();
    for (const request of this.#dropSuperseded(this.#refused.splice(0))) {
      const { reason, about } = request.refusal!;
      if (about === "entry") this.#countEntryRefusal(request, atOnce);
      else {
        const others = byReason.get(reason) ?? [];
        byReason.set(reason, others);
        others.push(request);
      }
    }
    for (const [reason, requests] of byReason) {
      this.#countFailedTries(requests, reason);
    }
    this.sendAgain(atOnce);
  }

  /**
   * Counts a failed try of a command whose key or value was refused. A pause would
   * not help, so the next try follows at once.
   */
  #countEntryRefusal(request: CommandRequest, again: CommandRequest[]): void {
    if (++request.tries < request.maxTry && !request.isAborted) {
      again.push(request);
    } else request.endRefused();
  }

  #dropSuperseded(requests: CommandRequest[]): CommandRequest[] {
    const sent = [this.#connection?.flight.head, this.#queue.head];
    return this.#writeOrder?.dropSuperseded(requests, sent) ?? requests;
  }

  ended(connection: Connection, end: ConnectionEnd): void {
    const { reason, isTimeout, flight } = end;
    if (connection.replies > 0) this.#isKnown = true;
    if (connection === this.#connection) {
      this.#connection = this.#more?.takeFirst();
    } else if (
      this.#more?.forget(connection, reason, flight.length) === false
    ) {
      return;
    }
    const { observe } = this.#options;
    if (isTimeout) observe?.({ kind: "timeout", waited: "reply" });
    observe?.({ kind: "disconnect", reason });
    const again: Request[] = [];
    const tried: CommandRequest[] = [];
    const blame = this.#blameFor(end);
    for (const [at, request] of flight.entries()) {
      const own = blame === "next" && at > 0 ? "none" : blame;
      const left = request.leftOver(own, this);
      again.push(...left.again);
      tried.push(...left.tried);
    }
    this.sendAgain(again);
    this.#countFailedTries(tried, reason, isTimeout);
    this.#countRefused();
    this.#pump();
  }

  /** Which commands have a failed try because the connection ended. */
  #blameFor({ blame, hasServed, flight }: ConnectionEnd): Blame {
    if (hasServed) this.#uselessConnections = 0;
    else if (flight.length > 0) this.#uselessConnections++;
    if (this.#uselessConnections > mostUselessConnections) return "all";
    // With a single try, the command fails, as in Postfix.
    if (blame === "unread") return this.maxTry > 1 ? "none" : "next";
    return blame;
  }

  /** Counts a failed try of some commands: each pauses, or fails after its last. */
  #countFailedTries(
    requests: readonly CommandRequest[],
    reason: string,
    isTimeout = false,
  ): void {
    if (requests.length === 0) return;
    const { retryPause, onWarning, observe } = this.#options;
    const error = this.failure(reason, isTimeout);
    const latest = this.#clock.now() + retryPause;
    const again: CommandRequest[] = [];
    let isRepeated = false;
    for (const request of requests) {
      request.tries++;
      request.lastError = error;
      if (request.tries > 1) isRepeated = true;
      const hasTry = request.tries < request.maxTry &&
        latest < request.mustEndAt;
      if (hasTry && !request.isAborted) again.push(request);
      else request.fail(error);
    }
    if (again.length === 0) return;
    if (isRepeated) onWarning(error.message);
    observe?.({ kind: "retry", commands: again.length, reason });
    this.#pauses.add(again);
    this.#writeOrder?.wait(again);
  }

  /** Puts requests at the head of the queue; those without time left fail. */
  sendAgain(requests: readonly Request[]): void {
    const now = this.#clock.now();
    this.#queue.putBack(requests.filter((request) => {
      if (request.isAborted) return false;
      if (now < request.mustEndAt) return true;
      request.failEach(this.failure(noCompleteAnswer, true));
      return false;
    }));
  }

  failure(reason: string, isTimeout = false): TemporaryError {
    const { table, endpoint } = this.#options;
    const Kind = isTimeout ? NoAnswerError : TemporaryError;
    return new Kind(
      `${table}: memcached at ${formatEndpoint(endpoint)} failed: ${reason}`,
    );
  }

  /** Keeps a promise until it settles: `close` waits for it. */
  #track(work: Promise<unknown>): void {
    this.#pending.add(work);
    work.finally(() => this.#pending.delete(work));
  }
}

function concatenate(parts: readonly Uint8Array[], size: number): Uint8Array {
  if (parts.length === 1) return parts[0];
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
