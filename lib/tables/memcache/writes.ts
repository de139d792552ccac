import { TemporaryError } from "../../errors.ts";
import { byteString, prepareKey } from "./key_rules.ts";
import type { ByteStringsBuilder } from "../../bytes/byte_strings.ts";
import { byteLength, byteText } from "../../bytes/text.ts";
import type { GetMany } from "../../memcached/get_many.ts";
import { deleteCommand, setCommand } from "../../memcached/protocol.ts";
import { WriteMany } from "../../memcached/write_many.ts";
import type { Entry } from "../../table.ts";
import {
  type Asked,
  limitsOf,
  type MemcacheParts,
  type Outage,
  tooLongKey,
  warnOfLongValue,
} from "./memcache_driver.ts";
import type { BatchAnswer } from "../driver.ts";

/** What requests of a memcache table for many keys have in common. */
export interface MemcacheBatch {
  /** The table. */
  readonly parts: MemcacheParts;
  /** Whether memcached fails, as far as the administrator was told. */
  readonly outage: Outage;
  /** Ends them. */
  readonly signal?: AbortSignal;
  /** Memory of lookups that are done with, for others. */
  readonly spare: SpareLookups[];
}

/** What a batch of lookups was made in. */
export interface SpareLookups {
  /** The request. */
  readonly gets: GetMany;
  /** The values. */
  readonly values: ByteStringsBuilder;
}

/** Errors, by the number of the key or entry that they are of. */
export type Errors = Map<number, unknown>;

/** The first of some errors. */
export function firstOf(errors: Errors): BatchAnswer["failed"] {
  if (errors.size === 0) return undefined;
  let at = Infinity;
  for (const number of errors.keys()) at = Math.min(at, number);
  return { at, error: errors.get(at) };
}

/** Tells of failures that a backup makes good; returns the others. */
export function passToBackup(
  { outage }: MemcacheBatch,
  asked: Asked,
  errors: Errors,
): Errors {
  const other: Errors = new Map();
  for (const [at, error] of errors) {
    if (error instanceof TemporaryError) outage.report(asked, error);
    else other.set(at, error);
  }
  return other;
}

/** Whether a value may go to memcached; warns when it may not. */
export function fits(
  parts: MemcacheParts,
  key: string,
  size: number,
): boolean {
  if (size <= parts.parameters.data_size_limit) return true;
  warnOfLongValue(parts, key, size);
  return false;
}

/** Sends commands; the errors of those that failed. */
export async function sendWrites(
  { parts, outage, signal }: MemcacheBatch,
  writes: WriteMany,
): Promise<Errors> {
  const errors: Errors = new Map();
  if (writes.count === 0) return errors;
  const { client } = parts;
  try {
    const shortfall = await client.exchange(writes, signal);
    await Promise.all(
      writes.unanswered().map(async (at) => {
        const bytes = writes.commandAt(at);
        try {
          const { kind } = await client.request(
            writes.command,
            bytes,
            signal,
            shortfall,
          );
          writes.verdicts[at] = kind !== "not found";
        } catch (error) {
          errors.set(at, error);
        }
      }),
    );
  } catch (error) {
    for (const at of writes.unanswered()) errors.set(at, error);
  }
  if (errors.size === 0) outage.over("writes");
  return errors;
}

/** Stores many entries, in memcached first, then in the backup. */
export async function updateEntries(
  batch: MemcacheBatch,
  entries: readonly Entry[],
): Promise<boolean[]> {
  const { parts, signal } = batch;
  const { name, keys, parameters, backup, onWarning } = parts;
  const sets = new WriteMany("set", byteText, limitsOf(parameters));
  const stored = entries.map(() => false);
  const accepted: number[] = [];
  const errors: Errors = new Map();
  for (const [at, { key, value }] of entries.entries()) {
    const preparing = prepareKey(keys, key);
    const prepared = preparing instanceof Promise ? await preparing : preparing;
    if ("skipped" in prepared) {
      onWarning(`${name}: not storing key "${key}": ${prepared.skipped}`);
      continue;
    }
    accepted.push(at);
    const size = byteLength(keys.text, value);
    if (!fits(parts, key, size)) continue;
    if ("tooLong" in prepared) {
      errors.set(at, tooLongKey(name, key, prepared.tooLong));
      continue;
    }
    stored[at] = true;
    const { flags, ttl } = parameters;
    const data = byteString(keys.text, value);
    sets.add(setCommand(prepared.key, data, size, flags, ttl));
  }
  for (const [at, error] of await sendWrites(batch, sets)) {
    errors.set(at, error);
  }
  if (backup === undefined) {
    for (const error of errors.values()) throw error;
    return stored;
  }
  for (const error of passToBackup(batch, "writes", errors).values()) {
    throw error;
  }
  const asked = accepted.map((at) => entries[at]);
  const verdicts = backup.updateMany(asked, { signal });
  const deletes = new WriteMany("delete", byteText, limitsOf(parameters));
  for (const at of accepted) {
    const cached = stored[at];
    stored[at] = (await verdicts.next()).value.stored;
    if (!cached || stored[at]) continue;
    // What the backup keeps instead is what lookups shall find.
    const prepared = await prepareKey(keys, entries[at].key);
    if ("key" in prepared) deletes.add(deleteCommand(prepared.key));
  }
  passToBackup(batch, "writes", await sendWrites(batch, deletes));
  return stored;
}

/** Removes many keys, from memcached first, then from the backup. */
export async function deleteKeys(
  batch: MemcacheBatch,
  keys: readonly string[],
): Promise<boolean[]> {
  const { parts, signal } = batch;
  const { name, keys: rules, parameters, backup } = parts;
  const deletes = new WriteMany("delete", byteText, limitsOf(parameters));
  const deleted = keys.map(() => false);
  const accepted: number[] = [];
  const sent: number[] = [];
  const errors: Errors = new Map();
  for (const [at, key] of keys.entries()) {
    const preparing = prepareKey(rules, key);
    const prepared = preparing instanceof Promise ? await preparing : preparing;
    if ("skipped" in prepared) continue;
    accepted.push(at);
    if ("tooLong" in prepared) {
      errors.set(at, tooLongKey(name, key, prepared.tooLong));
      continue;
    }
    sent.push(at);
    deletes.add(deleteCommand(prepared.key));
  }
  for (const [number, error] of await sendWrites(batch, deletes)) {
    errors.set(sent[number], error);
  }
  if (backup === undefined) {
    for (const error of errors.values()) throw error;
    for (const [number, at] of sent.entries()) {
      deleted[at] = deletes.verdicts[number] ?? false;
    }
    return deleted;
  }
  for (const error of passToBackup(batch, "writes", errors).values()) {
    throw error;
  }
  const asked = accepted.map((at) => keys[at]);
  const verdicts = backup.deleteMany(asked, { signal });
  for (const at of accepted) {
    deleted[at] = (await verdicts.next()).value.deleted;
  }
  return deleted;
}
