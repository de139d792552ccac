import {
  type ByteStrings,
  ByteStringsBuilder,
  countOf,
  stringAt,
} from "../../bytes/byte_strings.ts";
import type { KvEntry, KvKey } from "../../kv_database.ts";
import type { BatchAnswer } from "../driver.ts";
import { KvFailure } from "./failures.ts";
import type { KvKeys } from "./kv_keys.ts";
import type { Pace } from "./under_way.ts";
import { StalledError } from "./patience.ts";
import type { PatientDatabase } from "./patient_database.ts";

// Deno KV allows so many keys in one call.
const keysPerCall = 10;

/** Keys to read, and who gets their entries. */
interface Reading {
  /** How many keys there are. */
  readonly count: number;
  /** The key with an index. It is made when it is read: many of them take much memory. */
  readonly keyOf: (at: number) => KvKey;
  /** Takes an entry, in any order. What it throws is the failure of this key. */
  readonly take: (at: number, entry: KvEntry) => void;
}

/**
 * Reads many entries with concurrent calls. Returns the first key that could not be
 * read: only all entries before it were taken. Never rejects.
 */
async function readMany(
  database: PatientDatabase,
  { count, keyOf, take }: Reading,
  { reads, gets, firstReads, readBytes }: Pace,
): Promise<BatchAnswer["failed"]> {
  const hasGetMany = database.getMany !== undefined;
  const size = hasGetMany ? keysPerCall : 1;
  let failed: BatchAnswer["failed"];
  let next = 0;
  const fail = (at: number, error: unknown) => {
    if (failed === undefined || at < failed.at) failed = { at, error };
  };
  const readEach = async (from: number, to: number) => {
    for (let at = from; at < to; at++) {
      try {
        take(at, await database.get(keyOf(at)));
      } catch (error) {
        fail(at, error);
        return;
      }
    }
  };
  const takeAll = (from: number, entries: readonly KvEntry[]) => {
    for (const [nth, entry] of entries.entries()) {
      try {
        take(from + nth, entry);
      } catch (error) {
        fail(from + nth, error);
        return;
      }
    }
  };
  // How many calls may be under way depends on how much one returns.
  const most = hasGetMany ? reads : gets;
  let allowed = Math.min(most, firstReads);
  let calls = 0;
  let bytes = 0;
  const working: Promise<void>[] = [];
  let workers = 0;
  const adjust = (found: readonly KvEntry[]) => {
    if (allowed === most && readBytes === Infinity) return;
    calls++;
    for (const { value } of found) {
      if (value instanceof Uint8Array) bytes += value.length;
    }
    const fitting = Math.floor(readBytes * calls / Math.max(bytes, 1));
    allowed = Math.max(1, Math.min(most, fitting));
    start();
  };
  const start = () => {
    while (workers < allowed && next < count && failed === undefined) {
      workers++;
      working.push(work());
    }
  };
  const work = async () => {
    while (next < count && failed === undefined) {
      if (workers > allowed) break;
      await readSome();
    }
    workers--;
  };
  const readSome = async () => {
    const from = next;
    const to = next = Math.min(from + size, count);
    const keys = Array.from(
      { length: to - from },
      (_, nth) => keyOf(from + nth),
    );
    try {
      const found = await database.getMany?.(keys);
      if (found !== undefined) {
        takeAll(from, found);
        return adjust(found);
      }
    } catch (error) {
      // Else one key failed: read them one by one to find it.
      if (error instanceof StalledError || error instanceof KvFailure) {
        return fail(from, error);
      }
    }
    await readEach(from, to);
  };
  start();
  // More of them start meanwhile.
  for (const one of working) await one;
  return failed;
}

/** Looks for the keys of writes; returns the writes whose key exists. */
export async function findExisting<Write extends { readonly key: KvKey }>(
  database: PatientDatabase,
  writes: readonly Write[],
  pace: Pace,
): Promise<ReadonlySet<Write>> {
  const existing = new Set<Write>();
  const failed = await readMany(database, {
    count: writes.length,
    keyOf: (at) => writes[at].key,
    take(at, { versionstamp }) {
      if (versionstamp !== null) existing.add(writes[at]);
    },
  }, pace);
  if (failed !== undefined) throw failed.error;
  return existing;
}

/** The answer where no key has a value. */
export function emptyAnswer(keys: ByteStrings): BatchAnswer {
  return { values: new ByteStringsBuilder(countOf(keys), 0) };
}

/** Looks up many keys; `toBytes` gets the bytes of the value of an entry. */
export async function lookupMany(
  database: PatientDatabase,
  kvKeys: KvKeys,
  keys: ByteStrings,
  pace: Pace,
  toBytes: (key: Uint8Array, value: unknown) => Uint8Array,
): Promise<BatchAnswer> {
  const values = new ByteStringsBuilder(countOf(keys), keys.bytes.length);
  const sent: number[] = [];
  for (let at = 0; at < countOf(keys); at++) {
    const key = stringAt(keys, at);
    if (key !== undefined && !kvKeys.isTooLong(database, key)) sent.push(at);
  }
  const failed = await readMany(database, {
    count: sent.length,
    keyOf: (nth) => kvKeys.of(stringAt(keys, sent[nth])!),
    take(nth, { value }) {
      if (value === null) return;
      const at = sent[nth];
      const bytes = toBytes(stringAt(keys, at)!, value);
      values.put(at, bytes, 0, bytes.length);
    },
  }, pace);
  return failed === undefined
    ? { values }
    : { values, failed: { at: sent[failed.at], error: failed.error } };
}
