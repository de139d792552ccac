/** An iterator that is made when its first result is asked for. */
export class LazyIterator<Result> implements AsyncIterableIterator<Result> {
  #make: () => Promise<AsyncIterableIterator<Result>>;
  #making: Promise<AsyncIterableIterator<Result>> | undefined;
  #made: AsyncIterableIterator<Result> | undefined;

  /** Makes nothing yet. */
  constructor(make: () => Promise<AsyncIterableIterator<Result>>) {
    this.#make = make;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Result>> {
    return this.#made === undefined ? this.#makeAndAsk() : this.#made.next();
  }

  async #makeAndAsk(): Promise<IteratorResult<Result>> {
    this.#making ??= this.#make();
    this.#made = await this.#making;
    return await this.#made.next();
  }

  /** Never rejects: what went wrong was told by `next`. */
  async return(): Promise<IteratorResult<Result>> {
    // Nothing is made of it any more.
    this.#making ??= Promise.resolve(nothing());
    const made = await this.#making.catch(() => undefined);
    await made?.return?.();
    return { done: true, value: undefined };
  }
}

async function* nothing(): AsyncGenerator<never> {}
