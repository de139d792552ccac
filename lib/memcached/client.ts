import { type Clock, systemClock, type Timer } from "../system/clock.ts";
import {
  ConfigError,
  NoAnswerError,
  reasonOf,
  TemporaryError,
} from "../errors.ts";
import { formatEndpoint } from "../socket/endpoint.ts";
import type { Connect, Endpoint, Socket } from "../socket/socket.ts";
import type { ConnectionEvent, EventListener } from "../events.ts";
import type { Text } from "../bytes/text.ts";
import type { Exchange, Shortfall } from "./exchange.ts";
import type { mergeGets } from "./merged_gets.ts";
import {
  type Command,
  encodeGet,
  keyOfGet,
  type Reply,
  type ReplyLimits,
  ReplyParser,
} from "./protocol.ts";
import {
  type CommandRequest,
  type ExchangeRequest,
  type Request,
  RequestQueue,
} from "./queue.ts";

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
  readonly loadMergeGets?: () => Promise<typeof mergeGets>;
  /** Told of failures after a first try. */
  readonly onWarning: (message: string) => void;
  /** Told of each connection that is opened or closed. */
  readonly onDetail?: (message: string) => void;
  /** Told of connections, retries and time-outs. */
  readonly onEvent?: EventListener;
}

// A connection that was idle this long and then ends before the first byte of
// a reply was closed while it idled: nobody read the command, so sending it
// again is no second try. Without the pause that is a try that failed.
const idleMilliseconds = 100;

// Bytes of commands that may wait for their replies, and of those that go out in
// one write. When many wait already, a few more are not worth a write.
const windowSize = 262144;
const writeSize = 65536;
const enoughUnderWay = 16384;

// Lookups of several callers that are worth a line of their own kind, and how
// many go into one piece.
const fewestMerged = 8;
const mostMerged = 1000;

/**
 * One lazy connection to one memcached, reused over requests. Requests of
 * concurrent callers go out together, in order, and so do their replies come
 * back.
 *
 * A failure closes the connection. Commands without a reply are sent again after
 * a pause on a new one, each at most `maxTry` times; when connecting fails, there
 * is no second try. So a reply that comes late finds its connection closed, and
 * never answers another request.
 *
 * A failed try counts for the command whose reply was bad. When the server fell
 * silent, it counts for all that wait; when the connection ended after some
 * replies, for the one that was next.
 */
export class MemcacheClient {
  #options: ClientOptions;
  #clock: Clock;
  #parser: ReplyParser;
  #socket: Socket | undefined;
  /** Not sent yet. */
  #queue = new RequestQueue();
  /** Sent, and not answered yet. */
  #flight = new RequestQueue();
  /** Refused by the server in the middle of others, to be tried again. */
  #refused: CommandRequest[] = [];
  #refusal: string | undefined;
  #oneByOne = false;
  #mergeGets: typeof mergeGets | undefined;
  #isAlone = true;
  #answers = 0;
  #wasConnected = false;
  #replyBegun = false;
  #idleSince = 0;
  #wasIdle = false;
  #connecting = false;
  #writing = false;
  #pumpIsDue = false;
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
   * Sends a command and returns its reply, which is never of the kind
   * "failure". Rejects with {@linkcode TemporaryError} when all tries failed,
   * and with the reason of `signal` when that is aborted. `shortfall` is that of
   * the exchange in which the command was sent before.
   */
  request(
    command: Command,
    bytes: Uint8Array,
    signal?: AbortSignal,
    shortfall?: Shortfall,
  ): Promise<Reply> {
    const tries = shortfall?.tries ?? 0;
    if (tries >= this.#options.maxTry) return Promise.reject(shortfall!.error);
    return this.#enqueue<Reply>(
      (resolve, reject) => ({
        command,
        mergeKey: undefined,
        bytes: () => bytes,
        size: bytes.length,
        resolve,
        reject,
        abandoned: false,
        tries,
        next: undefined,
      }),
      signal,
    );
  }

