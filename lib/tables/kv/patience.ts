import type { Clock, Timer } from "../../system/clock.ts";

// Deno KV waits for ever for a lock that another process has, and a call of it
// cannot be taken back. So whoever waits is let go, and the call is not: what
// comes later waits behind it, and is not asked before the call has ended.

// Milliseconds: how long it is waited before somebody is told, and how often it
// is looked whether anything moves.
const step = 1000;
// So many looks without a move are enough. Counted, for a program that did
// nothing else for a while comes late to its timers, and to its answers. The
// last one is soon after: for a write the database itself waits five seconds,
// and then says that it was not done.
const mostLooks = 6;
const lastStep = 300;
// Once it is known that nothing moves, so many.
const looksWhenStalled = 2;

// Milliseconds between two tries where the database does not wait by itself.
const longestPause = 20;

/** A database that did not answer. */
export class StalledError extends Error {
  /** Whether it was asked: it may still do what it was asked for. */
  readonly asked: boolean;

  /** Says what was waited for. */
  constructor(asked: boolean) {
    super("no answer");
    this.asked = asked;
  }
}

/** A call that somebody waits for. */
interface Waiting {
  readonly giveUp: (reason: Error) => void;
}

/** A call that was not made yet. */
interface Held extends Waiting {
  readonly start: () => void;
  looks: number;
}

/** Waits for calls, as long as one of them ends now and then. */
export class Patience {
  #clock: Clock;
  #onSlow: () => void;
  readonly #isEndless: boolean;
  #waiting = new Set<Waiting>();
  #held: Held[] = [];
  // Calls that did not end, waited for or not.
  #underWay = 0;
  #stalled = false;
  #looks = 0;
  #moved = 0;
  #answered = false;
  #timer: Timer | undefined;
  #onIdle: (() => void)[] = [];

  /**
   * `onSlow` is told when nothing moved for a second. `isEndless` is for runtimes
   * whose timers belong to one request: there, a call that was made is waited for
   * without end.
   */
  constructor(clock: Clock, onSlow: () => void, isEndless = false) {
    this.#clock = clock;
    this.#onSlow = onSlow;
    this.#isEndless = isEndless;
  }

  /** Whether no call is under way. */
  get isIdle(): boolean {
    return this.#underWay === 0;
  }

  /** Whether a call ended within the last second. */
  get answersNow(): boolean {
    return this.#answered && this.#clock.now() - this.#moved < step;
  }

  /**
   * Makes a call, and waits for its end. A call that fails because the database
   * is locked is made again. Throws {@linkcode StalledError} when no call ended
   * for five seconds.
   */
  run<T>(call: () => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const start = () => this.#start(call, resolve, reject);
      if (!this.#stalled) return start();
      this.#held.push({ start, giveUp: reject, looks: 0 });
      this.#watch();
    });
  }

  #start<T>(
    call: () => Promise<T>,
    resolve: (result: T) => void,
    reject: (error: unknown) => void,
  ): void {
    const waiting = { giveUp: reject };
    if (this.#waiting.size === 0) {
      this.#looks = 0;
      this.#moved = this.#clock.now();
    }
    this.#waiting.add(waiting);
    this.#underWay++;
    this.#watch();
    const end = () => {
      this.#waiting.delete(waiting);
      this.#underWay--;
      this.#move();
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
    waiting: Waiting,
  ): Promise<T> {
    for (;;) {
      const start = this.#clock.now();
      try {
        return await call();
      } catch (error) {
        if (!isLocked(error) || !this.#waiting.has(waiting)) throw error;
        // It waited by itself, and held up the whole program.
        if (this.#clock.now() - start >= step) throw new StalledError(false);
        // By chance, or one that looks at the wrong times never gets in.
        await pause(this.#clock, 1 + Math.random() * longestPause);
      }
    }
  }

  /** A call ended. */
  #move(): void {
    this.#moved = this.#clock.now();
    this.#answered = true;
    this.#looks = 0;
    this.#stalled = false;
    for (const { start } of this.#held.splice(0)) start();
    if (this.#waiting.size === 0) this.#rest();
    if (this.#underWay > 0) return;
    for (const tell of this.#onIdle.splice(0)) tell();
  }

  // One timer watches over all calls: setting one for each costs more than a
  // lookup.
  #watch(): void {
    if (this.#isEndless) return;
    if (this.#timer === undefined) this.#setTimer(step);
    else this.#timer.setBusy?.(true);
  }

  #setTimer(milliseconds: number): void {
    this.#timer = this.#clock.setTimer(milliseconds, () => {
      this.#timer = undefined;
      this.#look();
    });
  }

  #rest(): void {
    if (this.#timer?.setBusy !== undefined) return this.#timer.setBusy(false);
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #look(): void {
    const quiet = this.#clock.now() - this.#moved;
    // It went off while nobody waited, or something moved meanwhile.
    if (!this.#stalled && this.#looks === 0 && quiet < step - 1) {
      if (this.#waiting.size > 0) this.#setTimer(step - quiet);
      return;
    }
    if (this.#waiting.size > 0) {
      this.#looks++;
      if (this.#looks === 1) this.#onSlow();
      if (this.#looks >= mostLooks) this.#letGo(new StalledError(true));
    }
    const held = this.#held.splice(0);
    for (const one of held) {
      if (++one.looks < looksWhenStalled) this.#held.push(one);
      else one.giveUp(new StalledError(false));
    }
    if (this.#waiting.size + this.#held.length === 0) return;
    this.#setTimer(this.#looks === mostLooks - 1 ? lastStep : step);
  }

  #letGo(reason: Error): void {
    this.#stalled = this.#underWay > 0;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const { giveUp } of waiting) giveUp(reason);
  }

  /** Ends when no call is under way. */
  whenIdle(): Promise<void> {
    if (this.#underWay === 0) return Promise.resolve();
    return new Promise((resolve) => this.#onIdle.push(resolve));
  }

  /** Lets all go who wait. The calls that are under way may still end. */
  end(reason: Error): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#letGo(reason);
    for (const { giveUp } of this.#held.splice(0)) giveUp(reason);
  }
}

/** Whether a database says that another process has it locked. */
function isLocked(error: unknown): boolean {
  return error instanceof Error && /database is locked/.test(error.message);
}

/** Lets some time pass. */
export function pause(clock: Clock, milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    clock.setTimer(milliseconds, () => resolve());
  });
}

/** Whether a promise ends, one way or the other, within some milliseconds. */
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
