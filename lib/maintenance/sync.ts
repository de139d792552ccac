import { byteText, type Text, utf8Text } from "../bytes/text.ts";
import { ConfigError, TemporaryError } from "../errors.ts";
import { openApart, openStored } from "../open.ts";
import type { Entry, Table } from "../table.ts";
import type { DriverTable } from "../tables/driver_table.ts";
import { requireOptionNames } from "../tables/option_names.ts";
import { maintenanceOptionNames, type MaintenanceOptions } from "./options.ts";
import { byteOrder, HeldEntries, SortedEntries } from "./sorted_entries.ts";

/** Options of {@linkcode syncTable}. */
export interface SyncOptions extends MaintenanceOptions {
  /**
   * Only tell what would change.
   *
   * @default {false}
   */
  dryRun?: boolean;
  /**
   * Go on without the entries that the table cannot have; else nothing is changed
   * when there are any. What a table has under the key of such an entry is removed.
   *
   * @default {false}
   */
  partial?: boolean;
  /**
   * Take a source without entries for what it is, and remove all that the table
   * has; else that is a {@linkcode ConfigError}.
   *
   * @default {false}
   */
  allowEmpty?: boolean;
  /** As for `openTable`. By default `smtputf8_enable` of main.cf decides. */
  utf8?: boolean;
  /**
   * Fold the keys of the source, as for `openTable`.
   *
   * @default {true}
   */
  fold?: boolean;
  /**
   * Of entries of the source with the same key `replace` takes the last one, `warn`
   * and `ignore` take the first one, with and without a warning.
   *
   * @default {"warn"}
   */
  duplicates?: "warn" | "replace" | "ignore";
  /** Called with each change before it is made, and waited for. */
  onChange?: (change: Change) => void | Promise<void>;
}

const optionNames: Readonly<Record<keyof SyncOptions, true>> = {
  ...maintenanceOptionNames,
  dryRun: true,
  partial: true,
  allowEmpty: true,
  onChange: true,
};

/** A difference between a table and its source. */
export interface Change extends Entry {
  /** What is done about it; a removed entry has the value that it had. */
  readonly kind: "added" | "changed" | "removed";
}

/** What {@linkcode syncTable} did. */
export interface Synced {
  /** Entries that the table did not have. */
  readonly added: number;
  /** Entries that had another value. */
  readonly changed: number;
  /** Entries that the source does not have. */
  readonly removed: number;
  /** Entries that were equal, and were not written. */
  readonly kept: number;
  /** Entries of the source that the table cannot have, or refused. */
  readonly leftOut: number;
}

const progressEvery = 1024;

/**
 * Makes a table hold just what a source has: adds what is new, replaces what has
 * another value, and removes what is gone; what is equal is not written. The
 * backup of a memcache table decides, and what changes is written to memcached
 * and to the backup, as `update` and `delete` do. Lookups may go on meanwhile;
 * nothing is removed before everything else is in place.
 *
 * The whole source is read before anything is changed. When it throws, when it is
 * empty, or when it has an entry that the table cannot have, nothing is. Whatever
 * ends it later, the same call once more does the rest.
 *
 * Memory is bounded: beyond some 8,000 entries both sides are sorted with the
 * help of a temporary file in `$TMPDIR`, or /tmp, which takes about the size of
 * the source. A list of keys' hashes would need less of a disk, and memory that
 * grows with the table.
 *
 * Throws {@linkcode ConfigError} for a table that cannot be listed, an entry that
 * it cannot have, and an empty source; {@linkcode ReadOnlyError} for one that
 * cannot be written; {@linkcode TemporaryError} when the table fails.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { syncTable } from "@postmaps/memcache-table/maintenance";
 *
 * const source = [{ key: "alice", value: "a" }, { key: "bob", value: "b" }];
 * const done = await syncTable("kv::memory:", source);
 * assertEquals(done, {
 *   added: 2,
 *   changed: 0,
 *   removed: 0,
 *   kept: 0,
 *   leftOut: 0,
 * });
 * ```
 */
