import { NoAnswerError, type TemporaryError } from "../../errors.ts";
import {
  type ByteStrings,
  ByteStringsBuilder,
  countOf,
  stringAt,
} from "../../bytes/byte_strings.ts";
import { frameOf } from "./key_frame.ts";
import { byteString, prepareKey } from "./key_rules.ts";
import { byteText } from "../../bytes/text.ts";
import { GetMany, noFrame } from "../../memcached/get_many.ts";
import { beforeNull, encodeGet, setCommand } from "../../memcached/protocol.ts";
import { WriteMany } from "../../memcached/write_many.ts";
import type { Table } from "../../table.ts";
import { limitsOf, type LookupTrace, tooLongKey } from "./memcache_driver.ts";
import {
  type Errors,
  firstOf,
  fits,
  type MemcacheBatch,
  passToBackup,
  sendWrites,
} from "./writes.ts";
import type { BatchAnswer } from "../driver.ts";

const mostSpare = 4;

/** Looks many keys up in memcached, then in the backup what that has not. */
export async function lookupKeys(
  batch: MemcacheBatch,
  keys: ByteStrings,
  trace?: LookupTrace,
): Promise<BatchAnswer> {
  const { parts } = batch;
  const { text } = parts.keys;
  const count = countOf(keys);
  const old = batch.spare.pop();
  const size = keys.bytes.length;
  const values = new ByteStringsBuilder(count, size, old?.values);
  const limits = limitsOf(parts.parameters);
  const gets = new GetMany(count, size, values, limits, old?.gets);
  const tooLong = await addKeys(batch, gets, keys);
  const failures = await sendGets(batch, gets, values);
  const errors = new Map([...tooLong, ...failures]);
  // What failed may be on its way still.
  const release = failures.size > 0 ? undefined : () => {
    if (batch.spare.length < mostSpare) batch.spare.push({ gets, values });
  };
  if (parts.backup === undefined) {
    return { values, failed: firstOf(errors), release };
  }
  const other = passToBackup(batch, "reads", errors);
  const missing: Wanted[] = gets.missing().map(({ at, key }) => ({
    at,
    memcacheKey: byteText.decode(key)!,
  }));
  for (const at of tooLong.keys()) missing.push({ at });
  missing.sort((one, two) => one.at - two.at);
  const sets = new WriteMany("set", byteText, limits);
  // Where what was found goes to memcached, which then has it for others.
  const stored = new Map<string, number>();
  for (let left = missing; left.length > 0;) {
    const { wanted, later } = withoutRepeated(left, errors);
    const failed = await askBackup(parts.backup, {
      batch,
      keys: wanted.map(({ at }) => keyAt(batch, keys, at)),
      found: (asked, key, value) => {
        const { at, memcacheKey } = wanted[asked];
        values.putText(at, value, text);
        if (trace !== undefined) trace.backup++;
        // The backup's answer need not wait for another time-out.
        if (errors.get(at) instanceof NoAnswerError) return;
        if (memcacheKey === undefined) return;
        const size = values.ends[at] - values.starts[at];
        if (!fits(parts, key, size)) return;
        const { flags, ttl } = parts.parameters;
        const data = byteString(text, value);
        sets.add(setCommand(memcacheKey, data, size, flags, ttl));
        stored.set(memcacheKey, at);
      },
    });
    if (failed !== undefined) other.set(wanted[failed.at].at, failed.error);
    const end = firstOf(other)?.at ?? count;
    left = later.filter(({ at, memcacheKey }) => {
      const same = stored.get(memcacheKey!);
      if (same === undefined) return at < end;
      values.put(at, values.bytes, values.starts[same], values.ends[same]);
      return false;
    });
  }
  passToBackup(batch, "writes", await sendWrites(batch, sets));
  return { values, failed: firstOf(other), release };
}

/** A key for the backup, and what it is in memcached if it can be there. */
interface Wanted {
  readonly at: number;
  readonly memcacheKey?: string;
}

/**
 * Leaves for later what has the memcache key of another, `key_format = %d` of two
 * addresses say: asked one after the other, the second finds what the backup had
 * for the first. Not where memcached failed.
 */
