import { systemClock, type Timer } from "../system/clock.ts";
import { Interrupted } from "./stop_signals.ts";
import { terminal } from "./terminal.ts";

// Milliseconds. What is under way may take long: a server that is silent, a database
// that another program has locked. A user who stops a program does not wait for that.
const patience = 2000;

/**
 * Runs what leaves something behind when it is killed. SIGINT and SIGTERM abort the
 * signal that it gets, with {@linkcode Interrupted} as the reason. It has two seconds to
 * end then, and a second signal does not wait for it.
 */
export async function untilInterrupted<T>(
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const abort = new AbortController();
  let timer: Timer | undefined;
  const release = terminal.onStop((by) => {
    release();
    timer = systemClock.setTimer(patience, () => terminal.endBySignal(by));
    abort.abort(new Interrupted(by));
  });

  try {
    const result = await work(abort.signal);
    // Whoever runs several programs in a row wants to end all of them.
    abort.signal.throwIfAborted();
    return result;
  } catch (error) {
    // Tables that were closed have errors of their own.
    throw abort.signal.aborted ? abort.signal.reason : error;
  } finally {
    release();
    timer?.cancel();
  }
}
