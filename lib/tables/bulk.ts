import { requireEntry } from "../arguments.ts";
import { NotUtf8Error } from "../errors.ts";
import {
  admitStrings,
  type ByteStrings,
  ByteStringsBuilder,
  countOf,
  decodeStrings,
  encodeAsciiStrings,
  encodeStrings,
  firstNotText,
  stringAt,
} from "../bytes/byte_strings.ts";
import { eitherAborts, untilAborted } from "../system/abort.ts";
import type {
  DeleteResult,
  Entry,
  LookupResult,
  UpdateResult,
} from "../table.ts";
import { Batches, type BatchResult, Lists } from "./batches.ts";
import type { BatchAnswer, Driver, WriteAnswer, WritePace } from "./driver.ts";
import type { TableRules } from "./driver_table.ts";

const lookupBatchSize = 1024;
const concurrentLookupBatches = 4;
const defaultPace: WritePace = { batchSize: 1024, batches: 1 };

/** The parts of a table that bulk requests use. */
export interface BulkParts {
  /** The table's name in messages. */
  readonly name: string;
  /** The driver of the table. */
  readonly driver: Driver;
  /** The rules of the table. */
  readonly rules: TableRules;
  /** Aborted when the table is closed, with the error of later requests. */
  readonly closing: AbortSignal;
  /** Throws when the table is closed. */
  readonly mustBeOpen: () => void;
  /** Checks and folds a key; `undefined` if it is invalid. */
  readonly admit: (key: string) => string | undefined;
  /** Checks and folds an entry; `undefined` if it is invalid. */
  readonly admitEntry: (key: string, value: string) => Entry | undefined;
}

/** Looks up many keys. */
export function lookupMany(
  parts: BulkParts,
  keys: Iterable<string> | AsyncIterable<string>,
  signal?: AbortSignal,
): AsyncIterableIterator<LookupResult> {
  const { text } = parts.rules;
  return new Batches<string, LookupResult>(keys, {
    size: lookupBatchSize,
    concurrency: concurrentLookupBatches,
    until: eitherAborts(signal, parts.closing),
    run: async (batch, abandoned) => {
      parts.mustBeOpen();
      signal?.throwIfAborted();
      const { admitted, failed } = admitKeys(parts, batch);
      const answer = await lookupBatch(
        parts,
        admitted,
        eitherAborts(signal, abandoned),
      );
      const { decoded, notText } = decodeStrings(answer.values, text);
      const end = answer.failed?.at ?? countOf(admitted);
      const results: LookupResult[] = [];
      for (let at = 0; at < Math.min(end, decoded.length); at++) {
        results.push({ key: batch[at], value: decoded[at] });
      }
      if (notText !== undefined && notText < end) {
        const value = stringAt(answer.values, notText)!;
        const error = new NotUtf8Error(parts.name, batch[notText], value);
        return { results, failed: { error } };
      }
      answer.release?.();
      return { results, failed: answer.failed ?? failed };
    },
  });
}

/** Stores lists of entries. The results are lists too, of other lengths. */
export function updateLists(
  parts: BulkParts,
  lists: AsyncIterable<readonly Entry[]>,
  signal?: AbortSignal,
): AsyncIterableIterator<readonly UpdateResult[]> {
  return updateMany(parts, new Lists(lists), signal).lists();
}

/** Stores many entries. */
export function updateMany(
  parts: BulkParts,
  entries: Iterable<Entry> | AsyncIterable<Entry> | Lists<Entry>,
  signal?: AbortSignal,
): Batches<Entry, UpdateResult> {
  const { driver } = parts;
  return writeMany<Entry, Entry, UpdateResult>(entries, parts, signal, {
    admit: (entry) => {
      requireEntry(parts.name, entry);
      return parts.admitEntry(entry.key, entry.value);
    },
    writeBatch: driver.updateBatch?.bind(driver),
    writeOne: ({ key, value }) => driver.update!(key, value, signal),
    result: ({ key }, stored) => ({ key, stored }),
  });
}

/** Removes many keys. */
export function deleteMany(
  parts: BulkParts,
  keys: Iterable<string> | AsyncIterable<string>,
  signal?: AbortSignal,
): AsyncIterableIterator<DeleteResult> {
  const { driver } = parts;
  return writeMany<string, string, DeleteResult>(keys, parts, signal, {
    admit: parts.admit,
    writeBatch: driver.deleteBatch?.bind(driver),
    writeOne: (key) => driver.delete!(key, signal),
    result: (key, deleted) => ({ key, deleted }),
  });
}

/** How one kind of write works: updates or deletes. */
interface WriteKind<Item, Admitted, Result> {
  /** Checks and folds an item; `undefined` if it is invalid. */
  readonly admit: (item: Item) => Admitted | undefined;
  /** Writes a batch; `undefined` where the driver cannot do that. */
  readonly writeBatch:
    | ((
      items: readonly Admitted[],
      signal?: AbortSignal,
    ) => Promise<WriteAnswer>)
    | undefined;
  /** Writes one item. */
  readonly writeOne: (item: Admitted) => Promise<boolean>;
  /** The result that the caller gets. */
  readonly result: (item: Item, done: boolean) => Result;
}

