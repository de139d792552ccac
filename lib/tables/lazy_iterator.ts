/** An iterator that is created by the first call of `next`. */
export class LazyIterator<Result> implements AsyncIterableIterator<Result> {
  #make: () => Promise<AsyncIterableIterator<Result>>;
  #making: Promise<AsyncIterableIterator<Result>> | undefined;
  #made: AsyncIterableIterator<Result> | undefined;

  /** Does not call `make` yet. */
  constructor(make: () => Promise<AsyncIterableIterator<Result>>) {
    this.#make = make;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Result>> {
    return this.#made === undefined ? this.#makeAndNext() : this.#made.next();
  }

  async #makeAndNext(): Promise<IteratorResult<Result>> {
    this.#making ??= this.#make();
    this.#made = await this.#making;
    return await this.#made.next();
  }

  /** Never rejects: `next` has reported the failure. */
  async return(): Promise<IteratorResult<Result>> {
    // A `next` that comes later must not call `make`.
    this.#making ??= Promise.resolve(emptyIterator());
    const made = await this.#making.catch(() => undefined);
    await made?.return?.();
    return { done: true, value: undefined };
  }
}

async function* emptyIterator(): AsyncGenerator<never> {}
