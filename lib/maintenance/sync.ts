import {
  requireEntry,
  requireIterable,
  requireKind,
  requireText,
} from "../arguments.ts";
import type { Text } from "../bytes/text.ts";
import { ConfigError, TemporaryError } from "../errors.ts";
import { openCacheAndBackup, openStored, type SharedOpening } from "../open.ts";
import type { Entry, Table } from "../table.ts";
import type { DriverTable } from "../tables/driver_table.ts";
import { innerOptions } from "../tables/opening.ts";
import { type OptionKinds, requireOptions } from "../tables/options.ts";
import { maintenanceOptionKinds, type MaintenanceOptions } from "./options.ts";
import { byteOrder, HeldEntries, SortedEntries } from "./sorted_entries.ts";

/** Options of {@linkcode syncTable}. */
export interface SyncOptions extends MaintenanceOptions {
  /**
   * Change nothing, only report what would be changed.
   *
   * @default {false}
   */
  dryRun?: boolean;
  /**
   * Skip entries that the table cannot store. Otherwise, if there are any, nothing
   * is changed. If the table has an entry with such a key, it is removed.
   *
   * @default {false}
   */
  partial?: boolean;
  /**
   * Accept a source without entries, and remove all entries of the table. Otherwise
   * such a source is a {@linkcode ConfigError}.
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
   * Which of several entries of the source with the same key is used: the last one
   * (`replace`), or the first one, with a warning (`warn`) or without (`ignore`).
   *
   * @default {"warn"}
   */
  duplicates?: "warn" | "replace" | "ignore";
  /** Called before each change. A promise that it returns is awaited. */
  onChange?: (change: Change) => void | Promise<void>;
  /** Called with what was done, before an error is thrown. */
  onFailure?: (done: Synced) => void;
}

const optionKinds: OptionKinds<SyncOptions> = {
  ...maintenanceOptionKinds,
  dryRun: "boolean",
  partial: "boolean",
  allowEmpty: "boolean",
  onChange: "function",
  onFailure: "function",
};

/** A difference between a table and its source. */
export interface Change extends Entry {
  /** What is done. For a removed entry, `value` is the value that is removed. */
  readonly kind: "added" | "changed" | "removed";
}

/** The result of {@linkcode syncTable}. */
export interface Synced {
  /** Number of entries that the table did not have. */
  readonly added: number;
  /** Number of entries that had another value. */
  readonly changed: number;
  /** Number of entries that the source does not have. */
  readonly removed: number;
  /** Number of entries that were equal, and were not written. */
  readonly kept: number;
  /** Number of entries of the source that the table cannot store, or refused. */
  readonly leftOut: number;
}

const progressEvery = 1024;

/**
 * Makes a table equal to a source: adds new entries, replaces changed values, and
 * removes entries that the source does not have. Equal entries are not written. For
 * a memcache table, the source is compared with the backup, and changes are written
 * to memcached and to the backup, as `update` and `delete` do. Lookups may run
 * meanwhile. Entries are removed last.
 *
 * The whole source is read before anything is changed. Nothing is changed if the
 * source throws, is empty, or has an entry that the table cannot store. After any
 * later failure, call it again to complete the changes.
 *
 * Memory is bounded: more than about 8,000 entries are sorted with a temporary file
 * in `$TMPDIR`, or /tmp, which is about as large as the source.
 *
 * Throws {@linkcode ConfigError} if the table cannot be listed, or the source is
 * empty or has an entry that the table cannot store; {@linkcode ReadOnlyError} if
 * the table cannot be written; {@linkcode TemporaryError} if the table fails.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { syncTable } from "@postmaps/memcache-table/maintenance";
 *
 * const source = [{ key: "alice", value: "a" }, { key: "bob", value: "b" }];
 * const synced = await syncTable("kv::memory:", source);
 * assertEquals(synced, {
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
  requireKind("syncTable: name", name, "string");
  requireIterable("syncTable: entries", entries);
  requireOptions("syncTable", options, optionKinds);
  const {
    dryRun = false,
    partial = false,
    allowEmpty = false,
    fold = true,
    onChange: _,
    onProgress: _progress,
    onFailure,
    ...tableOptions
  } = options;
  const onWarning = options.onWarning ?? ((line) => console.warn(line));
  let table: DriverTable | undefined;
  const warnings = new Set<string>();
  const opening = {
    ...tableOptions,
    fold: false as const,
    write: true as const,
    onWarning: (message: string) => {
      // A memcache table is opened twice, and warns of the same each time.
      if (table === undefined) {
        if (warnings.has(message)) return;
        warnings.add(message);
      }
      onWarning(message);
    },
  };
  const listed = await prepareListing(name, opening, { dryRun });
  let sync: Sync | undefined;
  try {
    table = await openStored(name, {
      ...opening,
      duplicates: "replace",
      onRefusal: (key, reason, by) => sync?.recordRefusal(key, reason, by),
    }, { dryRun });
    const resolved = { ...options, fold, partial, onWarning };
    sync = new Sync(table, listed.inOrder, resolved);
    await sync.readSource(entries);
    sync.requireSource(allowEmpty);
    await sync.compare();
    if (dryRun) await sync.reportChanges();
    else {
      await sync.apply();
      await removeRefilled(listed.cache, sync.removedKeys(), options);
    }
    return sync.result({ planned: dryRun });
  } catch (error) {
    if (sync !== undefined) onFailure?.(sync.result({ planned: false }));
    throw error;
  } finally {
    sync?.close();
    await listed.cache?.close();
    await table?.close();
  }
}

/**
 * Whether a table is listed in the byte order of its keys, and the memcached part of
 * a memcache table, which the caller closes.
 */
