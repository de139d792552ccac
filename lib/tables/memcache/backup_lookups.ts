import { byteText } from "../../bytes/text.ts";
import { WriteMany } from "../../memcached/write_many.ts";
import type { Table } from "../../table.ts";
import type { BatchAnswer } from "../driver.ts";
import { type Cache, limitsOf, type MemcacheParts } from "./cache.ts";
import type { FillingLookup, KeysInUse } from "./keys_in_use.ts";

/** A key for which memcached gave no value. */
export interface MissedKey {
  /** The index of the key in its batch. */
  readonly at: number;
  /** The lookup key. */
  readonly key: string;
  /**
   * The memcache key under which to store the value of the backup. `undefined`
   * where it must not be stored: memcached did not answer, or cannot have the key.
   */
  readonly memcacheKey: string | undefined;
  /** Whether this is a cache miss: memcached answered that it has no value. */
  readonly isMiss: boolean;
}

/** A key that is looked up in the backup. */
interface BackupLookup {
  readonly missed: MissedKey;
  readonly filling: FillingLookup | undefined;
}

/**
 * Looks up keys in the backup, and stores their values in memcached without
 * waiting for it.
 *
 * Several keys may have the same memcache key, for example two addresses of one
 * domain with `key_format = %d`. Then only the first one is looked up in the
 * backup, and the others get its value. Lookups one after the other give the same:
 * the later ones find that value in memcached. A key that comes again, here or in
 * another request at the same time, gets whatever the backup says to the first one.
 *
 * Calls `found` with each value. Returns the first key whose lookup failed.
 */
export async function lookupInBackup(
  { parts, cache, keysInUse, backup }: {
    parts: MemcacheParts;
    cache: Cache;
    keysInUse: KeysInUse;
    backup: Table;
  },
  missedKeys: readonly MissedKey[],
  found: (at: number, value: string) => void,
  signal: AbortSignal | undefined,
): Promise<BatchAnswer["failed"]> {
  let failed: BatchAnswer["failed"];
  for (let remaining = missedKeys; remaining.length > 0;) {
    const lookups: BackupLookup[] = [];
    const followers: { missed: MissedKey; filling: FillingLookup }[] = [];
    for (const missed of remaining) {
      const { memcacheKey, isMiss } = missed;
      const filling = memcacheKey === undefined || !isMiss
        ? undefined
        : keysInUse.lookupOf(memcacheKey);
      if (filling !== undefined) followers.push({ missed, filling });
      else {
        lookups.push({
          missed,
          filling: memcacheKey === undefined
            ? undefined
            : keysInUse.beginLookup(memcacheKey, missed.key),
        });
      }
    }
    const values = await lookupAll(lookups);
    await fill(lookups, values);
    const next: MissedKey[] = [];
    // Memcache keys that a later key of the batch may still give a value.
    const open = new Set<string>();
    for (const { missed, filling } of followers) {
      const { at, key } = missed;
      const memcacheKey = missed.memcacheKey!;
      const verdict = await filling.verdict;
      if (at > (failed?.at ?? Infinity)) continue;
      const isOwn = verdict?.isStored || filling.key === key;
      if (verdict === undefined || !isOwn || open.has(memcacheKey)) {
        open.add(memcacheKey);
        next.push(missed);
      } else if (verdict.failure !== undefined) {
        failed = { at, error: verdict.failure.error };
      } else if (verdict.value !== undefined) found(at, verdict.value);
    }
    remaining = next;
  }
  return failed;

  /** The values of all keys, or of those before the one that failed. */
  async function lookupAll(
    lookups: readonly BackupLookup[],
  ): Promise<(string | undefined)[]> {
    const values: (string | undefined)[] = [];
    try {
      if (lookups.length === 1) {
        values.push(await backup.lookup(lookups[0].missed.key, { signal }));
      } else if (lookups.length > 1) {
        const keys = lookups.map(({ missed: { key } }) => key);
        for await (const { value } of backup.lookupMany(keys, { signal })) {
          values.push(value);
        }
      }
    } catch (error) {
      const { missed: { at }, filling } = lookups[values.length];
      if (failed === undefined || at < failed.at) failed = { at, error };
      // What ends this request alone is no failure of the backup.
      if (!signal?.aborted) filling?.settle({ failure: { error } });
    }
    for (const [number, value] of values.entries()) {
      if (value !== undefined) found(lookups[number].missed.at, value);
    }
    return values;
  }

  /** Stores the values in memcached, and ends the lookups. */
  async function fill(
    lookups: readonly BackupLookup[],
    values: readonly (string | undefined)[],
  ): Promise<void> {
    const { text } = parts.keys;
    const sets = new WriteMany("set", limitsOf(parts.parameters));
    const stored: [memcacheKey: string, filling: FillingLookup][] = [];
    for (const [number, { missed, filling }] of lookups.entries()) {
      if (filling === undefined) continue;
      const memcacheKey = missed.memcacheKey!;
      const value = values[number];
      const size = value === undefined ? 0 : cache.sizeOf(value);
      const mayFill = value !== undefined && filling.mayFill &&
        cache.fits(missed.key, size);
      if (!mayFill) {
        // After a write that began meanwhile, others ask the backup themselves.
        if (filling.mayFill && number < values.length) {
          filling.settle({ value });
        }
        keysInUse.endLookup(memcacheKey, filling);
        continue;
      }
      sets.beginKey().appendText(memcacheKey, byteText);
      sets.endSet(value, size, text, parts.parameters);
      filling.settle({ value, isStored: true });
      stored.push([memcacheKey, filling]);
    }
    // Until memcached has the values, other lookups may still miss them.
    await cache.fill(sets, () => {
      for (const [key, filling] of stored) keysInUse.endLookup(key, filling);
    });
  }
}
