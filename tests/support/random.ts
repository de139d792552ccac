/** Random choices that a seed repeats. */
export class Random {
  readonly seed: number;
  #state: number;

  constructor(seed: number) {
    this.seed = seed;
    this.#state = seed >>> 0;
  }

  /** The seed of the environment, or a new one; printed, to repeat a failure. */
  static seeded(test: string): Random {
    const given = Deno.env.get("SEED");
    const seed = given === undefined
      ? crypto.getRandomValues(new Uint32Array(1))[0]
      : Number(given);
    console.log(`${test}: SEED=${seed}`);
    return new Random(seed);
  }

  /** From 0 to below 1. */
  number(): number {
    // mulberry32
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  }

  /** From `least` to `most`. */
  integer(least: number, most: number): number {
    return least + Math.floor(this.number() * (most - least + 1));
  }

  chance(probability: number): boolean {
    return this.number() < probability;
  }

  pick<T>(choices: readonly T[]): T {
    return choices[Math.floor(this.number() * choices.length)];
  }

  /** So many of something. */
  list<T>(least: number, most: number, make: () => T): T[] {
    return Array.from({ length: this.integer(least, most) }, make);
  }
}