export async function syncTable(
  name: string,
  entries: Iterable<Entry> | AsyncIterable<Entry>,
  options: SyncOptions = {},
): Promise<Synced> {
  requireOptionNames(options, optionNames);
  const {
    dryRun = false,
    partial = false,
    allowEmpty = false,
    fold = true,
    onChange: _,
    onProgress: _progress,
    ...tableOptions
  } = options;
  const onWarning = options.onWarning ?? ((line) => console.warn(line));
  const opening = { ...tableOptions, onWarning, fold: false as const };
  const listed = await listedTable(name, opening);
  const heard = { ...options, fold, partial, onWarning };
  let sync: Sync | undefined;
  try {
    const table = await openStored(name, {
      ...opening,
      write: !dryRun,
      duplicates: "replace",
      onRefusal: (key, reason, by) => sync?.refuse(key, reason, by),
    });
    sync = new Sync(table, listed.inOrder, heard);
    await sync.readSource(entries);
    sync.mustHaveSource(allowEmpty);
    await sync.compare();
    if (dryRun) await sync.tellChanges();
    else {
      await sync.apply();
      await removeRefilled(listed.cache, sync.removedKeys(), options);
    }
    return sync.done();
  } finally {
    await sync?.close();
    await listed.cache?.close();
  }
}

/**
 * What is known of a table that is to be listed: whether that is in byte order, and
 * its memcached alone, if it has one.
 */
async function listedTable(
  name: string,
  options: MaintenanceOptions & { fold: false },
): Promise<{ inOrder: boolean; cache?: Table }> {
  if (!name.startsWith("memcache:")) return { inOrder: name.startsWith("kv:") };
  const { cache, backup } = await openApart(name, { ...options, write: false });
  const { name: backupName } = backup ?? {};
  await backup?.close();
  try {
    if (backupName === undefined) {
      throw new ConfigError(
        `${name} cannot be listed, so that nobody knows what to remove: memcached ` +
          `cannot list its keys; give it a "backup" that can be listed and ` +
          `written, such as backup = kv:/var/lib/memcache-table/aliases.kv`,
      );
    }
    const behind = await listedTable(backupName, options);
    await behind.cache?.close();
    return { inOrder: behind.inOrder, cache };
  } catch (error) {
    await cache?.close();
    throw error;
  }
}

type HeardOptions =
  & SyncOptions
  & Required<Pick<SyncOptions, "fold" | "partial" | "onWarning">>;

/** One run over one table. */
class Sync {
  #table: DriverTable;
  #inOrder: boolean;
  #options: HeardOptions;
  #text: Text;
  #source: SortedEntries;
  #read = 0;
  #kept = 0;
  #leftOut = 0;
  /** Entries that were refused while the table was written. */
  #refused = new Set<string>();
  #isWriting = false;
  /** What is to be done, and what was done. */
  #changes: Record<Change["kind"], { entries: HeldEntries; count: number }>;

