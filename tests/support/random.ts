/** Random choices that can be repeated with the same seed. */
export class Random {
  readonly seed: number;
  #state: number;

  constructor(seed: number) {
    this.seed = seed;
    this.#state = seed >>> 0;
  }

  /** Uses the seed in the environment, or a new one, and prints it. */
  static seeded(test: string): Random {
    const fixed = Deno.env.get("SEED");
    const seed = fixed === undefined
      ? crypto.getRandomValues(new Uint32Array(1))[0]
      : Number(fixed);
    console.log(`${test}: SEED=${seed}`);
    return new Random(seed);
  }

  /** A number from 0 to below 1. */
  number(): number {
    // mulberry32
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  }

  /** A whole number from `least` to `most`. */
  integer(least: number, most: number): number {
    return least + Math.floor(this.number() * (most - least + 1));
  }

  chance(probability: number): boolean {
    return this.number() < probability;
  }

  pick<T>(choices: readonly T[]): T {
    return choices[Math.floor(this.number() * choices.length)];
  }

  /** A list of `least` to `most` items. */
  list<T>(least: number, most: number, make: () => T): T[] {
    return Array.from({ length: this.integer(least, most) }, make);
  }
}
