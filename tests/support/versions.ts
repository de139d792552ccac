import { assert } from "./assert.ts";

/**
 * What a table may answer while many callers write and read: of each key the number
 * of the last write that was asked for, and of the last one that was acknowledged.
 * Every third write of a key is a delete. Each key has one writer at a time.
 */
export class Versions {
  #asked: Map<string, number>;
  #acknowledged: Map<string, number>;
  #valueOf: (key: string, number: number) => string;

  /** All keys have been written once. A value begins with its number. */
  constructor(
    keys: readonly string[],
    valueOf: (key: string, number: number) => string,
  ) {
    this.#asked = new Map(keys.map((key) => [key, 1]));
    this.#acknowledged = new Map(this.#asked);
    this.#valueOf = valueOf;
  }

  /** The next write of a key; without a value it is a delete. */
  next(key: string): { number: number; value: string | undefined } {
    const number = this.#asked.get(key)! + 1;
    this.#asked.set(key, number);
    const value = isDelete(number) ? undefined : this.#valueOf(key, number);
    return { number, value };
  }

  acknowledge(key: string, number: number): void {
    this.#acknowledged.set(key, number);
  }

  /** What a lookup that begins now must know. */
  acknowledged(key: string): number {
    return this.#acknowledged.get(key)!;
  }

  /** Checks the answer to a lookup that began when `from` was acknowledged. */
  check(key: string, value: string | undefined, from: number): void {
    const most = this.#asked.get(key)!;
    const what = `${key} is ${
      value?.slice(0, 40)
    }, of writes ${from} to ${most}`;
    if (value === undefined) {
      let number = from;
      while (number < most && !isDelete(number)) number++;
      assert(isDelete(number), what);
      return;
    }
    const number = Number.parseInt(value);
    assert(number >= from && number <= most && !isDelete(number), what);
    assert(value === this.#valueOf(key, number), what);
  }
}

function isDelete(number: number): boolean {
  return number % 3 === 0;
}
