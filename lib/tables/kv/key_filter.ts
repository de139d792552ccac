import { mixed } from "../../bytes/hash.ts";

// 2 MiB. With a million keys, it takes one in five hundred others for one of them.
const words = 2 ** 19;
const bitsPerKey = 4;

/**
 * Remembers keys in memory of a fixed size. It forgets none, but takes some others
 * for keys that it remembers; the more it has, the more of them.
 */
export class KeyFilter {
  #bits = new Uint32Array(words);

  /** Whether it may have the key. If not, the key was never added. */
  mayHave(key: Uint8Array): boolean {
    const hash = hashOf(key);
    const step = stepOf(hash);
    for (let nth = 0, at = hash; nth < bitsPerKey; nth++, at += step) {
      const word = this.#bits[(at >>> 5) % words];
      if ((word & 1 << (at & 31)) === 0) return false;
    }
    return true;
  }

  /** Adds a key. */
  add(key: Uint8Array): void {
    const hash = hashOf(key);
    const step = stepOf(hash);
    for (let nth = 0, at = hash; nth < bitsPerKey; nth++, at += step) {
      this.#bits[(at >>> 5) % words] |= 1 << (at & 31);
    }
  }
}

/** FNV-1a. */
function hashOf(key: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < key.length; at++) {
    hash = Math.imul(hash ^ key[at], 0x01000193);
  }
  return mixed(hash);
}

/** The distance between the bits of a key. It is odd, so that they differ. */
function stepOf(hash: number): number {
  return mixed(hash ^ 0x9e3779b9) | 1;
}
