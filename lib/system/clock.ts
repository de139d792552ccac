import { runtime } from "./runtime.ts";

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
  setTimer: (milliseconds, callback) => {
    const timer = runtime === "deno" ? signalTimer : plainTimer;
    return timer(Math.min(milliseconds, longestTimer), callback);
  },
};

// Not setTimeout: the first of them costs a Deno program 5 ms, a fifth of a
// whole command.
function signalTimer(milliseconds: number, callback: () => void): Timer {
  const signal = AbortSignal.timeout(milliseconds);
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
}

// Elsewhere such a signal does not keep the process alive.
function plainTimer(milliseconds: number, callback: () => void): Timer {
  let busy = true;
  let wentOff = false;
  const timer = setTimeout(() => {
    wentOff = true;
    if (busy) callback();
  }, milliseconds);
  // On the edge it is a number, and there is no process to keep alive.
  const handle = timer as unknown as { ref?(): void; unref?(): void };
  return {
    cancel() {
      busy = false;
      clearTimeout(timer);
    },
    setBusy(now) {
      if (now === busy) return;
      busy = now;
      if (!now) handle.unref?.();
      else if (wentOff) queueMicrotask(() => busy && callback());
      else handle.ref?.();
    },
  };
}
