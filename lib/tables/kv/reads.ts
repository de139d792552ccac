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

/** The result of {@linkcode readMany}. */
export interface KvReads {
  /** An entry for each key; complete only before a failed key. */
  readonly entries: readonly KvEntry[];
  /** The first key that could not be read. */
  readonly failed?: { readonly at: number; readonly error: unknown };
}

/** Reads many entries with concurrent calls. Never rejects. */
export async function readMany(
  database: PatientDatabase,
  keys: readonly KvKey[],
  { reads, gets, firstReads, readBytes }: Pace,
): Promise<KvReads> {
  const entries: KvEntry[] = new Array(keys.length);
  const hasGetMany = database.getMany !== undefined;
  const size = hasGetMany ? keysPerCall : 1;
  let failed: KvReads["failed"];
  let next = 0;
  const fail = (at: number, error: unknown) => {
    if (failed === undefined || at < failed.at) failed = { at, error };
  };
  const readEach = async (from: number, to: number) => {
    for (let at = from; at < to; at++) {
      try {
        entries[at] = await database.get(keys[at]);
      } catch (error) {
        fail(at, error);
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
    while (workers < allowed && next < keys.length && failed === undefined) {
      workers++;
      working.push(work());
    }
  };
  const work = async () => {
    while (next < keys.length && failed === undefined) {
      if (workers > allowed) break;
      await readSome();
    }
    workers--;
  };
  const readSome = async () => {
    const from = next;
    const to = next = Math.min(from + size, keys.length);
    try {
      const found = await database.getMany?.(keys.slice(from, to));
      found?.forEach((entry, at) => entries[from + at] = entry);
      if (found !== undefined) return adjust(found);
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
  return { entries, failed };
}

/** Looks for the keys of writes; returns the writes whose key exists. */
export async function findExisting<Write extends { readonly key: KvKey }>(
  database: PatientDatabase,
  writes: readonly Write[],
  pace: Pace,
): Promise<ReadonlySet<Write>> {
  const keys = writes.map(({ key }) => key);
  const { entries, failed } = await readMany(database, keys, pace);
  if (failed !== undefined) throw failed.error;
  return new Set(writes.filter((_, at) => entries[at].versionstamp !== null));
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
  const { entries, failed } = await readMany(
    database,
    sent.map((at) => kvKeys.of(stringAt(keys, at)!)),
    pace,
  );
  const end = failed?.at ?? sent.length;
  for (let next = 0; next < end; next++) {
    const at = sent[next];
    const { value } = entries[next];
    if (value === null) continue;
    try {
      const bytes = toBytes(stringAt(keys, at)!, value);
      values.put(at, bytes, 0, bytes.length);
    } catch (error) {
      return { values, failed: { at, error } };
    }
  }
  if (failed === undefined) return { values };
  return { values, failed: { at: sent[failed.at], error: failed.error } };
}
