import type { Clock, Timer } from "../../system/clock.ts";

// Deno KV waits for ever for a lock of another process, and its calls cannot be
// cancelled. So after a time-out the request fails, but its call goes on. Later
// calls are held until it has ended.

// Milliseconds between two checks whether any call ended. The first check without
// an ended call reports that the database is slow.
const checkInterval = 1000;
// After this many checks without an ended call, all waiting requests fail. It
// counts checks, not time, since a busy program runs its timers late. The last
// check follows soon: a write fails by itself after the database waited for 5 s,
// and then it is certain that it was not done.
const maxChecks = 6;
const lastInterval = 300;
// The same for calls that are held while the database is stalled.
const maxChecksHeld = 2;

// Milliseconds between two tries where the database does not wait for a lock.
const longestPause = 20;

/** The database did not answer in time. */
export class StalledError extends Error {
  /** Whether the call was made. Then it may still succeed later. */
  readonly wasCalled: boolean;

  /** `wasCalled` tells whether the call was made. */
  constructor(wasCalled: boolean) {
    super("no answer");
    this.wasCalled = wasCalled;
  }
}

// Made here, so that it keeps nothing.
const nothing = () => {};

/** A call that a request waits for. */
interface WaitingCall {
  giveUp: (reason: Error) => void;
}

/** A call that is not made before the database answers again. */
interface HeldCall extends WaitingCall {
  readonly start: () => void;
  checks: number;
}

/**
 * Sets a time limit to calls of a database. The limit counts from the last call
 * that ended, not from the start of each call: a busy database is slow, but not
 * stalled.
 */
export class Patience {
  #clock: Clock;
  #onSlow: () => void;
  readonly #isEndless: boolean;
  #waiting = new Set<WaitingCall>();
  #held: HeldCall[] = [];
  // The number of calls that have not ended, even if their request gave up.
  #running = 0;
  #isStalled = false;
  #checks = 0;
  #lastEnd = 0;
  #hasAnswered = false;
  #timer: Timer | undefined;
  #onIdle: (() => void)[] = [];

  /**
   * `onSlow` is called when no call ended for a second. `isEndless` removes the
   * limit, for runtimes whose timers belong to one request.
   */
  constructor(clock: Clock, onSlow: () => void, isEndless = false) {
    this.#clock = clock;
    this.#onSlow = onSlow;
    this.#isEndless = isEndless;
  }

  /** Whether no call is running. */
  get isIdle(): boolean {
    return this.#running === 0;
  }

  /** Whether a call ended within the last second. */
  get answersNow(): boolean {
    return this.#hasAnswered &&
      this.#clock.now() - this.#lastEnd < checkInterval;
  }

  /**
   * Makes a call, again while the database is locked. Throws
   * {@linkcode StalledError} when no call has ended for five seconds.
   */
  run<T>(call: () => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const start = () => this.#start(call, resolve, reject);
      if (!this.#isStalled) return start();
      this.#held.push({ start, giveUp: reject, checks: 0 });
      this.#startTimer();
    });
  }

  #start<T>(
    call: () => Promise<T>,
    resolve: (result: T) => void,
    reject: (error: unknown) => void,
  ): void {
    const waiting = { giveUp: reject };
    if (this.#waiting.size === 0) {
      this.#checks = 0;
      this.#lastEnd = this.#clock.now();
    }
    this.#waiting.add(waiting);
    this.#running++;
    this.#startTimer();
    const end = () => {
      this.#waiting.delete(waiting);
      // The set keeps it until the next full collection of garbage, and with this
      // function the result of the call.
      waiting.giveUp = nothing;
      this.#running--;
      this.#callEnded();
    };
    this.#untilUnlocked(call, waiting).then((result) => {
      end();
      resolve(result);
    }, (error) => {
      end();
      reject(error);
    });
  }

  async #untilUnlocked<T>(
    call: () => Promise<T>,
    waiting: WaitingCall,
  ): Promise<T> {
    for (;;) {
      const start = this.#clock.now();
      try {
        return await call();
      } catch (error) {
        if (!isLocked(error) || !this.#waiting.has(waiting)) throw error;
        // The call itself waited for the lock, and blocked the whole program.
        if (this.#clock.now() - start >= checkInterval) {
          throw new StalledError(false);
        }
        // A random pause, so that it does not always meet another process's lock.
        await pause(this.#clock, 1 + Math.random() * longestPause);
      }
    }
  }

  #callEnded(): void {
    this.#lastEnd = this.#clock.now();
    this.#hasAnswered = true;
    this.#checks = 0;
    this.#isStalled = false;
    for (const { start } of this.#held.splice(0)) start();
    if (this.#waiting.size === 0) this.#stopTimer();
    if (this.#running > 0) return;
    for (const notify of this.#onIdle.splice(0)) notify();
  }

  // One timer for all calls: to set one for each costs more than a lookup.
  #startTimer(): void {
    if (this.#isEndless) return;
    if (this.#timer === undefined) this.#setTimer(checkInterval);
    else this.#timer.setBusy?.(true);
  }

  #setTimer(milliseconds: number): void {
    this.#timer = this.#clock.setTimer(milliseconds, () => {
      this.#timer = undefined;
      this.#check();
    });
  }

  #stopTimer(): void {
    if (this.#timer?.setBusy !== undefined) return this.#timer.setBusy(false);
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #check(): void {
    const quiet = this.#clock.now() - this.#lastEnd;
    // No request waited, or a call ended since the timer was set.
    if (!this.#isStalled && this.#checks === 0 && quiet < checkInterval - 1) {
      if (this.#waiting.size > 0) this.#setTimer(checkInterval - quiet);
      return;
    }
    if (this.#waiting.size > 0) {
      this.#checks++;
      if (this.#checks === 1) this.#onSlow();
      if (this.#checks >= maxChecks) this.#giveUp(new StalledError(true));
    }
    const held = this.#held.splice(0);
    for (const call of held) {
      if (++call.checks < maxChecksHeld) this.#held.push(call);
      else call.giveUp(new StalledError(false));
    }
    if (this.#waiting.size + this.#held.length === 0) return;
    this.#setTimer(
      this.#checks === maxChecks - 1 ? lastInterval : checkInterval,
    );
  }

  #giveUp(reason: Error): void {
    this.#isStalled = this.#running > 0;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const { giveUp } of waiting) giveUp(reason);
  }

  /** Resolves when no call is running. */
  whenIdle(): Promise<void> {
    if (this.#running === 0) return Promise.resolve();
    return new Promise((resolve) => this.#onIdle.push(resolve));
  }

  /** Rejects all waiting requests. Running calls go on. */
  end(reason: Error): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#giveUp(reason);
    for (const { giveUp } of this.#held.splice(0)) giveUp(reason);
  }
}

/** Whether an error means that another process has the database locked. */
function isLocked(error: unknown): boolean {
  return error instanceof Error && /database is locked/.test(error.message);
}

/** Waits for some milliseconds. */
export function pause(clock: Clock, milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    clock.setTimer(milliseconds, () => resolve());
  });
}

/** Whether a promise resolves or rejects within some milliseconds. */
export async function endsWithin(
  clock: Clock,
  milliseconds: number,
  promise: Promise<unknown>,
): Promise<boolean> {
  let timer: Timer | undefined;
  const late = new Promise<false>((resolve) => {
    timer = clock.setTimer(milliseconds, () => resolve(false));
  });
  const ended = promise.then(() => true, () => true);
  try {
    return await Promise.race([ended, late]);
  } finally {
    timer?.cancel();
  }
}
