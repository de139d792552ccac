import { byteText } from "../../bytes/text.ts";
import { WriteMany } from "../../memcached/write_many.ts";
import type { Table } from "../../table.ts";
import type { BatchAnswer } from "../driver.ts";
import { type Cache, limitsOf, type MemcacheParts } from "./cache.ts";
import type { FillingLookup, KeysInUse } from "./keys_in_use.ts";

/** A key that memcached did not answer. */
export interface Wanted {
  /** Its number. */
  readonly at: number;
  /** The lookup key. */
  readonly key: string;
  /**
   * The memcache key under which what is found is to be put; `undefined` where
   * it is not, since memcached does not answer or may not have it.
   */
  readonly memcacheKey: string | undefined;
  /** Whether memcached has said that it does not have it. */
  readonly isMiss: boolean;
}

/** A key that this lookup asks the backup for. */
interface Leading {
  readonly wanted: Wanted;
  readonly lookup: FillingLookup | undefined;
}

/**
 * Looks keys up in the backup. What is found goes to memcached, for which nobody
 * waits. Of several keys with one memcache key, `key_format = %d` of two addresses
 * say, one is asked for: as when they are asked one after the other, the others
 * find in memcached what the backup had for that one.
 *
 * Returns the first key whose lookup failed, and why.
 */
export async function lookupInBackup(
  { parts, cache, keysInUse, backup }: {
    parts: MemcacheParts;
    cache: Cache;
    keysInUse: KeysInUse;
    backup: Table;
  },
  wanted: readonly Wanted[],
  found: (at: number, value: string) => void,
  signal: AbortSignal | undefined,
): Promise<BatchAnswer["failed"]> {
  let failed: BatchAnswer["failed"];
  for (let left = wanted; left.length > 0;) {
    const leading: Leading[] = [];
    const following: { wanted: Wanted; lookup: FillingLookup }[] = [];
    for (const one of left) {
      const { memcacheKey } = one;
      const lookup = memcacheKey === undefined || !one.isMiss
        ? undefined
        : keysInUse.lookupOf(memcacheKey);
      if (lookup !== undefined) following.push({ wanted: one, lookup });
      else {
        leading.push({
          wanted: one,
          lookup: memcacheKey === undefined
            ? undefined
            : keysInUse.beginLookup(memcacheKey),
        });
      }
    }
    const values = await askBackup(leading);
    await fill(leading, values);
    const next: Wanted[] = [];
    for (const { wanted: one, lookup } of following) {
      const value = await lookup.filled;
      if (value !== undefined) found(one.at, value);
      else if (one.at < (failed?.at ?? Infinity)) next.push(one);
    }
    left = next;
  }
  return failed;

  /** The values of the first keys, all unless one failed. */
  async function askBackup(
    leading: readonly Leading[],
  ): Promise<(string | undefined)[]> {
    const values: (string | undefined)[] = [];
    try {
      if (leading.length === 1) {
        values.push(await backup.lookup(leading[0].wanted.key, { signal }));
      } else if (leading.length > 1) {
        const keys = leading.map(({ wanted: { key } }) => key);
        for await (const { value } of backup.lookupMany(keys, { signal })) {
          values.push(value);
        }
      }
    } catch (error) {
      const { at } = leading[values.length].wanted;
      if (failed === undefined || at < failed.at) failed = { at, error };
    }
    for (const [number, value] of values.entries()) {
      if (value !== undefined) found(leading[number].wanted.at, value);
    }
    return values;
  }

  /** Puts what was found into memcached, and ends the lookups. */
  async function fill(
    leading: readonly Leading[],
    values: readonly (string | undefined)[],
  ): Promise<void> {
    const { text } = parts.keys;
    const sets = new WriteMany("set", limitsOf(parts.parameters));
    const filling: [memcacheKey: string, lookup: FillingLookup][] = [];
    for (const [number, { wanted, lookup }] of leading.entries()) {
      if (lookup === undefined) continue;
      const memcacheKey = wanted.memcacheKey!;
      const value = values[number];
      const size = value === undefined ? 0 : cache.sizeOf(value);
      const mayFill = value !== undefined && lookup.mayFill &&
        cache.fits(wanted.key, size);
      if (!mayFill) {
        keysInUse.endLookup(memcacheKey, lookup);
        continue;
      }
      sets.beginKey().appendText(memcacheKey, byteText);
      sets.endSet(value, size, text, parts.parameters);
      lookup.settle(value);
      filling.push([memcacheKey, lookup]);
    }
    // Until memcached has it, it may tell others that it has not.
    await cache.fill(sets, () => {
      for (const [key, lookup] of filling) keysInUse.endLookup(key, lookup);
    });
  }
}
