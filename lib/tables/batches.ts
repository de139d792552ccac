/** What became of a batch: results in its order, and what ended it, if anything. */
export interface BatchResult<Result> {
  /** Results of the first items; of all, unless it failed. */
  readonly results: readonly Result[];
  /** What went wrong with the item behind them. */
  readonly failed?: { readonly error: unknown };
}

/** How a sequence is worked on in batches. */
export interface BatchRules<Item, Result> {
  /** Items of a batch. */
  readonly size: number;
  /** Batches that may be under way at once. */
  readonly atOnce: number;
  /**
   * Works on a batch. `signal` tells that nobody wants its results any more.
   */
  readonly run: (
    batch: Item[],
    signal: AbortSignal,
  ) => Promise<BatchResult<Result>>;
}

// Whatever a source has at hand, it gives within so many turns.
const turnsOfASource = 24;

/**
 * Works on a sequence in batches, several of them at once, and gives the results
 * in the order of the sequence. Reads no further ahead than that. A source that
 * has to be waited for does not hold up what it gave before.
 */
export class Batches<Item, Result> implements AsyncIterableIterator<Result> {
  #rules: BatchRules<Item, Result>;
  #source: Iterator<Item> | AsyncIterator<Item>;
  #isAsync: boolean;
  #reading: Promise<IteratorResult<Item>> | undefined;
  #sourceEnded = false;
  #sourceFailed: { error: unknown } | undefined;
  #underWay: Promise<BatchResult<Result>>[] = [];
  #abort = new AbortController();
  #results: readonly Result[] = [];
  #next = 0;
  #failed: { readonly error: unknown } | undefined;
  #waiting = 0;
  #turn: Promise<unknown> = Promise.resolve();

  /** Reads nothing yet. */
  constructor(
    items: Iterable<Item> | AsyncIterable<Item>,
    rules: BatchRules<Item, Result>,
  ) {
    this.#rules = rules;
    this.#isAsync = Symbol.asyncIterator in items;
    this.#source = Symbol.asyncIterator in items
      ? items[Symbol.asyncIterator]()
      : items[Symbol.iterator]();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Result, undefined>> {
    if (this.#next < this.#results.length && this.#waiting === 0) {
      return Promise.resolve({
        done: false,
        value: this.#results[this.#next++],
      });
    }
    return this.#inTurn(() => this.#advance());
  }

  /** Reads no more, and waits for what is under way. */
  return(): Promise<IteratorResult<Result, undefined>> {
    return this.#inTurn(async () => {
      await this.#end();
      return { done: true, value: undefined };
    });
  }

  /** Lets calls that do not wait for each other come one after the other. */
  #inTurn<T>(action: () => Promise<T>): Promise<T> {
    this.#waiting++;
    const result = this.#turn.then(action).finally(() => this.#waiting--);
    this.#turn = result.catch(() => undefined);
    return result;
  }

  async #advance(): Promise<IteratorResult<Result, undefined>> {
    while (this.#next >= this.#results.length) {
      if (this.#failed !== undefined) {
        const { error } = this.#failed;
        this.#failed = undefined;
        await this.#end();
        throw error;
      }
      await this.#readAhead();
      const batch = this.#underWay.shift();
      if (batch === undefined) {
        if (this.#sourceFailed === undefined) {
          return { done: true, value: undefined };
        }
        this.#failed = this.#sourceFailed;
        this.#sourceFailed = undefined;
        continue;
      }
      try {
        const { results, failed } = await batch;
        this.#results = results;
        this.#failed = failed;
      } catch (error) {
        this.#results = [];
        this.#failed = { error };
      }
      this.#next = 0;
      // So that there is always something to do while results are looked at.
      if (this.#failed === undefined && !this.#isAsync) await this.#readAhead();
    }
    return { done: false, value: this.#results[this.#next++] };
  }

  async #readAhead(): Promise<void> {
    const { size, atOnce, run } = this.#rules;
    while (this.#underWay.length < atOnce && !this.#sourceEnded) {
      const batch: Item[] = [];
      if (this.#isAsync) await this.#readAsync(batch, size);
      else this.#read(batch, size);
      if (batch.length === 0) return;
      const work = run(batch, this.#abort.signal);
      // It is looked at in its turn, which may never come.
      work.catch(() => undefined);
      this.#underWay.push(work);
    }
  }

  #read(batch: Item[], size: number): void {
    const source = this.#source as Iterator<Item>;
    try {
      while (batch.length < size) {
        const { done, value } = source.next();
        if (done) {
          this.#sourceEnded = true;
          return;
        }
        batch.push(value);
      }
    } catch (error) {
      this.#sourceEnded = true;
      this.#sourceFailed = { error };
    }
  }

  /** Reads what is at hand; waits when there is nothing else to do. */
  async #readAsync(batch: Item[], size: number): Promise<void> {
    const source = this.#source as AsyncIterator<Item>;
    try {
      while (batch.length < size) {
        this.#reading ??= source.next();
        const idle = batch.length === 0 && this.#underWay.length === 0;
        if (!idle && !await isAtHand(this.#reading)) return;
        const { done, value } = await this.#reading;
        this.#reading = undefined;
        if (done) {
          this.#sourceEnded = true;
          return;
        }
        batch.push(value);
      }
    } catch (error) {
      this.#reading = undefined;
      this.#sourceEnded = true;
      this.#sourceFailed = { error };
    }
  }

  async #end(): Promise<void> {
    this.#results = [];
    this.#next = 0;
    this.#sourceFailed = undefined;
    const ended = this.#sourceEnded;
    this.#sourceEnded = true;
    // With a reason: the one that there is by default takes 10 ms to be made.
    this.#abort.abort("unwanted");
    await Promise.allSettled(this.#underWay.splice(0));
    if (ended) return;
    const returned = this.#source.return?.();
    // A source that is waited for may never come back.
    if (this.#reading === undefined) await returned;
    else {
      this.#reading.catch(() => undefined);
      if (returned instanceof Promise) returned.catch(() => undefined);
    }
  }
}

async function isAtHand(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const settle = () => {
    settled = true;
  };
  promise.then(settle, settle);
  for (let turn = 0; turn < turnsOfASource && !settled; turn++) await undefined;
  return settled;
}
