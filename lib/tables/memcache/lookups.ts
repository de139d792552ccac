import {
  type ByteStrings,
  ByteStringsBuilder,
  countOf,
  stringAt,
} from "../../bytes/byte_strings.ts";
import { byteText } from "../../bytes/text.ts";
import { NoAnswerError, TemporaryError } from "../../errors.ts";
import { GetMany } from "../../memcached/get_many.ts";
import { untilAborted } from "../../system/abort.ts";
import type { BatchAnswer } from "../driver.ts";
import { lookupInBackup, type MissedKey } from "./backup_lookups.ts";
import { limitsOf } from "./cache.ts";
import { type KeyVerdict, tooLongKey } from "./key_rules.ts";
import type { LookupTrace, MemcacheState } from "./memcache_state.ts";

const maxSpareBuffers = 4;

/** Looks up many keys in memcached, and those that it lacks in the backup. */
export async function lookupKeys(
  state: MemcacheState,
  keys: ByteStrings,
  signal: AbortSignal | undefined,
  trace?: LookupTrace,
): Promise<BatchAnswer> {
  const { parts, cache, spareBuffers } = state;
  const count = countOf(keys);
  const reused = spareBuffers.pop();
  const size = keys.bytes.length;
  const values = new ByteStringsBuilder(count, size, reused?.values);
  const limits = limitsOf(parts.parameters);
  const gets = new GetMany(count, size, values, limits, reused?.gets);
  const { notSent, failed: notAdded } = await untilAborted(
    addKeys(state, gets, keys, signal),
    signal,
  );
  await cache.getMany(gets, signal);
  const { errors } = gets;
  // After a failure, the connection may still use the buffers.
  const mayUse = errors.size > 0 || gets.isAbandoned;
  const release = mayUse ? undefined : () => {
    if (spareBuffers.length < maxSpareBuffers) {
      spareBuffers.push({ gets, values });
    }
  };
  const { backup } = parts;
  if (backup === undefined) {
    return { values, failed: firstOf(errors) ?? notAdded, release };
  }
  const { text } = parts.keys;
  const missedKeys: MissedKey[] = [];
  // Errors that the backup cannot make good.
  const finalErrors = new Map<number, unknown>();
  if (notAdded !== undefined) finalErrors.set(notAdded.at, notAdded.error);
  const addMissed = (at: number, memcacheKey?: Uint8Array) => {
    const error = errors.get(at);
    if (notSent.has(at)) {
      if (error !== undefined) cache.reportLongKey(error);
    } else if (error instanceof TemporaryError) {
      cache.outage.report("reads", error);
    } else if (error !== undefined) return void finalErrors.set(at, error);
    missedKeys.push({
      at,
      key: text.decode(stringAt(keys, at)!)!,
      // After a time-out, do not try to store the value: it may time out, too.
      memcacheKey: memcacheKey === undefined || error instanceof NoAnswerError
        ? undefined
        : byteText.decode(memcacheKey),
      isMiss: error === undefined && !notSent.has(at),
    });
  };
  for (const [at, memcacheKey] of notSent) addMissed(at, memcacheKey);
  for (const [at, memcacheKey] of gets.missing()) addMissed(at, memcacheKey);
  missedKeys.sort((one, two) => one.at - two.at);
  const end = firstOf(finalErrors)?.at ?? count;
  const failed = await lookupInBackup(
    { ...state, backup },
    missedKeys.filter(({ at }) => at < end),
    (at, value) => {
      if (trace !== undefined) trace.backup++;
      values.putText(at, value, text);
    },
    signal,
  );
  if (failed !== undefined) finalErrors.set(failed.at, failed.error);
  return { values, failed: firstOf(finalErrors), release };
}

interface AddedKeys {
  /**
   * The keys to look up only in the backup, by their index: those that are too long
   * for memcached, and those that may be stale there, with their memcache key.
   */
  readonly notSent: Map<number, Uint8Array | undefined>;
  /** The key whose domain could not be looked up: those after it are not added. */
  readonly failed: BatchAnswer["failed"];
}

/** Adds the memcache keys of all lookup keys that are not skipped to `gets`. */
async function addKeys(
  { parts, cache }: MemcacheState,
  gets: GetMany,
  keys: ByteStrings,
  signal: AbortSignal | undefined,
): Promise<AddedKeys> {
  const { name, keys: rules, knowDomains, onDetail } = parts;
  const known = knowDomains && await knowDomains(keys, signal);
  const asking = { known, signal };
  let failed: BatchAnswer["failed"];
  const { stale } = cache;
  const notSent = new Map<number, Uint8Array | undefined>();
  const { bytes, starts, ends } = keys;
  const keyAt = (at: number) => rules.text.decode(stringAt(keys, at)!)!;
  for (let at = 0; at < starts.length; at++) {
    const start = starts[at];
    if (start < 0) continue;
    const out = gets.beginKey();
    const from = out.length;
    const judging = rules.append(out, bytes, start, ends[at], asking);
    let verdict: KeyVerdict;
    try {
      verdict = judging instanceof Promise ? await judging : judging;
    } catch (error) {
      failed = { at, error };
      gets.dropKey();
      break;
    }
    if (verdict === undefined) {
      const isStale = stale.size > 0 &&
        stale.has(byteText.decode(out.bytes.subarray(from, out.length))!);
      if (!isStale) {
        gets.endKey(at);
        continue;
      }
      notSent.set(at, out.bytes.slice(from, out.length));
    } else if (typeof verdict === "number") {
      gets.errors.set(at, tooLongKey(name, keyAt(at), verdict));
      notSent.set(at, undefined);
    } else {
      onDetail?.(`${name}: skipping the lookup of "${keyAt(at)}": ${verdict}`);
    }
    gets.dropKey();
  }
  if (notSent.size > 0) cache.removeStale();
  return { notSent, failed };
}

/** The error with the lowest index. */
export function firstOf(
  errors: ReadonlyMap<number, unknown>,
): BatchAnswer["failed"] {
  if (errors.size === 0) return undefined;
  let at = Infinity;
  for (const number of errors.keys()) at = Math.min(at, number);
  return { at, error: errors.get(at) };
}
