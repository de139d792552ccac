import { runtime } from "./runtime.ts";

/** A running timer. */
export interface Timer {
  /** Stops it: the callback is not called any more. */
  cancel(): void;
  /**
   * Tells whether anything waits for the timer. While nothing does, it should not
   * keep the process alive. Missing where the runtime cannot do that.
   */
  setBusy?(busy: boolean): void;
}

/**
 * The source of time for retry pauses and time-outs. With a fake clock, tests of
 * them take no time.
 */
export interface Clock {
  /** The milliseconds since a fixed point in time; never decreases. */
  now(): number;
  /** Calls `callback` once, after so many milliseconds. */
  setTimer(milliseconds: number, callback: () => void): Timer;
}

// The runtimes fire a longer timer at once. This is 24 days; callers that wait
// longer check the time when the timer fires.
const longestTimer = 2147483647;

/** The clock of the runtime. */
export const systemClock: Clock = {
  now: () => performance.now(),
  setTimer: (milliseconds, callback) => {
    const timer = runtime === "deno" ? signalTimer : plainTimer;
    return timer(Math.min(milliseconds, longestTimer), callback);
  },
};

// In Deno the first setTimeout takes 5 ms, a fifth of a short command.
function signalTimer(milliseconds: number, callback: () => void): Timer {
  const signal = AbortSignal.timeout(milliseconds);
  let busy = false;
  const setBusy = (now: boolean) => {
    if (now === busy) return;
    busy = now;
    // It fired while nothing waited for it, so the callback was not called.
    if (now && signal.aborted) queueMicrotask(() => busy && callback());
    else if (now) signal.addEventListener("abort", callback);
    else signal.removeEventListener("abort", callback);
  };
  setBusy(true);
  return { cancel: () => setBusy(false), setBusy };
}

// In other runtimes, the signal of a time-out does not keep the process alive.
function plainTimer(milliseconds: number, callback: () => void): Timer {
  let busy = true;
  let fired = false;
  const timer = setTimeout(() => {
    fired = true;
    if (busy) callback();
  }, milliseconds);
  // On the edge a timer is a number, and there is no process to keep alive.
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
      else if (fired) queueMicrotask(() => busy && callback());
      else handle.ref?.();
    },
  };
}
