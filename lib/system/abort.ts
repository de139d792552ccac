// What to call, by signal. A listener for each request would take long to add where one
// signal is for thousands of them, and Node warns of many.
const calls = new WeakMap<AbortSignal, Set<() => void>>();

/**
 * Calls `call` when a signal is aborted, at once if it is already. Returns a function
 * that prevents that.
 */
export function onAbort(signal: AbortSignal, call: () => void): () => void {
  if (signal.aborted) call();
  const all = calls.get(signal) ?? new Set();
  if (all.size === 0) {
    calls.set(signal, all);
    signal.addEventListener("abort", callAll);
  }
  all.add(call);
  return () => {
    all.delete(call);
    if (all.size === 0) signal.removeEventListener("abort", callAll);
  };
}

function callAll({ target }: Event): void {
  for (const call of [...calls.get(target as AbortSignal) ?? []]) call();
}

/** A signal that is aborted with `signal`, if there is one, and with `other`. */
export function eitherAborts(
  signal: AbortSignal | undefined,
  other: AbortSignal,
): AbortSignal {
  return signal === undefined ? other : AbortSignal.any([signal, other]);
}

/**
 * The result of `work`, or the reason of a signal that is aborted before that. The work
 * itself goes on.
 */
export function untilAborted<T>(
  work: Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  // No promise more where there is no signal: a lookup is made of few.
  return signal === undefined ? work : race(work, signal);
}

async function race<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let prevent = () => {};
  try {
    return await new Promise<T>((resolve, reject) => {
      work.then(resolve, reject);
      prevent = onAbort(signal, () => reject(signal.reason));
    });
  } finally {
    prevent();
  }
}
