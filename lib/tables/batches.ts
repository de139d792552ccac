import { requireIterable } from "../arguments.ts";
import { untilAborted } from "../system/abort.ts";

/** The results of a batch, in its order, and the error that ended it early. */
export interface BatchResult<Result> {
  /** Results of the items before the failed one, or of all. */
  readonly results: readonly Result[];
  /** The error of the item that follows them. */
  readonly failed?: { readonly error: unknown };
}

/** How to process a sequence in batches. */
export interface BatchRules<Item, Result> {
  /** How many items a batch has. */
  readonly size: number;
  /** How many batches may run concurrently. */
  readonly concurrency: number;
  /** Processes a batch. `signal` aborts when its results are no longer needed. */
  readonly run: (
    batch: Item[],
    signal: AbortSignal,
  ) => Promise<BatchResult<Result>>;
  /** Ends the wait for an item that does not come. */
  readonly until?: AbortSignal;
}

/** A source that gives several items at once, which takes less time for each. */
export class Lists<Item> {
  /** The items. */
  readonly lists: AsyncIterable<readonly Item[]>;

  /** Reads nothing. */
  constructor(lists: AsyncIterable<readonly Item[]>) {
    this.lists = lists;
  }
}

// A source with an item in memory yields it within this many microtask turns.
const maxSourceTurns = 24;

/**
 * Processes a sequence in batches, several of them concurrently, and yields the
 * results in the order of the sequence. Reads ahead only to fill these batches.
 * While the source keeps it waiting, it processes the items it has.
 */
export class Batches<Item, Result> implements AsyncIterableIterator<Result> {
  #rules: BatchRules<Item, Result>;
  #source:
    | Iterator<Item>
    | AsyncIterator<Item>
    | AsyncIterator<readonly Item[]>;
  #isAsync: boolean;
  #isInLists: boolean;
  #reading: Promise<IteratorResult<Item | readonly Item[]>> | undefined;
  /** The items that were read last, and how many of them are in batches. */
  #list: readonly Item[] = [];
  #taken = 0;
  #sourceEnded = false;
  #sourceFailed: { error: unknown } | undefined;
  #running: Promise<BatchResult<Result>>[] = [];
  #abort = new AbortController();
  #results: readonly Result[] = [];
  #next = 0;
  #failed: { readonly error: unknown } | undefined;
  #waiting = 0;
  #turn: Promise<unknown> = Promise.resolve();

  /** Reads nothing yet. */
  constructor(
    items: Iterable<Item> | AsyncIterable<Item> | Lists<Item>,
    rules: BatchRules<Item, Result>,
  ) {
    this.#rules = rules;
    this.#isInLists = items instanceof Lists;
    const source = items instanceof Lists ? items.lists : items;
    requireIterable("The keys or entries", source);
    this.#isAsync = Symbol.asyncIterator in source;
    this.#source = Symbol.asyncIterator in source
      ? source[Symbol.asyncIterator]()
      : source[Symbol.iterator]();
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

  /** Gives the results as lists, of a batch each. Use it instead of `next`. */
  async *lists(): AsyncGenerator<readonly Result[]> {
    for await (const first of this) {
      const rest = this.#results.slice(this.#next);
      this.#next = this.#results.length;
      yield [first, ...rest];
    }
  }

  /** Stops reading, and waits for running batches. */
  return(): Promise<IteratorResult<Result, undefined>> {
    return this.#inTurn(async () => {
      await this.#end();
      return { done: true, value: undefined };
    });
  }

  /** Runs concurrent calls one after the other. */
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
      const batch = this.#running.shift();
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
      // Start the next batch while the caller uses these results.
      if (this.#failed === undefined && !this.#isAsync) await this.#readAhead();
    }
    return { done: false, value: this.#results[this.#next++] };
  }

  async #readAhead(): Promise<void> {
    const { size, concurrency, run } = this.#rules;
    while (this.#running.length < concurrency && !this.#sourceEnded) {
      const batch: Item[] = [];
      if (this.#isAsync) await this.#readAsync(batch, size);
      else this.#read(batch, size);
      if (batch.length === 0) return;
      const work = run(batch, this.#abort.signal);
      // #advance handles its failure, but may never get there.
      work.catch(() => undefined);
      this.#running.push(work);
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

  /** Reads items that are ready now; waits for one only if no batch is running. */
  async #readAsync(batch: Item[], size: number): Promise<void> {
    const source = this.#source as AsyncIterator<Item | readonly Item[]>;
    const { until } = this.#rules;
    try {
      while (batch.length < size) {
        if (this.#taken < this.#list.length) {
          batch.push(this.#list[this.#taken++]);
          continue;
        }
        this.#reading ??= source.next();
        const idle = batch.length === 0 && this.#running.length === 0;
        if (!idle && !await isReady(this.#reading)) return;
        // What is ready need not be watched for an abort, which takes time.
        const { done, value } =
          await (idle ? untilAborted(this.#reading, until) : this.#reading);
        this.#reading = undefined;
        if (done) {
          this.#sourceEnded = true;
          return;
        }
        if (!this.#isInLists) batch.push(value as Item);
        else {
          this.#list = value as readonly Item[];
          this.#taken = 0;
        }
      }
    } catch (error) {
      this.#sourceFailed = { error };
      // It has not ended, only the wait for it.
      if (until?.aborted) return;
      this.#reading = undefined;
      this.#sourceEnded = true;
    }
  }

  async #end(): Promise<void> {
    this.#results = [];
    this.#next = 0;
    this.#sourceFailed = undefined;
    const ended = this.#sourceEnded;
    this.#sourceEnded = true;
    // With a reason: creating the default one takes 10 ms.
    this.#abort.abort("unwanted");
    await Promise.allSettled(this.#running.splice(0));
    if (ended) return;
    const returned = this.#source.return?.();
    // A source that has not answered `next` may never answer at all.
    if (this.#reading === undefined) await returned;
    else {
      this.#reading.catch(() => undefined);
      if (returned instanceof Promise) returned.catch(() => undefined);
    }
  }
}

async function isReady(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const settle = () => {
    settled = true;
  };
  promise.then(settle, settle);
  for (let turn = 0; turn < maxSourceTurns && !settled; turn++) await undefined;
  return settled;
}
