import {
  type CommandRequest,
  type Failed,
  type LeftOver,
  type ReplyReader,
  Request,
  type RequestOwner,
  type RequestSender,
} from "./queue.ts";

/**
 * Many commands that go out together, and how their replies are read. What is
 * left open when the connection ends in the middle is asked again: from the
 * first command without a reply on, or each command alone.
 */
export interface Exchange {
  /** How many commands there are. */
  readonly count: number;
  /** What is sent, in one piece. */
  readonly bytes: Uint8Array;
  /** How many replies were read. */
  readonly replies: number;
  /** Whether a command was carried out, or refused for its entry alone. */
  readonly hasServed: boolean;
  /** Whether all replies were read. */
  readonly done: boolean;
  /** Whether a part of the next reply was read. */
  readonly isInside: boolean;
  /** Whether the next reply is that of one command, and of no other. */
  readonly isForOne: boolean;
  /** Why what comes cannot be read; the connection is of no use then. */
  readonly failure: string | undefined;
  /**
   * Why the next reply may belong to another command, after a refusal of that
   * kind: then nothing more is read.
   */
  readonly doubt: string | undefined;
  /**
   * Takes bytes from `start` on until all replies are read, or one cannot be;
   * returns where it stopped.
   */
  push(bytes: Uint8Array, start: number): number;
  /** Prepares to be sent again, without the commands that have a reply. */
  restart(): void;
  /**
   * The commands that have to be asked alone: those that were refused, and after
   * a failure those without a reply. To be called once, in the end.
   */
  leftOpen(maxTry: number): CommandRequest[];
  /**
   * The keys of its writes, those that were done or all, each with the number of
   * its command.
   */
  keys?(isDone: boolean): Iterable<readonly [at: number, key: string]>;
}

/** An exchange on its way. */
export class ExchangeRequest extends Request {
  /** The commands, and how their replies are read. */
  readonly exchange: Exchange;
  #resolve: () => void;

  /** Calls `resolve` when each of the commands has ended, or `reject`. */
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
      const alone: CommandRequest[] = [];
      this.#takeApart(owner, () => alone);
      owner.written(this);
      owner.sendAgain(alone);
    }
    if (exchange.doubt !== undefined) reader.end(exchange.doubt);
    return at;
  }

  override isInside(): boolean {
    return this.exchange.isInside;
  }

  override end(): boolean {
    return false;
  }

  override leftOver(failed: Failed, owner: RequestOwner): LeftOver {
    const again: Request[] = [];
    const tried: CommandRequest[] = [];
    if (failed === "none") {
      this.exchange.restart();
      again.push(this);
    } else {
      // Where it is not sure which of the commands is to blame, it is none.
      let toBlame = failed === "all"
        ? Infinity
        : this.exchange.isForOne
        ? 1
        : 0;
      this.#takeApart(owner, () => toBlame-- > 0 ? tried : again);
      owner.written(this);
    }
    return { again, tried };
  }

  override failEach(error: unknown): void {
    for (const one of this.#alone()) one.fail(error);
  }

  /** Makes a request of each command that is left open. */
  #takeApart(owner: RequestOwner, listOf: () => Request[]): void {
    for (const one of this.#alone()) {
      if (one.refusal !== undefined) owner.refused(one, one.refusal);
      else listOf().push(one);
    }
  }

  #alone(): CommandRequest[] {
    const commands = this.exchange.leftOpen(this.maxTry);
    let left = commands.length;
    for (const one of commands) {
      const { onEnd } = one;
      one.onEnd = () => {
        onEnd?.();
        if (--left === 0) this.#finish();
      };
      one.isAbandoned ||= this.isAbandoned;
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

/**
 * Sends an exchange. Resolves when each of its commands has ended, as those of
 * `request` do; the exchange knows how. Rejects when `signal` is aborted, or the
 * client is closed.
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
