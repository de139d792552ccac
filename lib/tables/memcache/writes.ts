import { ByteBuffer } from "../../bytes/byte_buffer.ts";
import { encodeAllStrings } from "../../bytes/byte_strings.ts";
import { byteText } from "../../bytes/text.ts";
import { ClosedError, TemporaryError } from "../../errors.ts";
import { WriteMany } from "../../memcached/write_many.ts";
import type { Entry } from "../../table.ts";
import type { WriteAnswer } from "../driver.ts";
import { limitsOf, type MemcacheParts } from "./cache.ts";
import { tooLongKey } from "./key_rules.ts";
import { firstOf } from "./lookups.ts";
import type { OngoingWrite } from "./keys_in_use.ts";
import type { MemcacheState } from "./memcache_state.ts";

/** A batch of writes, first for memcached, then for the backup. */
interface Batch {
  /** The commands for memcached. */
  readonly writes: WriteMany;
  /** The index of the item of each command. */
  readonly sent: number[];
  /** The indexes of the items that no rule refuses. The backup gets these. */
  readonly accepted: number[];
  /** The memcache keys whose last item must not be sent: its value is too large. */
  readonly unsent: Set<string>;
  /** Why accepted items cannot be sent to memcached, by their index. */
  readonly errors: Map<number, unknown>;
}

/** Stores entries, in memcached first, then in the backup. */
export async function updateEntries(
  state: MemcacheState,
  entries: readonly Entry[],
  signal: AbortSignal | undefined,
): Promise<WriteAnswer> {
  const { parts, cache } = state;
  const { keys: { text }, parameters, backup, refuse } = parts;
  const { batch, inUse, writing } = await begin(state, "set", entries, signal, {
    keyOf: ({ key }) => key,
    skip: ({ key }, reason) => refuse(key, reason, "rules"),
    complete: ({ key, value }, writes) => {
      const size = cache.sizeOf(value);
      if (!cache.fits(key, size)) return false;
      writes.endSet(value, size, text, parameters);
      return true;
    },
  });
  try {
    await writing;
    const done = entries.map(() => false);
    recordDone(batch, done);
    if (backup === undefined) {
      for (const [number, { reason }] of batch.writes.refusals) {
        const { key } = entries[batch.sent[number]];
        refuse(key, `memcached does not take it: ${reason}`, "server");
      }
      return { done, failed: firstOf(allErrors(batch)) };
    }
    // The backup gets the value, and memcached may have an old one. A later write of
    // the same key replaces that, or marks it itself.
    if (batch.unsent.size > 0) await state.turns.sent();
    for (const key of batch.unsent) {
      if (inUse!.isLast(key)) cache.stale.add(key);
    }
    reportToBackup(state, batch);
    await inUse?.earlier;
    const stored = entries.map(() => false);
    const kept: number[] = [];
    const failed = await backupResults(
      batch.accepted,
      backup.updateMany(batch.accepted.map((at) => entries[at]), { signal }),
      (at, result) => {
        stored[at] = result.stored;
        if (!result.stored && done[at]) kept.push(at);
      },
    );
    // Where the backup kept its entry, lookups must not find the new value.
    await removeFromCache(state, batch, kept, inUse!);
    if (batch.unsent.size > 0) cache.removeStale();
    return { done: stored, failed };
  } finally {
    inUse?.end();
  }
}

/** Why a rule refuses an entry; `undefined` if none does. */
export async function whyNotStored(
  { keys, backup }: MemcacheParts,
  key: string,
  value: string,
): Promise<string | undefined> {
  const bytes = keys.text.encode(key);
  const out = new ByteBuffer(2 * bytes.length);
  const verdict = await keys.append(out, bytes, 0, bytes.length);
  if (typeof verdict === "string") return verdict;
  return await backup?.whyNotStored?.(key, value);
}

/** Removes keys, from memcached first, then from the backup. */
export async function deleteKeys(
  state: MemcacheState,
  keys: readonly string[],
  signal: AbortSignal | undefined,
): Promise<WriteAnswer> {
  const { parts } = state;
  const { name, backup, onDetail } = parts;
  const { batch, inUse, writing } = await begin(state, "delete", keys, signal, {
    keyOf: (key) => key,
    skip: (key, reason) =>
      onDetail?.(`${name}: skipping the delete of "${key}": ${reason}`),
    complete: (_, writes) => {
      writes.endDelete();
      return true;
    },
  });
  try {
    await writing;
    const done = keys.map(() => false);
    if (backup === undefined) {
      recordDone(batch, done);
      return { done, failed: firstOf(allErrors(batch)) };
    }
    reportToBackup(state, batch);
    await inUse?.earlier;
    const failed = await backupResults(
      batch.accepted,
      backup.deleteMany(batch.accepted.map((at) => keys[at]), { signal }),
      (at, { deleted }) => done[at] = deleted,
    );
    return { done, failed };
  } finally {
    inUse?.end();
  }
}

/** How a kind of write makes the command of an item. */
interface CommandRules<Item> {
  readonly keyOf: (item: Item) => string;
  /** Called with each item that a rule refuses. */
  readonly skip: (item: Item, reason: string) => void;
  /** Completes the command of an item; `false` when it must not be sent. */
  readonly complete: (item: Item, writes: WriteMany) => boolean;
}

/** A batch that memcached is being told. */
interface BegunBatch {
  readonly batch: Batch;
  readonly inUse: OngoingWrite | undefined;
  readonly writing: Promise<void>;
}