function writeMany<Item, Admitted, Result>(
  items: Iterable<Item> | AsyncIterable<Item> | Lists<Item>,
  parts: BulkParts,
  signal: AbortSignal | undefined,
  { admit, writeBatch, writeOne, result }: WriteKind<Item, Admitted, Result>,
): Batches<Item, Result> {
  const { batchSize, batches } = parts.driver.writePace ?? defaultPace;
  return new Batches<Item, Result>(items, {
    size: batchSize,
    concurrency: batches,
    until: eitherAborts(signal, parts.closing),
    run: async (batch) => {
      parts.mustBeOpen();
      signal?.throwIfAborted();
      const { admitted, failed } = admitAll(batch, admit);
      const written = await write(
        admitted,
        writeBatch && ((some) => writeBatch(some, signal)),
        writeOne,
      );
      return {
        results: written.results.map((done, at) => result(batch[at], done)),
        failed: written.failed ?? failed,
      };
    },
  });
}

/** Looks up raw lines: bytes, not folded, perhaps not valid text. */
export async function lookupLines(
  parts: BulkParts,
  lines: ByteStrings,
  onNotText: (line: Uint8Array) => void,
  signal?: AbortSignal,
): Promise<BatchAnswer> {
  const { name, rules } = parts;
  parts.mustBeOpen();
  const keys = admitStrings(lines, rules.text, rules.fold, onNotText);
  const answer = await lookupBatch(parts, keys, signal);
  const at = firstNotText(answer.values, rules.text);
  if (at < 0 || at >= (answer.failed?.at ?? Infinity)) return answer;
  const key = new TextDecoder().decode(stringAt(lines, at));
  const error = new NotUtf8Error(name, key, stringAt(answer.values, at)!);
  return { values: answer.values, failed: { at, error } };
}

/** Checks and folds keys, up to the first that is not even a string. */
function admitKeys(
  { rules, admit }: BulkParts,
  keys: readonly string[],
): { admitted: ByteStrings; failed?: { error: unknown } } {
  const ascii = encodeAsciiStrings(keys);
  if (ascii !== undefined) {
    return { admitted: admitStrings(ascii, rules.text, rules.fold, () => {}) };
  }
  const { admitted, failed } = admitAll(keys, admit);
  return { admitted: encodeStrings(admitted, rules.text), failed };
}

function admitAll<Item, Admitted>(
  items: readonly Item[],
  admit: (item: Item) => Admitted,
): { admitted: Admitted[]; failed?: { error: unknown } } {
  const admitted: Admitted[] = [];
  try {
    for (const item of items) admitted.push(admit(item));
  } catch (error) {
    return { admitted, failed: { error } };
  }
  return { admitted };
}

async function lookupBatch(
  { driver, rules }: BulkParts,
  keys: ByteStrings,
  signal?: AbortSignal,
): Promise<BatchAnswer> {
  const answering = driver.lookupBatch?.(keys, signal) ??
    lookupEach(driver, rules, keys, signal);
  return await (driver.heedsSignal
    ? answering
    : untilAborted(answering, signal));
}

async function lookupEach(
  driver: Driver,
  { text }: TableRules,
  keys: ByteStrings,
  signal?: AbortSignal,
): Promise<BatchAnswer> {
  const count = countOf(keys);
  const values = new ByteStringsBuilder(count, 1024);
  const { decoded } = decodeStrings(keys, text);
  for (const [at, key] of decoded.entries()) {
    if (key === undefined) continue;
    try {
      // Some drivers ignore the signal.
      signal?.throwIfAborted();
      const value = await driver.lookup(key, signal);
      if (value !== undefined) values.putText(at, value, text);
    } catch (error) {
      return { values, failed: { at, error } };
    }
  }
  return { values };
}

/** Writes items in a batch if possible. Invalid items (`undefined`) give `false`. */
async function write<Item>(
  items: readonly (Item | undefined)[],
  writeBatch: ((items: readonly Item[]) => Promise<WriteAnswer>) | undefined,
  writeOne: (item: Item) => Promise<boolean>,
): Promise<BatchResult<boolean>> {
  const results: boolean[] = [];
  try {
    const answer = await writeBatch?.(
      items.filter((item) => item !== undefined),
    );
    let next = 0;
    for (const item of items) {
      if (item === undefined) results.push(false);
      else if (answer === undefined) results.push(await writeOne(item));
      else if (next === answer.failed?.at) {
        return { results, failed: answer.failed };
      } else results.push(answer.done[next++]);
    }
  } catch (error) {
    return { results, failed: { error } };
  }
  return { results };
}
