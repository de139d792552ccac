import type { Clock, Timer } from "../../lib/system/clock.ts";

/** A clock whose time a test sets. */
export class FakeClock implements Clock {
  #now = 0;
  #timers: { at: number; callback: () => void }[] = [];
  /** The durations of all timers that were set, in milliseconds. */
  readonly set: number[] = [];
  #onSet: (() => void) | undefined;

  now(): number {
    return this.#now;
  }

  /** The number of timers that wait. */
  get waiting(): number {
    return this.#timers.length;
  }

  setTimer(milliseconds: number, callback: () => void): Timer {
    const timer = { at: this.#now + milliseconds, callback };
    this.set.push(milliseconds);
    this.#timers.push(timer);
    this.#onSet?.();
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
      },
    };
  }

  /** Lets time pass, and calls the due timers in their order. */
  pass(milliseconds: number): void {
    const end = this.#now + milliseconds;
    for (;;) {
      const due = this.#timers.filter(({ at }) => at <= end)
        .sort((left, right) => left.at - right.at)[0];
      if (due === undefined) break;
      this.#timers = this.#timers.filter((other) => other !== due);
      this.#now = Math.max(this.#now, due.at);
      due.callback();
    }
    this.#now = end;
  }

  /** Lets time pass as if the program were busy: all due timers are called at the end. */
  passLate(milliseconds: number): void {
    this.#now += milliseconds;
    const due = this.#timers.filter(({ at }) => at <= this.#now);
    this.#timers = this.#timers.filter(({ at }) => at > this.#now);
    for (const { callback } of due) callback();
  }

  /** Waits until a timer of this duration was set. */
  async untilSet(milliseconds: number): Promise<void> {
    while (!this.set.includes(milliseconds)) {
      await new Promise<void>((resolve) => this.#onSet = resolve);
    }
  }

  /** Waits until there is a timer that ends in this time. */
  async untilWaiting(milliseconds: number): Promise<void> {
    const isThere = () =>
      this.#timers.some(({ at }) => at - this.#now === milliseconds);
    while (!isThere()) {
      await new Promise<void>((resolve) => this.#onSet = resolve);
    }
  }

  /** Lets each pause of this duration pass as soon as it is set. */
  passPauses(milliseconds: number): void {
    this.#onSet = () => {
      if (this.set.at(-1) === milliseconds) {
        queueMicrotask(() => this.pass(milliseconds));
      }
    };
  }
}
