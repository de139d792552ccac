/** The place of a write among those that are under way. */
export interface WritePlace {
  /**
   * Resolves when all earlier writes of these keys have ended; rejects with the error
   * that one of them told. `undefined` where there are none.
   */
  readonly earlier: Promise<unknown> | undefined;
  /** Lets later writes of these keys begin. With an error, they fail with it. */
  end(error?: unknown): void;
}

/** Keys that are written. */
interface OngoingWrite {
  readonly keys: ReadonlySet<string>;
  /** Ends when the write does. */
  readonly done: Promise<void>;
}

/**
 * Keeps the order of writes of one key, also where one of them takes longer to begin.
 * Writes of other keys do not wait.
 */
export class WriteOrder {
  #ongoing = new Set<OngoingWrite>();

  /** Takes the place of a write. Call it at once when the write is requested. */
  begin(keys: readonly string[]): WritePlace {
    const before = [...this.#ongoing].filter((other) =>
      keys.some((key) => other.keys.has(key))
    );
    const { promise: done, resolve, reject } = withResolvers();
    const earlier = before.length === 0
      ? undefined
      : Promise.all(before.map((other) => other.done));
    // Not every write waits: an error is told by the write that has it.
    done.catch(() => {});
    earlier?.catch(() => {});
    const own = { keys: new Set(keys), done };
    this.#ongoing.add(own);
    return {
      earlier,
      end: (error) => {
        this.#ongoing.delete(own);
        if (error === undefined) resolve();
        else reject(error);
      },
    };
  }
}

// Node 20 has no Promise.withResolvers.
function withResolvers() {
  let resolve = () => {};
  let reject = (_: unknown) => {};
  const promise = new Promise<void>((done, fail) => {
    resolve = done;
    reject = fail;
  });
  return { promise, resolve, reject };
}
