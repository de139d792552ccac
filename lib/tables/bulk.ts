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
import type {
  DeleteResult,
  Entry,
  LookupResult,
  UpdateResult,
} from "../table.ts";
import { Batches, type BatchResult } from "./batches.ts";
import type { BatchAnswer, Driver, WriteAnswer } from "./driver.ts";
import type { TableRules } from "./driver_table.ts";

const lookupsOfBatch = 1024;
const lookupsAtOnce = 4;
const writesOfBatch = 1024;

/** What requests for many keys need of their table. */
export interface BulkParts {
  /** The table's name in messages. */
  readonly name: string;
  /** What it is made of. */
  readonly driver: Driver;
  /** How it treats what it is given. */
  readonly rules: TableRules;
  /** Throws when the table is closed. */
  readonly mustBeOpen: () => void;
  /** A key as the driver sees it; `undefined` when no table can have it. */
  readonly admit: (key: string) => string | undefined;
  /** An entry as the driver sees it; `undefined` when no table can have it. */
  readonly admitEntry: (key: string, value: string) => Entry | undefined;
}

/** Looks many keys up. */
export function lookupMany(
  parts: BulkParts,
  keys: Iterable<string> | AsyncIterable<string>,
  signal?: AbortSignal,
): AsyncIterableIterator<LookupResult> {
  const { text } = parts.rules;
  return new Batches<string, LookupResult>(keys, {
    size: lookupsOfBatch,
    atOnce: lookupsAtOnce,
    run: async (batch, unwanted) => {
      parts.mustBeOpen();
      signal?.throwIfAborted();
      const { asked, failed } = admitKeys(parts, batch);
      const answer = await lookupTogether(
        parts,
        asked,
        signal === undefined ? unwanted : AbortSignal.any([signal, unwanted]),
      );
      const { decoded, notText } = decodeStrings(answer.values, text);
      const end = answer.failed?.at ?? countOf(asked);
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

/** Stores many entries. */
export function updateMany(
  parts: BulkParts,
  entries: Iterable<Entry> | AsyncIterable<Entry>,
  signal?: AbortSignal,
): AsyncIterableIterator<UpdateResult> {
  const { driver } = parts;
  return writeMany<Entry, Entry, UpdateResult>(entries, parts, signal, {
    admit: ({ key, value }) => parts.admitEntry(key, value),
    together: driver.updateBatch?.bind(driver),
    one: ({ key, value }) => driver.update!(key, value, signal),
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
    together: driver.deleteBatch?.bind(driver),
    one: (key) => driver.delete!(key, signal),
    result: (key, deleted) => ({ key, deleted }),
  });
}

/** How items of one kind are written. */
interface Writing<Item, Admitted, Result> {
  /** An item as the driver sees it; `undefined` when no table can have it. */
  readonly admit: (item: Item) => Admitted | undefined;
  /** Writes some together, where the driver can do that. */
  readonly together:
    | ((
      items: readonly Admitted[],
      signal?: AbortSignal,
    ) => Promise<WriteAnswer>)
    | undefined;
  /** Writes one. */
  readonly one: (item: Admitted) => Promise<boolean>;
  /** What is told of an item. */
  readonly result: (item: Item, done: boolean) => Result;
}

function writeMany<Item, Admitted, Result>(
  items: Iterable<Item> | AsyncIterable<Item>,
  parts: BulkParts,
  signal: AbortSignal | undefined,
  { admit, together, one, result }: Writing<Item, Admitted, Result>,
): AsyncIterableIterator<Result> {
  return new Batches<Item, Result>(items, {
    size: writesOfBatch,
    atOnce: parts.driver.writesAtOnce ?? 1,
    run: async (batch) => {
      parts.mustBeOpen();
      signal?.throwIfAborted();
      const { admitted, failed } = admitAll(batch, admit);
      const written = await write(
        admitted,
        together && ((some) => together(some, signal)),
        one,
      );
      return {
        results: written.results.map((done, at) => result(batch[at], done)),
        failed: written.failed ?? failed,
      };
    },
  });
}

/** Looks lines up as they are typed, not folded and not known to be text. */
export async function lookupLines(
  parts: BulkParts,
  lines: ByteStrings,
  onNotText: (line: Uint8Array) => void,
  signal?: AbortSignal,
): Promise<BatchAnswer> {
  const { name, rules } = parts;
  parts.mustBeOpen();
  const keys = admitStrings(lines, rules.text, rules.fold, onNotText);
  const answer = await lookupTogether(parts, keys, signal);
  const at = firstNotText(answer.values, rules.text);
  if (at < 0 || at >= (answer.failed?.at ?? Infinity)) return answer;
  const key = new TextDecoder().decode(stringAt(lines, at));
  const error = new NotUtf8Error(name, key, stringAt(answer.values, at)!);
  return { values: answer.values, failed: { at, error } };
}

/** Keys as the driver sees them, up to the first that may not even be asked. */
function admitKeys(
  { rules, admit }: BulkParts,
  keys: readonly string[],
): { asked: ByteStrings; failed?: { error: unknown } } {
  const ascii = encodeAsciiStrings(keys);
  if (ascii !== undefined) {
    return { asked: admitStrings(ascii, rules.text, rules.fold, () => {}) };
  }
  const { admitted, failed } = admitAll(keys, admit);
  return { asked: encodeStrings(admitted, rules.text), failed };
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

async function lookupTogether(
  { driver, rules }: BulkParts,
  keys: ByteStrings,
  signal?: AbortSignal,
): Promise<BatchAnswer> {
  return await (driver.lookupBatch?.(keys, signal) ??
    lookupEach(driver, rules, keys, signal));
}

async function lookupEach(
  driver: Driver,
  { text }: TableRules,
  keys: ByteStrings,
  signal?: AbortSignal,
): Promise<BatchAnswer> {
  const count = countOf(keys);
  const values = new ByteStringsBuilder(count, 1024);
  for (let at = 0; at < count; at++) {
    const key = stringAt(keys, at);
    if (key === undefined) continue;
    try {
      // Not every type ends a lookup by a signal.
      signal?.throwIfAborted();
      const value = await driver.lookup(text.decode(key)!, signal);
      if (value !== undefined) values.putText(at, value, text);
    } catch (error) {
      return { values, failed: { at, error } };
    }
  }
  return { values };
}

/** Writes together if that can be done; what was not admitted is refused. */
async function write<Item>(
  items: readonly (Item | undefined)[],
  together: ((items: readonly Item[]) => Promise<WriteAnswer>) | undefined,
  one: (item: Item) => Promise<boolean>,
): Promise<BatchResult<boolean>> {
  const results: boolean[] = [];
  try {
    const answer = await together?.(items.filter((item) => item !== undefined));
    let next = 0;
    for (const item of items) {
      if (item === undefined) results.push(false);
      else if (answer === undefined) results.push(await one(item));
      else if (next === answer.failed?.at) {
        return { results, failed: answer.failed };
      } else results.push(answer.done[next++]);
    }
  } catch (error) {
    return { results, failed: { error } };
  }
  return { results };
}