  constructor(table: DriverTable, inOrder: boolean, options: HeardOptions) {
    this.#table = table;
    this.#inOrder = inOrder;
    this.#options = options;
    this.#text = table.rules.text.utf8 ? utf8Text : byteText;
    this.#source = new SortedEntries(this.#text);
    const none = () => ({ entries: new HeldEntries(this.#text), count: 0 });
    this.#changes = { added: none(), changed: none(), removed: none() };
  }

  async close(): Promise<void> {
    this.#source.close();
    for (const { entries } of Object.values(this.#changes)) entries.close();
    await this.#table.close();
  }

  done(): Synced {
    const { added, changed, removed } = this.#changes;
    return {
      added: added.count,
      changed: changed.count,
      removed: removed.count,
      kept: this.#kept,
      leftOut: this.#leftOut,
    };
  }

  /** Takes the whole source, and leaves the table as it is. */
  async readSource(
    entries: Iterable<Entry> | AsyncIterable<Entry>,
  ): Promise<void> {
    const { fold, signal } = this.#options;
    const text = this.#text;
    for await (const { key, value } of entries) {
      signal?.throwIfAborted();
      this.#tellProgress();
      const entry = { key: fold ? text.fold(key) : key, value };
      const judging = this.#table.whyNotStored(entry.key, value);
      const reason = judging instanceof Promise ? await judging : judging;
      if (reason !== undefined) this.refuse(key, reason, "rules");
      else if (this.#source.add(entry)) await this.#source.flush();
      this.#read++;
    }
  }

  /** Throws where the source is not one that the table is to be made equal to. */
  mustHaveSource(allowEmpty: boolean): void {
    const { name } = this.#table;
    if (this.#leftOut > 0 && !this.#options.partial) {
      const entries = this.#leftOut === 1
        ? "an entry"
        : `${this.#leftOut} entries`;
      throw new ConfigError(
        `${name}: the source has ${entries} that the table cannot have: ` +
          `nothing was changed; correct it, or go on without them by the ` +
          `option "partial"`,
      );
    }
    if (this.#read === this.#leftOut && !allowEmpty) {
      throw new ConfigError(
        `${name}: the source has no entries: nothing was changed; ` +
          `to empty the table, set the option "allowEmpty"`,
      );
    }
  }

  /** Tells of an entry that the table does not take. */
  refuse(key: string, reason: string, by: "rules" | "server"): void {
    const { onRefusal, onWarning } = this.#options;
    this.#leftOut++;
    if (this.#isWriting) this.#refused.add(key);
    if (onRefusal !== undefined) return onRefusal(key, reason, by);
    onWarning(`${this.#table.name}: not storing key "${key}": ${reason}`);
  }

  /** Finds what is to be done. */
  async compare(): Promise<void> {
    const text = this.#text;
    const source = this.#uniqueEntries();
    let wanted = source.next().value;
    let order = wanted && byteOrder(wanted.key, text);
    const advance = () => {
      wanted = source.next().value;
      order = wanted && byteOrder(wanted.key, text);
    };
    for await (const { key, value } of this.#listing()) {
      const there = byteOrder(key, text);
      while (wanted !== undefined && order! < there) {
        await this.#note("added", wanted);
        advance();
      }
      if (wanted === undefined || order !== there) {
        await this.#note("removed", { key, value });
        continue;
      }
      if (wanted.value === value) this.#kept++;
      else await this.#note("changed", wanted);
      advance();
    }
    for (; wanted !== undefined; advance()) await this.#note("added", wanted);
    this.#source.close();
  }

  async #note(kind: Change["kind"], entry: Entry): Promise<void> {
    const noted = this.#changes[kind];
    noted.count++;
    if (noted.entries.add(entry)) await noted.entries.flush();
  }

  /** The source in the byte order of its keys, each key once. */
  *#uniqueEntries(): Generator<Entry> {
    const { duplicates = "warn", onWarning } = this.#options;
    let kept: Entry | undefined;
    for (const entry of this.#source.entries()) {
      if (kept?.key === entry.key) {
        if (duplicates === "replace") kept = entry;
        else if (duplicates === "warn") {
          onWarning(
            `key "${entry.key}" is in the source more than once: ` +
              "the first one counts",
          );
        }
        continue;
      }
      if (kept !== undefined) yield kept;
      kept = entry;
    }
    if (kept !== undefined) yield kept;
  }

  /** What the table has, in the byte order of its keys. */
  async *#listing(): AsyncGenerator<Entry> {
    const { signal } = this.#options;
    const sorted = this.#inOrder ? undefined : new SortedEntries(this.#text);
    try {
      let before = "";
      for await (const entry of this.#sequence()) {
        signal?.throwIfAborted();
        this.#tellProgress();
        if (sorted !== undefined) {
          if (sorted.add(entry)) await sorted.flush();
          continue;
        }
        const order = byteOrder(entry.key, this.#text);
        if (order < before) {
          throw new TemporaryError(
            `${this.#table.name}: its database lists "${entry.key}" out of order: ` +
              "nothing was changed",
          );
        }
        before = order;
        yield entry;
      }
      if (sorted !== undefined) yield* sorted.entries();
    } finally {
      sorted?.close();
    }
  }

  #sequence(): AsyncIterable<Entry> {
    try {
      const sequence = this.#table[Symbol.asyncIterator]();
      return { [Symbol.asyncIterator]: () => sequence };
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      throw new ConfigError(
        `${error.message}: to be kept equal to a source a table has to be one ` +
          'that can be listed, such as kv:, or a memcache: table whose "backup" can',
        { cause: error },
      );
    }
  }

  /** Tells of everything that is to be done, in the byte order of the keys. */
  async tellChanges(): Promise<void> {
    const { onChange } = this.#options;
    if (onChange === undefined) return;
    const heads = (["added", "changed", "removed"] as const).flatMap((kind) => {
      const rest = this.#changes[kind].entries.entries();
      const { done, value } = rest.next();
      return done ? [] : [{ kind, rest, entry: value }];
    });
    while (heads.length > 0) {
      const orderOf = ({ entry }: { entry: Entry }) =>
        byteOrder(entry.key, this.#text);
      const head = heads.reduce((least, other) =>
        orderOf(other) < orderOf(least) ? other : least
      );
      await onChange({ kind: head.kind, ...head.entry });
      const { done, value } = head.rest.next();
      if (done) heads.splice(heads.indexOf(head), 1);
      else head.entry = value;
    }
  }

  /** Does it: what is new or changed, then what goes. */
  async apply(): Promise<void> {
    const { signal } = this.#options;
    const table = this.#table;
    this.#isWriting = true;
    for (const kind of ["added", "changed"] as const) {
      const updates = table.updateMany(this.#told(kind), { signal });
      for await (const { key, stored } of updates) {
        this.#tellProgress();
        if (stored) continue;
        this.#changes[kind].count--;
        // One that nobody told of would be counted as nothing at all.
        if (!this.#refused.delete(key)) this.#leftOut++;
      }
    }
    const deletes = table.deleteMany(this.#keys(this.#told("removed")), {
      signal,
    });
    for await (const _ of deletes) this.#tellProgress();
  }

  /** The keys of what was removed, once more. */
  removedKeys(): Iterable<string> {
    const { entries } = this.#changes.removed;
    return function* () {
      for (const { key } of entries.entries()) yield key;
    }();
  }

  async *#told(kind: Change["kind"]): AsyncGenerator<Entry> {
    const { onChange } = this.#options;
    for (const entry of this.#changes[kind].entries.entries()) {
      const told = onChange?.({ kind, ...entry });
      if (told !== undefined) await told;
      yield entry;
    }
  }

  async *#keys(entries: AsyncIterable<Entry>): AsyncGenerator<string> {
    for await (const { key } of entries) yield key;
  }

  #looked = 0;

  #tellProgress(): void {
    if (++this.#looked % progressEvery !== 0) return;
    this.#options.onProgress?.({ entries: this.#looked });
  }
}

/**
 * A lookup of another program, between the removal from memcached and that from the
 * backup, brings an entry back into memcached: it is removed there once more.
 */
async function removeRefilled(
  cache: Table | undefined,
  keys: Iterable<string>,
  { signal }: SyncOptions,
): Promise<void> {
  if (cache === undefined) return;
  try {
    for await (const _ of cache.deleteMany(keys, { signal }));
  } catch (error) {
    // The table has warned of a memcached that fails.
    if (!(error instanceof TemporaryError)) throw error;
  }
}
