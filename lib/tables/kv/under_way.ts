import type { WritePace } from "../driver.ts";

// Deno KV allows a commit 819,200 bytes. The longest key is left for the mark that
// ends a filling; see filling.ts.
const largestCommit = 819200 - 2048;

/** How much of a database is under way at once. A batch of writes is some full commits. */
export interface Pace extends WritePace {
  /** Calls of `getMany` for one batch of keys. */
  readonly reads: number;
  /** Calls of `get`, where there is no `getMany`. */
  readonly gets: number;
  /** The calls of a batch until one of them is answered. */
  readonly firstReads: number;
  /** Bytes of the values that the calls of a batch return. */
  readonly readBytes: number;
  /** Commits, of all batches together. */
  readonly commits: number;
  /** Bytes of one commit. */
  readonly commitBytes: number;
  /** Bytes of all commits; one alone may have more. */
  readonly bytes: number;
  /** Entries of a batch that are worth a {@linkcode Filling} of an empty table. */
  readonly fillFrom: number;
}

/**
 * A database on this machine: what is under way hides the time between calls. Deno
 * takes the next commit from this thread only when its event loop turns. Therefore
 * batches are small: between two turns no more is done than a commit takes.
 */
export const near: Pace = {
  reads: 25,
  gets: 32,
  firstReads: Infinity,
  readBytes: Infinity,
  batchSize: 297,
  batches: 2,
  commits: 4,
  commitBytes: largestCommit,
  bytes: Infinity,
  fillFrom: 100,
};

/**
 * A database that is handed in, of which nothing is known: Workers KV takes only six
 * requests at once, and a commit there is many.
 */
export const unknown: Pace = {
  reads: 8,
  gets: 32,
  firstReads: Infinity,
  readBytes: Infinity,
  batchSize: 990,
  batches: 1,
  commits: 1,
  commitBytes: largestCommit,
  bytes: Infinity,
  fillFrom: Infinity,
};

/**
 * A database on another machine: what is under way hides the time that an answer
 * takes. The limits of bytes are for slow networks, where each request must still
 * be answered within some seconds.
 */
export const far: Pace = {
  reads: 32,
  gets: 32,
  firstReads: 8,
  readBytes: 524288,
  batchSize: 990,
  batches: 4,
  commits: 100,
  commitBytes: 131072,
  bytes: 1048576,
  fillFrom: Infinity,
};

/** Lets only so many commits, of so many bytes, be under way at once. */
export class CommitsUnderWay {
  #pace: Pick<Pace, "commits" | "bytes">;
  #commits = 0;
  #bytes = 0;
  #waiting: { readonly bytes: number; readonly start: () => void }[] = [];

  /** None is under way yet. */
  constructor(pace: Pick<Pace, "commits" | "bytes">) {
    this.#pace = pace;
  }

  /** Waits until a commit may start. Call `leave` when it has ended. */
  async enter(bytes: number): Promise<void> {
    if (this.#waiting.length > 0 || !this.#mayStart(bytes)) {
      await new Promise<void>((start) => this.#waiting.push({ bytes, start }));
    } else this.#begin(bytes);
  }

  /** Tells that a commit has ended. */
  leave(bytes: number): void {
    this.#commits--;
    this.#bytes -= bytes;
    for (;;) {
      const [next] = this.#waiting;
      if (next === undefined || !this.#mayStart(next.bytes)) return;
      this.#waiting.shift();
      this.#begin(next.bytes);
      next.start();
    }
  }

  #mayStart(bytes: number): boolean {
    return this.#commits === 0 ||
      this.#commits < this.#pace.commits &&
        this.#bytes + bytes <= this.#pace.bytes;
  }

  #begin(bytes: number): void {
    this.#commits++;
    this.#bytes += bytes;
  }
}
