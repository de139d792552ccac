import { mixed } from "../bytes/hash.ts";

const firstSlots = 1024;

// With two million keys, its memory is 32 MiB.
const maxKeys = 2 ** 21;

/**
 * Remembers that keys exist, in 16 bytes for each or less. It remembers two million;
 * of later ones it does not know that they exist.
 *
 * It keeps a hash of 64 bits of a key. Two of two million keys have the same one with
 * a probability of one in eight million.
 */
export class KnownKeys {
  #limit: number;
  /** Two numbers for each slot, both 0 in a free one. */
  #slots: Uint32Array = new Uint32Array(2 * firstSlots);
  #count = 0;

  /** Remembers `limit` keys at most. */
  constructor(limit: number = maxKeys) {
    this.#limit = limit;
  }

  /** Remembers a key, unless it is one too many. */
  add(key: string): void {
    if (this.#count === this.#limit) return;
    if (4 * this.#count >= this.#slots.length) this.#grow();
    if (this.#put(...hashOf(key))) this.#count++;
  }

  /** Whether the key is known to exist. */
  has(key: string): boolean {
    const [low, high] = hashOf(key);
    return this.#slots[this.#find(low, high)] !== 0;
  }

  /** Returns whether the hash is new. */
  #put(low: number, high: number): boolean {
    const at = this.#find(low, high);
    if (this.#slots[at] !== 0) return false;
    this.#slots[at] = low;
    this.#slots[at + 1] = high;
    return true;
  }

  /** Where a hash is, or the free slot for it. At least half of them are free. */
  #find(low: number, high: number): number {
    const slots = this.#slots;
    const last = slots.length - 1;
    let at = 2 * low & last;
    while (slots[at] !== 0 && (slots[at] !== low || slots[at + 1] !== high)) {
      at = at + 2 & last;
    }
    return at;
  }

  #grow(): void {
    const old = this.#slots;
    this.#slots = new Uint32Array(2 * old.length);
    for (let at = 0; at < old.length; at += 2) {
      if (old[at] !== 0) this.#put(old[at], old[at + 1]);
    }
  }
}

/** Two hashes of 32 bits; the first is never 0. */
function hashOf(key: string): [low: number, high: number] {
  let low = 0x811c9dc5;
  let high = 0x9e3779b9;
  for (let at = 0; at < key.length; at++) {
    const code = key.charCodeAt(at);
    low = Math.imul(low ^ code, 0x01000193);
    high = Math.imul(high ^ code, 0x85ebca6b);
    high = high << 13 | high >>> 19;
  }
  return [mixed(low) >>> 0 || 1, mixed(high) >>> 0];
}
