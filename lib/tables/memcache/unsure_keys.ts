import type { MemcacheClient } from "../../memcached/client.ts";
import { sendExchange } from "../../memcached/exchange.ts";
import type { ReplyLimits } from "../../memcached/protocol.ts";
import { WriteMany } from "../../memcached/write_many.ts";
import { byteText } from "../../bytes/text.ts";

// More would cost more memory than it is worth: 64 bytes each, about.
const mostKeys = 100_000;
const keysOfBatch = 1000;

/**
 * Memcache keys under which memcached may have an old value, since a write went
 * to the backup alone. Lookups of them are for the backup, until they could be
 * removed from memcached.
 */
export class UnsureKeys {
  /** The keys, each with the number of the last write that failed. */
  #keys = new Map<string, number>();
  #failures = 0;
  #client: MemcacheClient;
  #limits: ReplyLimits;
  #onOverflow: () => void;
  /** Whether there were more than can be remembered. */
  #isOverflown = false;
  #removing: Promise<void> | undefined;

  /** There is none yet. `onOverflow` is told, once, when there are too many. */
  constructor(
    client: MemcacheClient,
    limits: ReplyLimits,
    onOverflow: () => void,
  ) {
    this.#client = client;
    this.#limits = limits;
    this.#onOverflow = onOverflow;
  }

  /** How many there are. */
  get size(): number {
    return this.#keys.size;
  }

  /** Whether there were more than these. */
  get isOverflown(): boolean {
    return this.#isOverflown;
  }

  /** Whether memcached may have an old value under a key. */
  has(key: string): boolean {
    return this.#keys.has(key);
  }

  /** A write of a key did not reach memcached. */
  add(key: string): void {
    if (this.#keys.size < mostKeys || this.#keys.has(key)) {
      this.#keys.set(key, ++this.#failures);
    } else if (!this.#isOverflown) {
      this.#isOverflown = true;
      this.#onOverflow();
    }
  }

  /** How many writes have failed so far, for `settle`. */
  get failures(): number {
    return this.#failures;
  }

  /**
   * Memcached has what the backup has. A write of the key that failed after so many
   * failures may have come later.
   */
  settle(key: string, failures: number): void {
    if ((this.#keys.get(key) ?? Infinity) <= failures) this.#keys.delete(key);
  }

  /**
   * Removes them from memcached, as far as that answers. Never rejects. While it
   * is under way, it is the same for all who ask.
   */
  remove(): Promise<void> {
    return this.#removing ??= this.#remove().finally(() =>
      this.#removing = undefined
    );
  }

  async #remove(): Promise<void> {
    while (this.#keys.size > 0) {
      const batch: string[] = [];
      for (const key of this.#keys.keys()) {
        if (batch.push(key) === keysOfBatch) break;
      }
      const { failures } = this;
      const deletes = new WriteMany("delete", this.#limits);
      for (const key of batch) {
        deletes.beginKey().appendText(key, byteText);
        deletes.endDelete();
      }
      try {
        await sendExchange(this.#client, deletes, { maxTry: 1 });
      } catch {
        // The table was closed.
        return;
      }
      for (const [at, key] of batch.entries()) {
        if (deletes.verdicts[at] !== undefined) this.settle(key, failures);
      }
      if (deletes.errors.size > 0 || deletes.refusals.size > 0) return;
    }
  }
}

/** What is said of the keys that could not be removed, with the cure. */
export function unsureKeysLeft(
  table: string,
  { size, isOverflown }: UnsureKeys,
  ttl: number,
): string {
  const keys = size === 1
    ? "1 key"
    : `${isOverflown ? "more than " : ""}${size} keys`;
  return `${table}: memcached may still have old values of ${keys}, ` +
    `for up to ${ttl} seconds (ttl): when it answers again, run ` +
    `memcache-table warm ${table}`;
}
