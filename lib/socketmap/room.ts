// How much memory the clients of a server may take, all together: 64 MB. What is
// short is limited by its number; of what is long there is only so much at once.

/** Requests of all clients that may be without a reply that was taken. */
export const mostUnanswered = 10_000;

// Bytes of all that is short, and of all that is long.
const shortRoom = 40_960_000;
const longRoom = 23_040_000;

// The longest request, in bytes, and what it is wrapped in; no reply is longer.
const placeSize = 102_400 + 16;
const places = Math.floor(longRoom / placeSize);

/**
 * Room for what is long: a reply that is being sent, a request that is not
 * complete, or a key. Each takes one place, and only a reply uses its memory.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Room } from "./room.ts";
 *
 * const room = new Room({ clients: 1000 });
 * const place = room.take()!;
 * assertEquals(room.memory(place).length >= 100_000, true);
 * room.give(place);
 * ```
 */
export class Room {
  /** From so many bytes on a request or a reply is long. */
  readonly long: number;
  #free: number[] = Array.from({ length: places }, (_, at) => places - 1 - at);
  #waiting = new Set<(place: number) => void>();
  /** The memory of all places: pages that nobody has used take none. */
  #memory: Uint8Array | undefined;
  #usedLately = false;

  /** Room for so many clients at once. */
  constructor({ clients }: { clients: number }) {
    this.long = Math.floor(shortRoom / Math.max(mostUnanswered, clients));
  }

  /** How many wait for a place. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Takes a place, if one is free. */
  take(): number | undefined {
    return this.#free.pop();
  }

  /**
   * Calls `taken` with a place, as soon as one is free. Returns a function that
   * ends the waiting.
   */
  wait(taken: (place: number) => void): () => void {
    this.#waiting.add(taken);
    return () => this.#waiting.delete(taken);
  }

  /** Gives a place back, to whoever has waited longest. */
  give(place: number): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#free.push(place);
      return;
    }
    this.#waiting.delete(next);
    next(place);
  }

  /** The memory of a place; what is in there is of no use. */
  memory(place: number): Uint8Array {
    this.#usedLately = true;
    this.#memory ??= new Uint8Array(places * placeSize);
    return this.#memory.subarray(place * placeSize, (place + 1) * placeSize);
  }

  /**
   * Gives the memory back, if it was not used since this was called before.
   * Returns whether there is none.
   */
  tidy(): boolean {
    if (!this.#usedLately && this.#free.length === places) {
      this.#memory = undefined;
    }
    this.#usedLately = false;
    return this.#memory === undefined;
  }
}
