// All clients of a server together may take 64 MB of memory. The number of short
// requests and replies is limited; long ones share a fixed number of buffers.

/** How many requests of all clients may be unanswered at once. */
export const maxUnanswered = 10_000;

// Bytes, for all short and for all long requests and replies.
const shortMemory = 40_960_000;
const longMemory = 23_040_000;

// The bytes of the longest request as a netstring. No reply is longer.
const slotSize = 102_400 + 16;
const slots = Math.floor(longMemory / slotSize);

/**
 * Buffers for long replies while they are sent. A long request takes a slot as
 * well, until it is complete and its key is looked up, but not its memory: that
 * only limits how many there are.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { BufferPool } from "./buffer_pool.ts";
 *
 * const pool = new BufferPool({ clients: 1000 });
 * const slot = pool.take()!;
 * assertEquals(pool.memory(slot).length >= 100_000, true);
 * pool.release(slot);
 * ```
 */
export class BufferPool {
  /** The size in bytes from which a request or a reply is long. */
  readonly longSize: number;
  #free: number[] = Array.from({ length: slots }, (_, at) => slots - 1 - at);
  #waiting = new Set<(slot: number) => void>();
  /** The memory of all slots. The system assigns its pages when they are used. */
  #memory: Uint8Array | undefined;
  #usedLately = false;

  /** `clients` is how many clients there may be at once. */
  constructor({ clients }: { clients: number }) {
    this.longSize = Math.floor(shortMemory / Math.max(maxUnanswered, clients));
  }

  /** How many callers wait for a slot. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Takes a slot; `undefined` if none is free. */
  take(): number | undefined {
    return this.#free.pop();
  }

  /**
   * Takes a slot as soon as one is free, and calls `taken` with it. Returns a
   * function that cancels this.
   */
  wait(taken: (slot: number) => void): () => void {
    this.#waiting.add(taken);
    return () => this.#waiting.delete(taken);
  }

  /** Gives a slot back, or passes it on to the caller that has waited longest. */
  release(slot: number): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#free.push(slot);
      return;
    }
    this.#waiting.delete(next);
    next(slot);
  }

  /** The memory of a slot. Its content is undefined. */
  memory(slot: number): Uint8Array {
    this.#usedLately = true;
    this.#memory ??= new Uint8Array(slots * slotSize);
    return this.#memory.subarray(slot * slotSize, (slot + 1) * slotSize);
  }

  /**
   * Frees the memory if it was not used since the last call. Returns whether no
   * memory is allocated.
   */
  freeIfUnused(): boolean {
    if (!this.#usedLately && this.#free.length === slots) {
      this.#memory = undefined;
    }
    this.#usedLately = false;
    return this.#memory === undefined;
  }
}