async function prepareListing(
  name: string,
  options: MaintenanceOptions & { fold: false; write: true },
  shared: Pick<SharedOpening, "dryRun">,
): Promise<{ inOrder: boolean; cache?: Table }> {
  if (!name.startsWith("memcache:")) return { inOrder: name.startsWith("kv:") };
  const { cache, backup } = await openCacheAndBackup(
    name,
    options,
    shared,
  );
  const { name: backupName } = backup ?? {};
  await backup?.close();
  try {
    if (backupName === undefined) {
      throw new ConfigError(
        `${name} cannot be listed, so it is not known what to remove: memcached ` +
          `cannot list its keys; give it a "backup" that can be listed and ` +
          `written, such as backup = kv:/var/lib/memcache-table/aliases.kv`,
      );
    }
    const behind = await prepareListing(
      backupName,
      innerOptions(options),
      shared,
    );
    await behind.cache?.close();
    return { inOrder: behind.inOrder, cache };
  } catch (error) {
    await cache?.close();
    throw error;
  }
}

type ResolvedOptions =
  & SyncOptions
  & Required<Pick<SyncOptions, "fold" | "partial" | "onWarning">>;

/** The changes of one kind. */
interface Changes {
  readonly entries: HeldEntries;
  /** How many there are. */
  planned: number;
  /** How many were made. */
  made: number;
}

/** One run of {@linkcode syncTable}. */
class Sync {
  #table: DriverTable;
  #inOrder: boolean;
  #options: ResolvedOptions;
  #text: Text;
  #source: SortedEntries;
  #read = 0;
  #kept = 0;
  #leftOut = 0;
  /** Keys that were refused while the table was written. */
  #refused = new Set<string>();
  #isWriting = false;
  #changes: Record<Change["kind"], Changes>;

