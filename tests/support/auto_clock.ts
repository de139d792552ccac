import type { Clock, Timer } from "../../lib/system/clock.ts";

/**
 * A clock whose time passes at once when the program waits only for a timer. All
 * else that the program waits for must be in memory, or `touch` the clock.
 */
export class AutoClock implements Clock {
  #now = 0;
  #timers = new Set<{ at: number; callback: () => void }>();
  /** How much is under way outside of memory: no time passes meanwhile. */
  held = 0;
  #quiet = 0;
  #quietTurns: number;

  /**
   * Time passes after so many turns of the event loop without a `touch`: more than
   * one where there is a network.
   */
  constructor(quietTurns = 1) {
    this.#quietTurns = quietTurns;
  }

  /** Says that something has come, or is on its way. */
  touch(): void {
    this.#quiet = 0;
  }

  now(): number {
    return this.#now;
  }

  setTimer(milliseconds: number, callback: () => void): Timer {
    const timer = { at: this.#now + milliseconds, callback };
    this.#timers.add(timer);
    return { cancel: () => this.#timers.delete(timer) };
  }

  /** Lets time pass until a promise settles. */
  async during<T>(work: Promise<T>): Promise<T> {
    let isOver = false;
    const settle = () => {
      isOver = true;
    };
    work.then(settle, settle);
    // Without a timer, wait a little: loading a module takes real time.
    for (let idle = 0; idle < 1000;) {
      // Everything that needs no time runs before this.
      await new Promise((resolve) => setTimeout(resolve));
      if (isOver) return await work;
      if (this.held > 0 || ++this.#quiet < this.#quietTurns) continue;
      let next: { at: number; callback: () => void } | undefined;
      for (const timer of this.#timers) {
        if (next === undefined || timer.at < next.at) next = timer;
      }
      if (next === undefined) {
        idle++;
        continue;
      }
      idle = 0;
      this.#quiet = 0;
      this.#timers.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.callback();
    }
    throw new Error("it waits, and not for time");
  }
}