  /** Sends `get KEY`, as `request` does, or in one line with those of others. */
  get(text: Text, key: string, signal?: AbortSignal): Promise<Reply> {
    return this.#enqueue<Reply>(
      (resolve, reject) => ({
        command: "get",
        mergeKey: key,
        bytes: () => encodeGet(text, key),
        size: key.length + 6,
        resolve,
        reject,
        abandoned: false,
        tries: 0,
        next: undefined,
      }),
      signal,
    );
  }

  /**
   * Sends an exchange, once. Returns `undefined` when all of its replies were
   * read. Rejects as `request` does when nothing could be sent.
   */
  exchange(
    exchange: Exchange,
    signal?: AbortSignal,
  ): Promise<Shortfall | undefined> {
    return this.#enqueue<Shortfall | undefined>(
      (resolve, reject) => ({
        command: undefined,
        exchange,
        size: exchange.bytes.length,
        resolve,
        reject,
        abandoned: false,
        begun: false,
        next: undefined,
      }),
      signal,
    );
  }

  #enqueue<T>(
    make: (
      resolve: (result: T) => void,
      reject: (error: unknown) => void,
    ) => Request,
    signal?: AbortSignal,
  ): Promise<T> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed.reason);
    if (signal?.aborted) return Promise.reject(signal.reason);
    let abandon: (() => void) | undefined;
    const result = new Promise<T>((resolve, reject) => {
      const request = make(resolve, reject);
      if (signal !== undefined) {
        abandon = () => {
          request.abandoned = true;
          reject(signal.reason);
        };
        signal.addEventListener("abort", abandon);
      }
      this.#queue.push(request);
      if (this.#flight.head === undefined) this.#pump();
      else this.#pumpSoon();
    });
    return abandon === undefined
      ? result
      : result.finally(() => signal!.removeEventListener("abort", abandon!));
  }

  /** Ends all requests, with `reason`, and the connection. */
  async close(
    reason: unknown = new TemporaryError(
      `${this.#options.table}: the table is closed`,
    ),
  ): Promise<void> {
    if (this.#closed === undefined) {
      this.#closed = { reason };
      const unanswered = [
        ...this.#flight.takeAll(),
        ...this.#refused.splice(0),
        ...this.#queue.takeAll(),
      ];
      this.#pauseTimer?.cancel();
      this.#watchTimer?.cancel();
      this.#endConnecting?.(reason);
      this.#dropSocket();
      for (const request of unanswered) request.reject(reason);
    }
    await Promise.all(this.#underWay);
  }

  /** When nobody waits, an open connection should not keep the process alive. */
  #restIfIdle(): void {
    if (this.#flight.head !== undefined || this.#queue.head !== undefined) {
      return;
    }
    this.#socket?.setBusy?.(false);
    this.#watchTimer?.setBusy?.(false);
  }

  /** Sends what is asked in this turn in one piece, when the turn is over. */
  #pumpSoon(): void {
    if (this.#pumpIsDue) return;
    this.#pumpIsDue = true;
    // Who asks several things at once does so again: from the next time on they
    // go in fewer lines.
    const { loadMergeGets } = this.#options;
    if (this.#mergeGets === undefined && loadMergeGets !== undefined) {
      this.#track(this.#loadMergeGets(loadMergeGets));
    }
    queueMicrotask(() => {
      this.#pumpIsDue = false;
      this.#pump();
    });
  }

  async #loadMergeGets(load: () => Promise<typeof mergeGets>): Promise<void> {
    this.#mergeGets = () => undefined;
    this.#mergeGets = await load();
  }

  /** Sends what can be sent now. */
  #pump(): void {
    if (
      this.#connecting || this.#writing || this.#pauseTimer !== undefined ||
      this.#refusal !== undefined || this.#closed !== undefined
    ) return;
    const queue = this.#queue;
    while (queue.head?.abandoned) queue.shift();
    if (queue.head === undefined) return;
    if (this.#socket === undefined) {
      this.#connecting = true;
      this.#track(this.#openAndSend());
    } else {
      const { size } = this.#flight;
      const wait = size > enoughUnderWay && queue.size < writeSize;
      const room = this.#oneByOne ? size === 0 : size < windowSize;
      if (room && !wait) this.#send(this.#socket);
    }
  }

  async #openAndSend(): Promise<void> {
    const { table, endpoint, onDetail } = this.#options;
    const started = this.#clock.now();
    let socket: Socket;
    try {
      socket = await this.#open();
    } catch (cause) {
      this.#connecting = false;
      this.#connectFailed(cause, started);
      return;
    }
    this.#connecting = false;
    // The client may have been closed since the socket was opened.
    if (this.#closed !== undefined) {
      socket.close();
      return;
    }
    this.#socket = socket;
    this.#wasIdle = false;
    this.#answers = 0;
    onDetail?.(`${table}: connected to ${formatEndpoint(endpoint)}`);
    this.#tell({
      kind: "connect",
      again: this.#wasConnected,
      milliseconds: this.#clock.now() - started,
    });
    this.#wasConnected = true;
    this.#track(this.#readReplies(socket));
    this.#pump();
    this.#restIfIdle();
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

  /** Whoever waited for the connection shares its failure. */
  #connectFailed(cause: unknown, started: number): void {
    const { table, endpoint } = this.#options;
    this.#tell({
      kind: "unreachable",
      reason: reasonOf(cause),
      milliseconds: this.#clock.now() - started,
    });
    const error = cause instanceof ConfigError ? cause : new NoAnswerError(
      `${table}: cannot connect to memcached at ${
        formatEndpoint(endpoint)
      } (is it running there?): ${reasonOf(cause)}`,
      { cause },
    );
    for (const request of this.#queue.takeAll()) request.reject(error);
    this.#restIfIdle();
  }

  #send(socket: Socket): void {
    const wasEmpty = this.#flight.head === undefined;
    const bytes = this.#takeOff();
    this.#isAlone = wasEmpty && this.#flight.head!.next === undefined;
    if (wasEmpty) {
      const now = this.#clock.now();
      this.#wasIdle = this.#answers > 0 &&
        now - this.#idleSince >= idleMilliseconds;
      this.#replyBegun = false;
      this.#expectReply();
      socket.setBusy?.(true);
      // Only a server that is silent while something waits for it has failed: what
      // is sent meanwhile does not give it more time.
      this.#extendDeadline(now);
    }
    this.#writing = true;
    socket.write(bytes).then(() => {
      if (this.#socket !== socket) return;
      this.#writing = false;
      this.#pump();
    }, (error) => {
      if (this.#socket !== socket) return;
      this.#connectionEnded(`sending failed: ${(error as Error).message}`);
    });
  }

  /** Moves requests from the queue into flight; returns what to send. */
  #takeOff(): Uint8Array {
    const queue = this.#queue;
    if (queue.head!.next === undefined) {
      const only = queue.shift()!;
      this.#flight.push(only);
      return bytesOf(only);
    }
    const parts: Uint8Array[] = [];
    let size = 0;
    do {
      const request = this.#nextToSend();
      const bytes = bytesOf(request);
      parts.push(bytes);
      size += bytes.length;
      this.#flight.push(request);
      while (this.#queue.head?.abandoned) this.#queue.shift();
    } while (
      this.#queue.head !== undefined && size < writeSize && !this.#oneByOne
    );
    if (parts.length === 1) return parts[0];
    const bytes = new Uint8Array(size);
    let at = 0;
    for (const part of parts) {
      bytes.set(part, at);
      at += part.length;
    }
    return bytes;
  }

  /** Takes a request off the queue, or many that can be made one. */
  #nextToSend(): Request {
    const first = this.#queue.shift()!;
    if (this.#mergeGets === undefined || this.#oneByOne) return first;
    const run = this.#mergeable(first);
    if (run.length < fewestMerged) return first;
    const merged = this.#mergeGets(
      run,
      this.#options,
      (rest) => this.#queue.putBack(rest),
    );
    if (merged === undefined) {
      // So that they are not looked at again for each that is sent.
      for (const request of run) request.mergeKey = undefined;
      return first;
    }
    for (let taken = 1; taken < run.length; taken++) this.#queue.shift();
    return merged;
  }

  /** A request and those behind it, as far as they can be sent in one line. */
  #mergeable(first: Request): CommandRequest[] {
    const run: CommandRequest[] = [];
    for (
      let one: Request | undefined = first;
      one?.command !== undefined && one.mergeKey !== undefined &&
      run.length < mostMerged;
      one = one === first ? this.#queue.head : one.next
    ) run.push(one);
    return run;
  }

  /** Sets the parser up for the first request in flight. */
  #expectReply(): void {
    const { head } = this.#flight;
    if (head?.command === undefined) return;
    const check = !this.#isAlone && head.command === "get";
    const key = check ? keyOfGet(head.bytes()) : undefined;
    this.#parser.start(head.command, key);
  }

  async #readReplies(socket: Socket): Promise<void> {
    let ended = "the server closed the connection";
    try {
      for (;;) {
        const bytes = await socket.read();
        if (this.#socket !== socket) return;
        if (bytes === null) break;
        this.#takeReplies(bytes);
        if (this.#socket !== socket) return;
        await this.#nextRequest();
        if (this.#socket !== socket) return;
        this.#restIfIdle();
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
    for (let turn = 0; turn < 16 && this.#flight.head === undefined; turn++) {
      await undefined;
    }
  }

  #takeReplies(bytes: Uint8Array): void {
    const socket = this.#socket;
    this.#replyBegun = true;
    for (let at = 0; at < bytes.length;) {
      const request = this.#flight.head;
      if (request === undefined) {
        this.#dropSocket("the server sent what nobody asked for");
        this.#pump();
        return;
      }
      at = request.command === undefined
        ? this.#takeExchange(request, bytes, at)
        : this.#takeReply(request, bytes, at);
      if (this.#socket !== socket) return;
    }
    if (this.#flight.head !== undefined) this.#extendDeadline();
    else {
      this.#idleSince = this.#clock.now();
      if (this.#refusal !== undefined) this.#retryRefused(this.#refusal);
    }
    this.#pump();
  }

  #takeExchange(
    request: ExchangeRequest,
    bytes: Uint8Array,
    start: number,
  ): number {
    const { exchange } = request;
    const at = exchange.push(bytes, start);
    if (exchange.failure !== undefined) {
      this.#attemptFailed(exchange.failure, "first");
    } else if (exchange.done) {
      this.#answered();
      request.resolve(undefined);
    } else request.begun = true;
    return at;
  }

  #takeReply(
    request: CommandRequest,
    bytes: Uint8Array,
    start: number,
  ): number {
    const at = this.#parser.push(bytes, start);
    const { reply } = this.#parser;
    if (reply === undefined) return at;
    if (reply.kind === "failure") {
      if (reply.sign === "refused") this.#refuse(request, reply.reason);
      else if (reply.sign === "other key") {
        // So it may be with a server that Postfix gets along with, for it asks one
        // after the other.
        this.#oneByOne = true;
        this.#startOver(reply.reason);
      } else this.#attemptFailed(reply.reason, "first");
      return at;
    }
    this.#answered();
    request.resolve(reply);
    if (reply.kind === "value" && reply.broken) {
      this.#startOver("the reply did not end as it should");
    }
    return at;
  }

  /** Takes the first request in flight off. */
  #answered(): void {
    this.#flight.shift();
    this.#answers++;
    this.#expectReply();
  }

  /**
   * The server could not do this one command. Those behind it are answered all
   * the same; only then is the connection closed.
   */
  #refuse(request: CommandRequest, reason: string): void {
    this.#answered();
    this.#refusal ??= reason;
    this.#refused.push(request);
    if (this.#flight.head === undefined) this.#retryRefused(reason);
  }

  #retryRefused(reason: string): void {
    this.#dropSocket(reason);
    const refused = this.#refused.splice(0);
    this.#refusal = undefined;
    this.#tryAgain(refused, this.#countTry(refused, reason));
  }

  /** The connection ended: with a try, or while it idled. */
  #connectionEnded(reason: string): void {
    if (this.#wasIdle && !this.#replyBegun) this.#startOver(reason);
    else this.#noReply(reason, this.#replyBegun ? "next" : "all");
  }

  /** No more replies come. */
  #noReply(reason: string, whose: "next" | "all"): void {
    const first = this.#flight.head;
    const reply = first?.command === undefined
      ? undefined
      : this.#parser.end(reason);
    // A value counts, though what closes it did not come.
    if (first?.command !== undefined && reply?.kind === "value") {
      this.#answered();
      first.resolve(reply);
      this.#startOver(reason);
    } else this.#attemptFailed(reason, whose);
  }

  /** Sends what waits on a new connection, without counting a try. */
  #startOver(reason: string): void {
    this.#dropSocket(reason);
    const refused = this.#refused.splice(0);
    this.#refusal = undefined;
    const retried = this.#countTry(refused, reason);
    this.#tryAgain([...refused, ...this.#flight.takeAll()], retried);
  }

  /**
   * Ends the connection after a failure, which is a try: of the first request in
   * flight, whose reply is bad or was next when the connection ended, or of all.
   */
  #attemptFailed(reason: string, whose: "first" | "next" | "all"): void {
    this.#dropSocket(reason);
    const flight = this.#flight.takeAll();
    const again: Request[] = this.#refused.splice(0);
    this.#refusal = undefined;
    const tried: CommandRequest[] = [...again as CommandRequest[]];
    let short = false;
    for (const [at, request] of flight.entries()) {
      const counts = at === 0 || whose === "all";
      if (request.command !== undefined) {
        if (counts) tried.push(request);
        again.push(request);
      } else if (counts || request.begun) {
        const tries = whose === "all" ? 1 : 0;
        if (tries < this.#options.maxTry) {
          short = true;
          this.#tell({ kind: "retry", commands: 1, reason });
        }
        request.resolve({ tries, error: this.#failure(reason) });
      } else again.push(request);
    }
    const retried = this.#countTry(tried, reason);
    this.#tryAgain(again, retried || (short && whose !== "first"));
  }

  /** Counts a try of some requests; whether any of them has another. */
  #countTry(requests: readonly CommandRequest[], reason: string): boolean {
    const { maxTry, onWarning } = this.#options;
    let retried = 0;
    let again = false;
    for (const request of requests) {
      request.tries++;
      if (request.tries >= maxTry) request.abandoned = true;
      if (request.abandoned) {
        request.reject(this.#failure(reason));
        continue;
      }
      retried++;
      if (request.tries > 1) again = true;
    }
    if (again) onWarning(this.#failure(reason).message);
    if (retried > 0) this.#tell({ kind: "retry", commands: retried, reason });
    return retried > 0;
  }

  #failure(reason: string): TemporaryError {
    const { table, endpoint } = this.#options;
    const Kind = reason === this.#noAnswer() ? NoAnswerError : TemporaryError;
    return new Kind(
      `${table}: memcached at ${formatEndpoint(endpoint)} failed: ${reason}`,
    );
  }

  /** Puts requests before all others, to be sent on a new connection. */
  #tryAgain(requests: readonly Request[], pause: boolean): void {
    this.#queue.putBack(requests);
    if (pause) {
      this.#pauseTimer = this.#clock.setTimer(this.#options.retryPause, () => {
        this.#pauseTimer = undefined;
        this.#pump();
      });
    } else {
      this.#pump();
      this.#restIfIdle();
    }
  }

  #noAnswer(): string {
    return `no answer within ${this.#options.timeout / 1000} s`;
  }

  #tell(event: ConnectionEvent): void {
    const { table, endpoint, onEvent } = this.#options;
    onEvent?.({ ...event, table, endpoint: formatEndpoint(endpoint) });
  }

  #dropSocket(reason?: string): void {
    if (this.#socket === undefined) return;
    this.#tell({
      kind: "disconnect",
      reason: reason ?? "the table was closed",
    });
    if (reason !== undefined) {
      this.#options.onDetail?.(
        `${this.#options.table}: disconnected: ${reason}`,
      );
    }
    this.#socket.close();
    this.#socket = undefined;
    this.#writing = false;
    this.#wasIdle = false;
  }

  #extendDeadline(now = this.#clock.now()): void {
    const { timeout } = this.#options;
    if (timeout <= 0) return;
    this.#deadline = now + timeout;
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
        this.#tell({ kind: "timeout", waited: "connection" });
        this.#endConnecting(new Error(this.#noAnswer()));
      } else if (this.#flight.head !== undefined) {
        this.#tell({ kind: "timeout", waited: "reply" });
        this.#noReply(this.#noAnswer(), "all");
      }
    });
  }

  /** Keeps a promise until it settles, for `close` to wait for. */
  #track(work: Promise<void>): void {
    this.#underWay.add(work);
    work.finally(() => this.#underWay.delete(work));
  }
}

function bytesOf(request: Request): Uint8Array {
  return request.command === undefined
    ? request.exchange.bytes
    : request.bytes();
}
