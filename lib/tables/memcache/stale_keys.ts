import { shellWords } from "../../bytes/shell_words.ts";
import type { MemcacheClient } from "../../memcached/client.ts";
import { sendExchange } from "../../memcached/exchange.ts";
import type { ReplyLimits } from "../../memcached/protocol.ts";
import { WriteMany } from "../../memcached/write_many.ts";
import { byteText } from "../../bytes/text.ts";

// A key takes about 64 bytes of memory.
const maxKeys = 100_000;
const batchSize = 1000;

/**
 * Memcache keys that may have an old value in memcached, because a write reached
 * only the backup. They are looked up in the backup until they are removed from
 * memcached.
 */
export class StaleKeys {
  /** The keys, each with the number of its last failed write. */
  #keys = new Map<string, number>();
  #failures = 0;
  #client: MemcacheClient;
  #limits: ReplyLimits;
  #onOverflow: () => void;
  /** Whether there were too many keys to remember. */
  #hasOverflowed = false;
  #removing: Promise<void> | undefined;

  /** Begins empty. `onOverflow` is called once, when there are too many keys. */
  constructor(
    client: MemcacheClient,
    limits: ReplyLimits,
    onOverflow: () => void,
  ) {
    this.#client = client;
    this.#limits = limits;
    this.#onOverflow = onOverflow;
  }

  /** The number of keys. */
  get size(): number {
    return this.#keys.size;
  }

  /** Whether there were too many keys to remember. */
  get hasOverflowed(): boolean {
    return this.#hasOverflowed;
  }

  /** Whether a key may be stale. */
  has(key: string): boolean {
    return this.#keys.has(key);
  }

  /** Adds a key after one of its writes did not reach memcached. */
  add(key: string): void {
    if (this.#keys.size < maxKeys || this.#keys.has(key)) {
      this.#keys.set(key, ++this.#failures);
    } else if (!this.#hasOverflowed) {
      this.#hasOverflowed = true;
      this.#onOverflow();
    }
  }

  /** The number of failed writes so far, a parameter of `settle`. */
  get failures(): number {
    return this.#failures;
  }

  /**
   * Removes a key that is up to date in memcached, unless one of its writes failed
   * after the first `failures` failures.
   */
  settle(key: string, failures: number): void {
    if ((this.#keys.get(key) ?? Infinity) <= failures) this.#keys.delete(key);
  }

  /**
   * Removes the keys from memcached, if that answers. Concurrent calls share one
   * run. Never rejects.
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
        if (batch.push(key) === batchSize) break;
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

/** The warning about stale keys that are not removed, with the cure. */
export function staleKeysWarning(
  table: string,
  { size, hasOverflowed }: Pick<StaleKeys, "size" | "hasOverflowed">,
  ttl: number,
): string {
  const keys = size === 1
    ? "1 key"
    : `${hasOverflowed ? "more than " : ""}${size} keys`;
  return `${table}: memcached may still have old values of ${keys}, ` +
    `for up to ${ttl} seconds (ttl): when it answers again, run ` +
    shellWords("memcache-table", "warm", table);
}
