import type { Clock, Timer } from "../../lib/system/clock.ts";

/** Time that passes when a test says so. */
export class FakeClock implements Clock {
  #now = 0;
  #timers: { at: number; callback: () => void }[] = [];
  /** Every timer that was set, in milliseconds. */
  readonly set: number[] = [];
  #onSet: (() => void) | undefined;

  now(): number {
    return this.#now;
  }

  /** How many timers wait. */
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

  /** Lets time pass, and timers go off in their order. */
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

  /** Time passes while the program is busy: what is due goes off late, all at once. */
  passLate(milliseconds: number): void {
    this.#now += milliseconds;
    const due = this.#timers.filter(({ at }) => at <= this.#now);
    this.#timers = this.#timers.filter(({ at }) => at > this.#now);
    for (const { callback } of due) callback();
  }

  /** Waits until a timer of that length is set. */
  async untilSet(milliseconds: number): Promise<void> {
    while (!this.set.includes(milliseconds)) {
      await new Promise<void>((resolve) => this.#onSet = resolve);
    }
  }

  /** Waits until a timer that has so much time left waits. */
  async untilWaiting(milliseconds: number): Promise<void> {
    const isThere = () =>
      this.#timers.some(({ at }) => at - this.#now === milliseconds);
    while (!isThere()) {
      await new Promise<void>((resolve) => this.#onSet = resolve);
    }
  }

  /** Passes all pauses by itself as they are set: retries cost no time. */
  passPauses(milliseconds: number): void {
    this.#onSet = () => {
      if (this.set.at(-1) === milliseconds) {
        queueMicrotask(() => this.pass(milliseconds));
      }
    };
  }
}
