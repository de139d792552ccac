/** A lookup of the backup whose answer may go to memcached. */
export interface FillingLookup {
  /** Whether its answer may go there: not when the key was written meanwhile. */
  mayFill: boolean;
  /** Settles with what goes to memcached, `undefined` when nothing does. */
  readonly filled: Promise<string | undefined>;
  /** Says what goes to memcached. */
  readonly settle: (value: string | undefined) => void;
}

/** A write that is under way. */
export interface WriteInUse {
  /** Settles when the writes of the same keys that came before are over. */
  readonly earlier: Promise<unknown>;
  /** Whether no write of a memcache key began after this one. */
  readonly isLast: (memcacheKey: string) => boolean;
  /** It is over. */
  readonly end: () => void;
}

/**
 * Which keys are looked up in the backup, and which are written, at this moment:
 * so that an older value never comes to memcached behind a newer one, and the
 * backup has the writes of a key in their order.
 */
export class KeysInUse {
  /** The lookups of each key; the first may be followed. */
  #lookups = new Map<string, Set<FillingLookup>>();
  /** How many writes of each memcache key there are, and which began last. */
  #written = new Map<string, { count: number; last: symbol }>();
  /** The last write of each key of the backup. */
  #writes = new Map<string, Promise<void>>();

  /** A lookup of a key that is under way. */
  lookupOf(key: string): FillingLookup | undefined {
    return this.#lookups.get(key)?.values().next().value;
  }

  /** A lookup of a key begins. */
  beginLookup(key: string): FillingLookup {
    let settle: (value: string | undefined) => void;
    const filled = new Promise<string | undefined>((resolve) => {
      settle = resolve;
    });
    const mayFill = !this.#written.has(key);
    const lookup = { mayFill, filled, settle: settle! };
    const others = this.#lookups.get(key);
    if (others === undefined) this.#lookups.set(key, new Set([lookup]));
    else others.add(lookup);
    return lookup;
  }

  /**
   * A lookup is over: memcached has its answer, or does not get it. Who followed a
   * lookup that filled nothing asks the backup, so that one is over at once.
   */
  endLookup(key: string, lookup: FillingLookup): void {
    lookup.settle(undefined);
    const lookups = this.#lookups.get(key)!;
    lookups.delete(lookup);
    if (lookups.size === 0) this.#lookups.delete(key);
  }

  /** A write begins, of these memcache keys, and these keys of the backup. */
  beginWrite(
    memcacheKeys: ReadonlySet<string>,
    backupKeys: ReadonlySet<string>,
  ): WriteInUse {
    const own = Symbol();
    for (const key of memcacheKeys) {
      const others = this.#written.get(key)?.count ?? 0;
      this.#written.set(key, { count: others + 1, last: own });
      for (const lookup of this.#lookups.get(key) ?? []) lookup.mayFill = false;
    }
    let resolve: () => void;
    const over = new Promise<void>((settle) => resolve = settle);
    const earlier = new Set<Promise<void>>();
    for (const key of backupKeys) {
      const before = this.#writes.get(key);
      if (before !== undefined) earlier.add(before);
      this.#writes.set(key, over);
    }
    const end = () => {
      for (const key of memcacheKeys) {
        const { count, last } = this.#written.get(key)!;
        if (count === 1) this.#written.delete(key);
        else this.#written.set(key, { count: count - 1, last });
      }
      for (const key of backupKeys) {
        if (this.#writes.get(key) === over) this.#writes.delete(key);
      }
      resolve();
    };
    return {
      earlier: Promise.all(earlier),
      isLast: (key) => this.#written.get(key)?.last === own,
      end,
    };
  }
}
