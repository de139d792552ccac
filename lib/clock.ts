/** A timer that was set. */
export interface Timer {
  /** Takes it back. */
  cancel(): void;
  /**
   * Tells whether anything waits for the timer. While nothing does, it should
   * not keep the process alive, where the runtime can do that.
   */
  setBusy?(busy: boolean): void;
}

/**
 * Time as the client sees it. Hand in another one, and a retry pause or a
 * time-out costs a test no time.
 */
export interface Clock {
  /** Milliseconds from any fixed point; never goes back. */
  now(): number;
  /** Calls `callback` once, after so many milliseconds. */
  setTimer(milliseconds: number, callback: () => void): Timer;
}

// A longer one goes off at once. Whoever waits for more than these 24 days looks
// at the time again.
const longestTimer = 2147483647;

/** The clock of the runtime. */
export const systemClock: Clock = {
  now: () => performance.now(),
  setTimer(milliseconds, callback) {
    // Not setTimeout: the first of them costs a Deno program 5 ms, a fifth of
    // a whole command.
    const signal = AbortSignal.timeout(Math.min(milliseconds, longestTimer));
    let busy = false;
    const setBusy = (now: boolean) => {
      if (now === busy) return;
      busy = now;
      // It went off while nothing waited for it, and nobody was told.
      if (now && signal.aborted) queueMicrotask(() => busy && callback());
      else if (now) signal.addEventListener("abort", callback);
      else signal.removeEventListener("abort", callback);
    };
    setBusy(true);
    return { cancel: () => setBusy(false), setBusy };
  },
};
