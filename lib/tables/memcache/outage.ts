import { NoAnswerError, type TemporaryError } from "../../errors.ts";
import type { Clock } from "../../system/clock.ts";

/** The two kinds of commands. A memcached that is full still answers reads. */
export type CommandKind = "reads" | "writes";

/** How an outage ended. */
export interface OutageEnd {
  /** Whether memcached answers again; otherwise the table was closed. */
  readonly answers: boolean;
  /** How long the outage lasted. */
  readonly milliseconds: number;
  /** How many requests failed. */
  readonly failures: number;
}

/** Is told of outages. Each one that starts also ends. */
export interface OutageListener {
  /** Called with the reason when an outage starts. */
  readonly onStart?: (reason: string) => void;
  /** Called when an outage ends. */
  readonly onEnd?: (end: OutageEnd) => void;
}

/**
 * Keeps track of a memcached that fails while a backup answers. There is one
 * warning an outage. During it, memcached shall cost little time: each command is
 * tried once, and after a time-out memcached is left alone for a pause.
 */
export class Outage {
  #onWarning: (message: string) => void;
  #clock: Clock;
  /** Milliseconds without requests after a time-out. */
  #pause: number;
  #reported: CommandKind | undefined;
  /** When the outage started, in milliseconds. */
  #since = 0;
  /** The number of failures in the outage. */
  #failures = 0;
  #listener: OutageListener;
  #timedOut:
    | { readonly error: NoAnswerError; readonly until: number }
    | undefined;

  /** Begins without an outage; `pause` is in milliseconds. */
  constructor(
    onWarning: (message: string) => void,
    clock: Clock,
    pause: number,
    listener: OutageListener = {},
  ) {
    this.#onWarning = onWarning;
    this.#clock = clock;
    this.#pause = pause;
    this.#listener = listener;
  }

  /** Whether memcached failed at the last request. */
  get isKnown(): boolean {
    return this.#reported !== undefined;
  }

  /** The last time-out, during the pause after it; otherwise `undefined`. */
  get silence(): NoAnswerError | undefined {
    if (this.#timedOut === undefined) return undefined;
    if (this.#clock.now() < this.#timedOut.until) return this.#timedOut.error;
    this.#timedOut = undefined;
    return undefined;
  }

  /** Memcached failed. Warns once an outage: a bulk run has thousands of failures. */
  report(kind: CommandKind, error: TemporaryError): void {
    const isTimeout = error instanceof NoAnswerError &&
      error.cause === undefined;
    if (isTimeout && this.silence === undefined) {
      this.#timedOut = { error, until: this.#clock.now() + this.#pause };
    }
    this.#failures++;
    if (this.#reported !== undefined) return;
    this.#since = this.#clock.now();
    this.#failures = 1;
    this.#onWarning(`${error.message}; going on with the backup`);
    this.#reported = kind;
    this.#listener.onStart?.(error.message);
  }

  /** Memcached answered. */
  end(kind: CommandKind): void {
    this.#timedOut = undefined;
    if (this.#reported === kind) this.#end(true);
  }

  /** Nobody asks memcached any more. */
  close(): void {
    if (this.#reported !== undefined) this.#end(false);
  }

  #end(answers: boolean): void {
    this.#reported = undefined;
    this.#listener.onEnd?.({
      answers,
      milliseconds: this.#clock.now() - this.#since,
      failures: this.#failures,
    });
  }
}