function withoutRepeated(
  keys: readonly Wanted[],
  errors: Errors,
): { wanted: Wanted[]; later: Wanted[] } {
  const seen = new Set<string>();
  const wanted: Wanted[] = [];
  const later: Wanted[] = [];
  for (const key of keys) {
    const { at, memcacheKey } = key;
    if (memcacheKey === undefined || errors.has(at)) wanted.push(key);
    else if (seen.has(memcacheKey)) later.push(key);
    else {
      seen.add(memcacheKey);
      wanted.push(key);
    }
  }
  return { wanted, later };
}

/**
 * Makes memcache keys of lookup keys. Those that are skipped are left out; the
 * errors are of those that are too long.
 */
async function addKeys(
  batch: MemcacheBatch,
  gets: GetMany,
  keys: ByteStrings,
): Promise<Errors> {
  const tooLong = new Map<number, TemporaryError>();
  const { name, keys: rules } = batch.parts;
  const frame = frameOf(rules);
  const { bytes, starts, ends } = keys;
  for (let at = 0; at < starts.length; at++) {
    const start = starts[at];
    const end = ends[at];
    if (start < 0 || start === end) continue;
    if (frame !== undefined) {
      if (gets.add(at, bytes, start, end, frame) !== "too long") continue;
      const around = frame.prefix.length + frame.suffix.length;
      const key = keyAt(batch, keys, at);
      tooLong.set(at, tooLongKey(name, key, around + end - start));
      continue;
    }
    const key = keyAt(batch, keys, at);
    const preparing = prepareKey(rules, key);
    const prepared = preparing instanceof Promise ? await preparing : preparing;
    if ("tooLong" in prepared) {
      tooLong.set(at, tooLongKey(name, key, prepared.tooLong));
    } else if ("key" in prepared) {
      const sent = byteText.encode(prepared.key);
      gets.add(at, sent, 0, sent.length, noFrame);
    }
  }
  return tooLong;
}

function keyAt(
  { parts }: MemcacheBatch,
  keys: ByteStrings,
  at: number,
): string {
  return parts.keys.text.decode(stringAt(keys, at)!)!;
}

/** Asks memcached; the errors of the keys whose lookup failed there. */
async function sendGets(
  { parts, outage, signal }: MemcacheBatch,
  gets: GetMany,
  values: ByteStringsBuilder,
): Promise<Errors> {
  const errors: Errors = new Map();
  if (gets.count === 0) return errors;
  const { client } = parts;
  try {
    // One key has nothing of being sent with others.
    const shortfall = gets.count === 1
      ? undefined
      : await client.exchange(gets.finish(), signal);
    const stop = new AbortController();
    const unlessStopped = signal === undefined
      ? stop.signal
      : AbortSignal.any([signal, stop.signal]);
    await Promise.all(
      gets.unanswered().map(async ({ at, key }) => {
        const request = encodeGet(byteText, byteText.decode(key)!);
        try {
          const reply = await client.request(
            "get",
            request,
            unlessStopped,
            shortfall,
          );
          if (reply.kind !== "value") return;
          const data = beforeNull(reply.data);
          values.put(at, data, 0, data.length);
        } catch (error) {
          errors.set(at, error);
          // Nobody wants what comes behind a failure, which may take its time.
          if (parts.backup === undefined) stop.abort(error);
        }
      }),
    );
  } catch (error) {
    for (const { at } of gets.missing()) errors.set(at, error);
  }
  if (errors.size === 0) outage.over("reads");
  return errors;
}

/** Looks keys up in the backup; where that failed, if it did. */
async function askBackup(
  backup: Table,
  asked: {
    batch: MemcacheBatch;
    keys: readonly string[];
    found: (at: number, key: string, value: string) => void;
  },
): Promise<BatchAnswer["failed"]> {
  const { batch, keys, found } = asked;
  let at = 0;
  try {
    const answers = backup.lookupMany(keys, { signal: batch.signal });
    for await (const { key, value } of answers) {
      if (value !== undefined) {
        found(at, key, value);
      }
      at++;
    }
  } catch (error) {
    return { at, error };
  }
  return undefined;
}
