import { readRefusal, type Refusal } from "./protocol.ts";
import {
  type Blame,
  type CommandRequest,
  type LeftOver,
  type ReplyReader,
  Request,
  type RequestOwner,
  type RequestSender,
} from "./queue.ts";
import type { ReplyLines } from "./reply_lines.ts";

/**
 * Many commands that are sent together, with the code that reads their replies.
 * When the connection ends before all replies are there, the rest is sent again:
 * together, or each command as a request of its own.
 */
export interface Exchange {
  readonly count: number;
  readonly bytes: Uint8Array;
  /** How many replies were read. */
  readonly replies: number;
  /** Whether the server executed a command, or refused just its key or value. */
  readonly hasServed: boolean;
  /** Whether all replies were read. */
  readonly done: boolean;
  /** Whether a part of the next reply was read. */
  readonly hasPart: boolean;
  /** Whether the next reply answers exactly one command. */
  readonly isForOne: boolean;
  /** Why the replies cannot be read; the connection must be closed then. */
  readonly failure: string | undefined;
  /**
   * The reason of a doubtful {@linkcode Refusal}: the next reply may belong to
   * another command, so nothing more is read.
   */
  readonly doubt: string | undefined;
  /**
   * Reads bytes from `start` until all replies are read, or one is unreadable;
   * returns where it stopped.
   */
  push(bytes: Uint8Array, start: number): number;
  /** Prepares to send the commands without a reply again. */
  restart(): void;
  /**
   * Makes a request of each unfinished command: those that were refused, and after
   * a failure those without a reply. To be called once, at the end.
   */
  unfinished(maxTry: number): CommandRequest[];
  /**
   * The keys of its writes, each with the index of its command: of the writes that
   * were executed, or of those that were not.
   */
  keys?(isDone: boolean): Iterable<readonly [at: number, key: string]>;
}

/** The request that sends an exchange. */
export class ExchangeRequest extends Request {
  /** The commands, and the code that reads their replies. */
  readonly exchange: Exchange;
  #resolve: () => void;

  /** Calls `resolve` when all of its commands have ended, or `reject`. */
  constructor(
    exchange: Exchange,
    maxTry: number,
    resolve: () => void,
    reject: (error: unknown) => void,
  ) {
    super(maxTry, reject);
    this.exchange = exchange;
    this.#resolve = resolve;
  }

  override get count(): number {
    return this.exchange.count;
  }

  override get isLookup(): boolean {
    return this.exchange.keys === undefined;
  }

  override get bytes(): Uint8Array {
    return this.exchange.bytes;
  }

  override expect(): void {}

  override read(
    reader: ReplyReader,
    bytes: Uint8Array,
    start: number,
    owner: RequestOwner,
  ): number {
    const { exchange } = this;
    const before = exchange.replies;
    const at = exchange.push(bytes, start);
    reader.replies += exchange.replies - before;
    if (exchange.hasServed) reader.hasServed = true;
    const { failure } = exchange;
    if (failure !== undefined) {
      reader.end(failure, "next");
    } else if (exchange.done) {
      reader.done();
      const refused: CommandRequest[] = [];
      if (this.#split(owner, () => refused)) reader.drain();
      owner.written(this);
      owner.sendAgain(refused);
    }
    if (exchange.doubt !== undefined) reader.end(exchange.doubt);
    return at;
  }

  override hasPart(): boolean {
    return this.exchange.hasPart;
  }

  override end(): boolean {
    return false;
  }

  override leftOver(blame: Blame, owner: RequestOwner): LeftOver {
    const again: Request[] = [];
    const tried: CommandRequest[] = [];
    if (blame === "none") {
      this.exchange.restart();
      again.push(this);
    } else {
      // A reply that is for several commands does not tell which of them failed.
      let blamed = blame === "all" ? Infinity : this.exchange.isForOne ? 1 : 0;
      this.#split(owner, () => blamed-- > 0 ? tried : again);
      owner.written(this);
    }
    return { again, tried };
  }

  override failEach(error: unknown): void {
    for (const one of this.#commands()) one.fail(error);
  }

  /**
   * Makes a request of each unfinished command. Returns whether the server refused
   * a command as such.
   */
  #split(owner: RequestOwner, targetList: () => Request[]): boolean {
    let isRefused = false;
    for (const one of this.#commands()) {
      if (one.refusal !== undefined) {
        owner.refused(one, one.refusal);
        if (one.refusal.about === "command") isRefused = true;
      } else targetList().push(one);
    }
    return isRefused;
  }

  #commands(): CommandRequest[] {
    const commands = this.exchange.unfinished(this.maxTry);
    let left = commands.length;
    for (const one of commands) {
      const { onEnd } = one;
      one.onEnd = () => {
        onEnd?.();
        if (--left === 0) this.#finish();
      };
      one.isAborted ||= this.isAborted;
      one.mustEndAt = this.mustEndAt;
      one.order += this.order;
    }
    if (left === 0) this.#finish();
    return commands;
  }

  #finish(): void {
    this.#resolve();
    this.onEnd?.();
  }
}

/** What a refusal changes of an {@linkcode Exchange}. */
interface RefusalState {
  failure: string | undefined;
  doubt: string | undefined;
  hasServed: boolean;
}

/**
 * Takes a line that is not a good reply. Returns the refusal; `undefined` if the line
 * is none, which is a failure of the exchange.
 */
export function takeRefusal(
  exchange: RefusalState,
  { bytes, start, end }: ReplyLines,
): Refusal | undefined {
  const refusal = readRefusal(bytes.subarray(start, end));
  if (refusal.kind === "failure") {
    exchange.failure = refusal.reason;
    return undefined;
  }
  if (refusal.about === "doubtful") exchange.doubt = refusal.reason;
  if (refusal.about === "entry") exchange.hasServed = true;
  return refusal;
}

/**
 * Sends an exchange. Resolves when all of its commands have ended; the exchange
 * holds their results. Rejects when `signal` is aborted or the client is closed.
 */
export function sendExchange(
  client: RequestSender,
  exchange: Exchange,
  { maxTry, signal }: { maxTry?: number; signal?: AbortSignal } = {},
): Promise<void> {
  return new Promise((resolve, reject) => {
    const tries = maxTry ?? client.maxTry;
    client.send(new ExchangeRequest(exchange, tries, resolve, reject), signal);
  });
}