  constructor(table: DriverTable, inOrder: boolean, options: ResolvedOptions) {
    this.#table = table;
    this.#inOrder = inOrder;
    this.#options = options;
    this.#text = table.rules.text;
    this.#source = new SortedEntries(this.#text);
    const none = () => ({
      entries: new HeldEntries(this.#text),
      planned: 0,
      made: 0,
    });
    this.#changes = { added: none(), changed: none(), removed: none() };
  }

  close(): void {
    this.#source.close();
    for (const { entries } of Object.values(this.#changes)) entries.close();
  }

  /** What was done; with `planned`, what a dry run would do. */
  result({ planned }: { planned: boolean }): Synced {
    const { added, changed, removed } = this.#changes;
    const count = planned ? "planned" : "made";
    return {
      added: added[count],
      changed: changed[count],
      removed: removed[count],
      kept: this.#kept,
      leftOut: this.#leftOut,
    };
  }

  /** Reads the whole source. Does not change the table. */
  async readSource(
    entries: Iterable<Entry> | AsyncIterable<Entry>,
  ): Promise<void> {
    const { fold, signal } = this.#options;
    const text = this.#text;
    const { name } = this.#table;
    for await (const entry of entries) {
      signal?.throwIfAborted();
      requireEntry(name, entry);
      const { key, value } = entry;
      requireText(name, "key", key);
      requireText(name, "value", value);
      this.#reportProgress();
      const wanted = { key: fold ? text.fold(key) : key, value };
      const judging = this.#table.whyNotStored(wanted.key, value);
      const reason = judging instanceof Promise ? await judging : judging;
      if (reason !== undefined) this.recordRefusal(key, reason, "rules");
      else if (this.#source.add(wanted)) await this.#source.flush();
      this.#read++;
    }
  }

  /** Throws if the source is empty or incomplete, unless the options allow that. */
  requireSource(allowEmpty: boolean): void {
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

  /** Counts and reports an entry that the table cannot store. */
  recordRefusal(key: string, reason: string, by: "rules" | "server"): void {
    const { onRefusal, onWarning } = this.#options;
    this.#leftOut++;
    if (this.#isWriting) this.#refused.add(key);
    if (onRefusal !== undefined) return onRefusal(key, reason, by);
    onWarning(`${this.#table.name}: not storing key "${key}": ${reason}`);
  }

  /** Compares the source with the table, and collects the changes. */
  async compare(): Promise<void> {
    const text = this.#text;
    const source = this.#uniqueEntries();
    let wanted: Entry | undefined;
    let order: string | undefined;
    const advance = () => {
      wanted = source.next().value;
      order = wanted && byteOrder(wanted.key, text);
    };
    advance();
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
    noted.planned++;
    if (noted.entries.add(entry)) await noted.entries.flush();
  }

  /** The entries of the source, in byte order of their keys, each key once. */
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

  /** The entries of the table, in byte order of their keys. */
  async *#listing(): AsyncGenerator<Entry> {
    const { signal } = this.#options;
    const sorted = this.#inOrder ? undefined : new SortedEntries(this.#text);
    try {
      let before = "";
      for await (const entry of this.#sequence()) {
        signal?.throwIfAborted();
        this.#reportProgress();
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

  /** Reports all changes, in byte order of the keys. */
  async reportChanges(): Promise<void> {
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

  /** Makes the changes. Removes entries last. */
  async apply(): Promise<void> {
    const { signal } = this.#options;
    const table = this.#table;
    this.#isWriting = true;
    await table.create();
    for (const kind of ["added", "changed"] as const) {
      const updates = table.updateMany(this.#reported(kind), { signal });
      for await (const { key, stored } of updates) {
        this.#reportProgress();
        if (stored) {
          this.#changes[kind].made++;
          continue;
        }
        // An entry that was not stored and not refused is counted too.
        if (!this.#refused.delete(key)) this.#leftOut++;
      }
    }
    const deletes = table.deleteMany(this.#keys(this.#reported("removed")), {
      signal,
    });
    for await (const _ of deletes) {
      this.#changes.removed.made++;
      this.#reportProgress();
    }
  }

  /** The keys of the removed entries. */
  removedKeys(): Iterable<string> {
    const { entries } = this.#changes.removed;
    return function* () {
      for (const { key } of entries.entries()) yield key;
    }();
  }

  async *#reported(kind: Change["kind"]): AsyncGenerator<Entry> {
    const { onChange } = this.#options;
    for (const entry of this.#changes[kind].entries.entries()) {
      const reported = onChange?.({ kind, ...entry });
      if (reported !== undefined) await reported;
      yield entry;
    }
  }

  async *#keys(entries: AsyncIterable<Entry>): AsyncGenerator<string> {
    for await (const { key } of entries) yield key;
  }

  #processed = 0;

  #reportProgress(): void {
    if (++this.#processed % progressEvery !== 0) return;
    this.#options.onProgress?.({ entries: this.#processed });
  }
}

/**
 * Removes keys from memcached again: a lookup of another program may have stored them
 * there after the removal from memcached and before that from the backup.
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
    // The table has already warned that memcached fails.
    if (!(error instanceof TemporaryError)) throw error;
  }
}
