import {
  type ByteStrings,
  ByteStringsBuilder,
  countOf,
  stringAt,
} from "../../bytes/byte_strings.ts";
import { byteText } from "../../bytes/text.ts";
import { NoAnswerError, TemporaryError } from "../../errors.ts";
import { GetMany } from "../../memcached/get_many.ts";
import type { BatchAnswer } from "../driver.ts";
import { lookupInBackup, type Wanted } from "./backup_lookups.ts";
import { limitsOf } from "./cache.ts";
import { tooLongKey } from "./key_rules.ts";
import type { LookupTrace, MemcacheState } from "./memcache_driver.ts";

/** What a batch of lookups was made in. */
export interface SpareLookups {
  /** The request. */
  readonly gets: GetMany;
  /** The values. */
  readonly values: ByteStringsBuilder;
}

const mostSpare = 4;

/** Looks many keys up in memcached, then in the backup what that has not. */
export async function lookupKeys(
  state: MemcacheState,
  keys: ByteStrings,
  signal: AbortSignal | undefined,
  trace?: LookupTrace,
): Promise<BatchAnswer> {
  const { parts, cache, spare } = state;
  const count = countOf(keys);
  const old = spare.pop();
  const size = keys.bytes.length;
  const values = new ByteStringsBuilder(count, size, old?.values);
  const limits = limitsOf(parts.parameters);
  const gets = new GetMany(count, size, values, limits, old?.gets);
  const notSent = await addKeys(state, gets, keys);
  await cache.getMany(gets, signal);
  const { errors } = gets;
  // What failed may be on its way still.
  const release = errors.size > 0 ? undefined : () => {
    if (spare.length < mostSpare) spare.push({ gets, values });
  };
  const { backup } = parts;
  if (backup === undefined) {
    return { values, failed: firstOf(errors), release };
  }
  const { text } = parts.keys;
  const wanted: Wanted[] = [];
  const lasting = new Map<number, unknown>();
  const want = (at: number, memcacheKey?: Uint8Array) => {
    const error = errors.get(at);
    if (notSent.has(at)) {
      if (error !== undefined) cache.reportLongKey(error);
    } else if (error instanceof TemporaryError) {
      cache.outage.report("reads", error);
    } else if (error !== undefined) return void lasting.set(at, error);
    wanted.push({
      at,
      key: text.decode(stringAt(keys, at)!)!,
      // The backup's answer need not wait for another time-out.
      memcacheKey: memcacheKey === undefined || error instanceof NoAnswerError
        ? undefined
        : byteText.decode(memcacheKey),
      isMiss: error === undefined && !notSent.has(at),
    });
  };
  for (const [at, memcacheKey] of notSent) want(at, memcacheKey);
  for (const [at, memcacheKey] of gets.missing()) want(at, memcacheKey);
  wanted.sort((one, two) => one.at - two.at);
  const end = firstOf(lasting)?.at ?? count;
  const failed = await lookupInBackup(
    { ...state, backup },
    wanted.filter(({ at }) => at < end),
    (at, value) => {
      if (trace !== undefined) trace.backup++;
      values.putText(at, value, text);
    },
    signal,
  );
  if (failed !== undefined) lasting.set(failed.at, failed.error);
  return { values, failed: firstOf(lasting), release };
}

/**
 * Adds the memcache keys of lookup keys; those that are skipped are left out.
 * Returns those that are for the backup alone: memcached may not have such a key,
 * or may have an old value of it; that one has its memcache key.
 */
async function addKeys(
  { parts, cache }: MemcacheState,
  gets: GetMany,
  keys: ByteStrings,
): Promise<Map<number, Uint8Array | undefined>> {
  const { name, keys: rules, onDetail } = parts;
  const { unsure } = cache;
  const notSent = new Map<number, Uint8Array | undefined>();
  const { bytes, starts, ends } = keys;
  const keyAt = (at: number) => rules.text.decode(stringAt(keys, at)!)!;
  for (let at = 0; at < starts.length; at++) {
    const start = starts[at];
    if (start < 0) continue;
    const out = gets.beginKey();
    const from = out.length;
    const judging = rules.append(out, bytes, start, ends[at]);
    const verdict = judging instanceof Promise ? await judging : judging;
    if (verdict === undefined) {
      const isUnsure = unsure.size > 0 &&
        unsure.has(byteText.decode(out.bytes.subarray(from, out.length))!);
      if (!isUnsure) {
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
  if (notSent.size > 0) cache.removeUnsure();
  return notSent;
}

/** The first of some errors. */
export function firstOf(
  errors: ReadonlyMap<number, unknown>,
): BatchAnswer["failed"] {
  if (errors.size === 0) return undefined;
  let at = Infinity;
  for (const number of errors.keys()) at = Math.min(at, number);
  return { at, error: errors.get(at) };
}
