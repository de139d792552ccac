import { NoAnswerError, type TemporaryError } from "../../errors.ts";
import type { Clock } from "../../system/clock.ts";

/** What memcached is asked for: one that is full still answers reads. */
export type Asked = "reads" | "writes";

/** What is said at the end of an outage. */
export function asBefore(milliseconds: number, requests: number): string {
  return `answers again: it failed for ${Math.round(milliseconds / 1000)} s, ` +
    `${requests} ${requests === 1 ? "request" : "requests"}`;
}

/**
 * A memcached that fails while a backup answers. It is said once, and while it
 * lasts memcached costs as little time as possible: commands are tried once, and
 * a server that was silent is not asked again for a while.
 */
export class Outage {
  #onWarning: (message: string) => void;
  #clock: Clock;
  /** Milliseconds for which a silent server is not asked again. */
  #pause: number;
  #reported: Asked | undefined;
  #since = 0;
  #failures = 0;
  #onOver: ((milliseconds: number, failures: number) => void) | undefined;
  #silent:
    | { readonly error: NoAnswerError; readonly until: number }
    | undefined;

  /** There is none yet. */
  constructor(
    onWarning: (message: string) => void,
    clock: Clock,
    pause: number,
    onOver?: (milliseconds: number, failures: number) => void,
  ) {
    this.#onWarning = onWarning;
    this.#clock = clock;
    this.#pause = pause;
    this.#onOver = onOver;
  }

  /** Whether memcached failed the last time that it was asked. */
  get isKnown(): boolean {
    return this.#reported !== undefined;
  }

  /** Why memcached is not to be asked now; `undefined` when it is. */
  get silence(): NoAnswerError | undefined {
    if (this.#silent === undefined) return undefined;
    if (this.#clock.now() < this.#silent.until) return this.#silent.error;
    this.#silent = undefined;
    return undefined;
  }

  /** Memcached failed. One warning an outage: a bulk run would print thousands. */
  report(asked: Asked, error: TemporaryError): void {
    const isSilence = error instanceof NoAnswerError &&
      error.cause === undefined;
    if (isSilence && this.silence === undefined) {
      this.#silent = { error, until: this.#clock.now() + this.#pause };
    }
    this.#failures++;
    if (this.#reported !== undefined) return;
    this.#since = this.#clock.now();
    this.#failures = 1;
    this.#onWarning(`${error.message}; going on with the backup`);
    this.#reported = asked;
  }

  /** Memcached answered. */
  over(asked: Asked): void {
    this.#silent = undefined;
    if (this.#reported !== asked) return;
    this.#reported = undefined;
    this.#onOver?.(this.#clock.now() - this.#since, this.#failures);
  }
}
