import { onAbort } from "../../system/abort.ts";

/** What a run of postmap found. */
export interface RunAnswer {
  /** The value of each key before the failed one, or of all. */
  readonly values: readonly (string | undefined)[];
  /** The first key that failed. */
  readonly failed?: { readonly at: number; readonly error: unknown };
}

/** The ways to ask postmap. */
export interface LookupRuns {
  /** Looks up one key, in a run of its own. */
  readonly lookupOne: (
    key: string,
    signal?: AbortSignal,
  ) => Promise<string | undefined>;
  /** Looks up many keys, in one run if none fails. */
  readonly lookupMany: (
    keys: readonly string[],
    signal: AbortSignal,
  ) => Promise<RunAnswer>;
}

/** A lookup that waits for a run. */
interface Question {
  readonly key: string;
  readonly signal: AbortSignal | undefined;
  readonly resolve: (value: string | undefined) => void;
  readonly reject: (error: unknown) => void;
}

// More of them take no less time on two processors, and longer for each.
const mostRuns = 2;
const mostKeys = 1024;

/**
 * Single lookups in a table, in few runs of postmap: while two runs are under way,
 * further lookups wait, and the next run takes them all. A lone lookup has a run of
 * its own at once.
 */
export class SharedLookups {
  #runs: LookupRuns;
  #running = 0;
  #waiting: Question[] = [];

  /** Starts nothing yet. */
  constructor(runs: LookupRuns) {
    this.#runs = runs;
  }

  /**
   * The value of a key; `undefined` if it is not found. An abort ends the run if no
   * other lookup waits for it.
   */
  lookup(key: string, signal?: AbortSignal): Promise<string | undefined> {
    if (this.#running < mostRuns) {
      return this.#counted(() => this.#runs.lookupOne(key, signal));
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ key, signal, resolve, reject });
    });
  }

  async #counted<T>(run: () => Promise<T>): Promise<T> {
    this.#running++;
    try {
      return await run();
    } finally {
      this.#running--;
      this.#askWaiting();
    }
  }

  #askWaiting(): void {
    const questions = this.#waiting.splice(0, mostKeys).filter((question) => {
      const { signal, reject } = question;
      if (signal?.aborted) reject(signal.reason);
      return !signal?.aborted;
    });
    if (questions.length > 1) {
      void this.#counted(() => this.#askTogether(questions));
    } else {
      for (const { key, signal, resolve, reject } of questions) {
        this.lookup(key, signal).then(resolve, reject);
      }
    }
  }

  async #askTogether(questions: readonly Question[]): Promise<void> {
    const unwanted = new AbortController();
    let wanted = questions.length;
    const stops = questions.map(({ signal, reject }) =>
      signal && onAbort(signal, () => {
        reject(signal.reason);
        wanted--;
        if (wanted === 0) unwanted.abort(signal.reason);
      })
    );
    const keys = questions.map(({ key }) => key);
    let answer: RunAnswer;
    try {
      answer = await this.#runs.lookupMany(keys, unwanted.signal);
    } catch (error) {
      answer = { values: [], failed: { at: 0, error } };
    } finally {
      for (const stop of stops) stop?.();
    }
    const end = answer.failed?.at ?? questions.length;
    for (const [at, { key, signal, resolve, reject }] of questions.entries()) {
      if (at < end) resolve(answer.values[at]);
      else if (at === end) reject(answer.failed!.error);
      else if (!signal?.aborted) {
        // Nothing is known of the keys after one that failed.
        this.#runs.lookupOne(key, signal).then(resolve, reject);
      }
    }
  }
}