/** Makes a batch and starts to send it, after all that were requested before it. */
function begin<Item>(
  state: MemcacheState,
  command: "set" | "delete",
  items: readonly Item[],
  signal: AbortSignal | undefined,
  rules: CommandRules<Item>,
): Promise<BegunBatch> {
  return state.turns.inTurn(
    () => makeBatch(state, command, items, signal, rules),
    (batch) => ({
      batch,
      inUse: beginWrite(state, batch, (at) => rules.keyOf(items[at])),
      writing: state.cache.write(batch.writes, signal),
    }),
  );
}

async function makeBatch<Item>(
  { parts, cache }: MemcacheState,
  command: "set" | "delete",
  items: readonly Item[],
  signal: AbortSignal | undefined,
  { keyOf, skip, complete }: CommandRules<Item>,
): Promise<Batch> {
  const { name, keys: rules, knowDomains, parameters, onDetail } = parts;
  const writes = new WriteMany(command, limitsOf(parameters));
  const batch: Batch = {
    writes,
    sent: [],
    accepted: [],
    unsent: new Set(),
    errors: new Map(),
  };
  const keys = items.map(keyOf);
  const encoded = encodeAllStrings(keys, rules.text);
  const known = knowDomains && await knowDomains(encoded, signal);
  const asking = { known, signal };
  // By index: an iterator for each item is memory for the garbage collector.
  for (let at = 0; at < items.length; at++) {
    const item = items[at];
    const key = keys[at];
    const out = writes.beginKey();
    const from = out.length;
    const { bytes, starts, ends } = encoded;
    const judging = rules.append(out, bytes, starts[at], ends[at], asking);
    const verdict = judging instanceof Promise ? await judging : judging;
    if (typeof verdict === "string") skip(item, verdict);
    else batch.accepted.push(at);
    if (typeof verdict === "number") {
      batch.errors.set(at, tooLongKey(name, key, verdict));
    }
    const memcacheKeyEnd = out.length;
    if (verdict === undefined && complete(item, writes)) {
      batch.sent.push(at);
      if (batch.unsent.size > 0) {
        batch.unsent.delete(writes.keyAt(writes.count - 1));
      }
      onDetail?.(
        `${name}: ${command === "set" ? "update" : "delete"} "${key}" as ` +
          `"${writes.keyAt(writes.count - 1)}"`,
      );
    } else {
      if (verdict === undefined) {
        const memcacheKey = out.bytes.subarray(from, memcacheKeyEnd);
        batch.unsent.add(byteText.decode(memcacheKey)!);
      }
      writes.dropKey();
    }
  }
  cache.removeStale();
  return batch;
}

/** Sets which writes of a batch memcached executed. */
function recordDone({ sent, writes }: Batch, done: boolean[]): void {
  for (let number = 0; number < sent.length; number++) {
    done[sent[number]] = writes.verdicts[number] ?? false;
  }
}

/** With a backup, registers the writes, so that other requests respect them. */
function beginWrite(
  { parts, keysInUse }: MemcacheState,
  { writes, accepted, unsent }: Batch,
  keyOf: (at: number) => string,
): OngoingWrite | undefined {
  if (parts.backup === undefined) return undefined;
  const memcacheKeys = () => {
    const keys = [...unsent];
    for (let at = 0; at < writes.count; at++) keys.push(writes.keyAt(at));
    return keys;
  };
  return keysInUse.beginWrite(memcacheKeys, accepted.map(keyOf));
}

/** All errors, by the index of their item. */
function allErrors({ writes, sent, errors }: Batch): Map<number, unknown> {
  const all = new Map(errors);
  for (const [number, error] of writes.errors) all.set(sent[number], error);
  return all;
}

/** Reports what memcached did not store. Throws errors that a backup cannot mend. */
function reportToBackup({ cache }: MemcacheState, batch: Batch): void {
  for (const error of batch.errors.values()) cache.reportLongKey(error);
  for (const error of batch.writes.errors.values()) {
    if (!(error instanceof TemporaryError)) throw error;
  }
  cache.reportWrites(batch.writes);
}

/** Reads the results of the backup. Returns the first item that failed. */
async function backupResults<Result>(
  accepted: readonly number[],
  results: AsyncIterable<Result>,
  onResult: (at: number, result: Result) => void,
): Promise<WriteAnswer["failed"]> {
  let next = 0;
  try {
    for await (const result of results) onResult(accepted[next++], result);
  } catch (error) {
    return { at: accepted[next] ?? 0, error };
  }
  return undefined;
}

/**
 * Removes values from memcached that this batch wrote, except where a later write
 * of the same memcache key follows.
 */
async function removeFromCache(
  { parts, cache }: MemcacheState,
  { writes, sent }: Batch,
  items: readonly number[],
  inUse: OngoingWrite,
): Promise<void> {
  if (items.length === 0) return;
  const removed = new Set(items);
  const last = new Map<string, number>();
  for (const [number, at] of sent.entries()) last.set(writes.keyAt(number), at);
  const deletes = new WriteMany("delete", limitsOf(parts.parameters));
  for (const [key, at] of last) {
    if (!removed.has(at) || !inUse.isLast(key)) continue;
    deletes.beginKey().appendText(key, byteText);
    deletes.endDelete();
  }
  try {
    await cache.write(deletes, undefined);
  } catch (error) {
    if (!(error instanceof ClosedError)) throw error;
  }
  cache.reportWrites(deletes);
}
