/** What a lookup in the backup tells others that wait for it. */
export interface BackupVerdict {
  /** The value of the backup, if it has one. */
  readonly value?: string;
  /** Why the backup failed, where it did. */
  readonly failure?: { readonly error: unknown };
  /**
   * Whether memcached gets the value: then it is that of all keys with the same
   * memcache key. Otherwise it is that of the looked up key alone.
   */
  readonly isStored?: boolean;
}

/** A lookup in the backup whose value may be stored in memcached. */
export interface FillingLookup {
  /** The key that is looked up in the backup. */
  readonly key: string;
  /** Whether its value may be stored: `false` once a write of the key begins. */
  mayFill: boolean;
  /** Resolves with what the backup said; `undefined` if nothing is known. */
  readonly verdict: Promise<BackupVerdict | undefined>;
  /** Resolves `verdict`. */
  readonly settle: (verdict: BackupVerdict | undefined) => void;
}

/** A write that has not ended. */
export interface OngoingWrite {
  /** Resolves when earlier writes of the same keys have ended. */
  readonly earlier: Promise<unknown>;
  /** Whether no later write of this memcache key has begun. */
  readonly isLast: (memcacheKey: string) => boolean;
  /** Ends the write. */
  readonly end: () => void;
}

/**
 * The keys that are being looked up in the backup, and those that are being
 * written. With them, an old value never replaces a newer one in memcached, and
 * the backup gets the writes of a key in their order.
 */
export class KeysInUse {
  /** The lookups of each memcache key; others may wait for the first one. */
  #lookups = new Map<string, Set<FillingLookup>>();
  /** The number of writes of each memcache key, and the last one that began. */
  #memcacheWrites = new Map<string, { count: number; last: symbol }>();
  /**
   * Writes whose memcache keys are not in `#memcacheWrites` yet, in their order: with
   * no lookup meanwhile, nobody asks for them.
   */
  #unlisted = new Map<symbol, () => readonly string[]>();
  /** The last write of each key of the backup. */
  #backupWrites = new Map<string, Promise<void>>();

  /** The first ongoing lookup of a memcache key. */
  lookupOf(memcacheKey: string): FillingLookup | undefined {
    return this.#lookups.get(memcacheKey)?.values().next().value;
  }

  /** Begins a lookup of `key`, which has this memcache key. */
  beginLookup(memcacheKey: string, key: string): FillingLookup {
    let settle: FillingLookup["settle"];
    const verdict = new Promise<BackupVerdict | undefined>((resolve) => {
      settle = resolve;
    });
    this.#listWrites();
    const mayFill = !this.#memcacheWrites.has(memcacheKey);
    const lookup = { key, mayFill, verdict, settle: settle! };
    const others = this.#lookups.get(memcacheKey);
    if (others === undefined) this.#lookups.set(memcacheKey, new Set([lookup]));
    else others.add(lookup);
    return lookup;
  }

  /**
   * Ends a lookup, when memcached has its value or does not get it. If it has told
   * nothing, lookups that wait for it now ask the backup themselves.
   */
  endLookup(memcacheKey: string, lookup: FillingLookup): void {
    lookup.settle(undefined);
    const lookups = this.#lookups.get(memcacheKey)!;
    lookups.delete(lookup);
    if (lookups.size === 0) this.#lookups.delete(memcacheKey);
  }

  /**
   * Begins a write of these memcache keys, and these keys of the backup. A key may be
   * there several times. `memcacheKeys` is called when they are needed, if ever.
   */
  beginWrite(
    memcacheKeys: () => readonly string[],
    backupKeys: readonly string[],
  ): OngoingWrite {
    const write = Symbol();
    this.#unlisted.set(write, memcacheKeys);
    if (this.#lookups.size > 0) {
      for (const key of memcacheKeys()) {
        for (const lookup of this.#lookups.get(key) ?? []) {
          lookup.mayFill = false;
        }
      }
    }
    let endOwn: () => void;
    const own = new Promise<void>((settle) => endOwn = settle);
    const before = new Set<Promise<void>>();
    for (const key of backupKeys) {
      const last = this.#backupWrites.get(key);
      if (last !== undefined) before.add(last);
    }
    const earlier = Promise.all(before);
    // A write that was aborted ends before earlier ones: the next waits for those too.
    const over = own.then(async () => {
      await earlier;
      for (const key of backupKeys) {
        if (this.#backupWrites.get(key) === over) {
          this.#backupWrites.delete(key);
        }
      }
    });
    for (const key of backupKeys) this.#backupWrites.set(key, over);
    const end = () => {
      if (!this.#unlisted.delete(write)) {
        for (const key of memcacheKeys()) {
          const writes = this.#memcacheWrites.get(key)!;
          if (--writes.count === 0) this.#memcacheWrites.delete(key);
        }
      }
      endOwn();
    };
    return {
      earlier,
      isLast: (key) => {
        this.#listWrites();
        return this.#memcacheWrites.get(key)?.last === write;
      },
      end,
    };
  }

  #listWrites(): void {
    if (this.#unlisted.size === 0) return;
    for (const [write, keys] of this.#unlisted) {
      for (const key of keys()) {
        const writes = this.#memcacheWrites.get(key);
        if (writes === undefined) {
          this.#memcacheWrites.set(key, { count: 1, last: write });
        } else {
          writes.count++;
          writes.last = write;
        }
      }
    }
    this.#unlisted.clear();
  }
}
