import { requireKind } from "../arguments.ts";
import { ConfigError, TemporaryError } from "../errors.ts";
import { type CacheAndBackup, openCacheAndBackup } from "../open.ts";
import { eitherAborts } from "../system/abort.ts";
import type { Entry, Table } from "../table.ts";
import { type OptionKinds, requireOptions } from "../tables/options.ts";
import { KnownKeys } from "./known_keys.ts";
import { maintenanceOptionKinds, type MaintenanceOptions } from "./options.ts";

/** Options of {@linkcode warmCache}. */
export interface WarmOptions extends MaintenanceOptions {
  /**
   * As for `openTable`. If false, values that are not UTF-8 are copied too.
   *
   * By default `smtputf8_enable` of main.cf decides.
   */
  utf8?: boolean;
  /** Called with what was done, before an error is thrown. */
  onFailure?: (done: Warmed) => void;
}

const optionKinds: OptionKinds<WarmOptions> = {
  ...maintenanceOptionKinds,
  onFailure: "function",
};

/** The result of {@linkcode warmCache}. */
export interface Warmed {
  /** Number of entries that were copied. */
  readonly copied: number;
  /** Number of entries that do not belong there: see {@linkcode warmCache}. */
  readonly leftOut: number;
  /** Number of entries that memcached refused, each with a warning; missing if 0. */
  readonly refused?: number;
  /** Number of removed entries that the backup does not have; missing if 0. */
  readonly removed?: number;
}

const batchSize = 1024;

// After so many refused entries, memcached will have no room for the rest either.
const maxRefused = 1000;

/**
 * Copies the backup of a memcache table into memcached, so that lookups need not
 * fill it after a restart. Replaces entries that memcached has. Memory is bounded.
 *
 * Then removes the table's entries that the backup does not have: after an outage
 * memcached may have entries that were deleted meanwhile. This is done only if
 * key_format is a fixed text followed by `%s`, such as `aliases:%s`, which tells
 * the table's entries from those of others, if the server is a memcached of
 * version 1.5 or later, not a proxy, and if the backup has any entry: one that is
 * empty, or not there, may be the wrong one.
 *
 * Skips entries that do not belong in memcached: keys outside the domain list,
 * keys and values that are too long. `onDetail` is called with the reason.
 *
 * Throws {@linkcode ConfigError} if the table is not a memcache table, or has no
 * backup that can be listed; {@linkcode TemporaryError} if memcached or the backup
 * fails. Entries that were copied before an error are kept.
 *
 * @example
 * ```ts
 * import { TemporaryError } from "@postmaps/memcache-table";
 * import { warmCache } from "@postmaps/memcache-table/maintenance";
 *
 * try {
 *   const { copied, leftOut } = await warmCache(
 *     "memcache:{ key_format=aliases:%s, backup=inline:{alice=wonderland} }",
 *   );
 *   console.log(`${copied} entries copied, ${leftOut} left out`);
 * } catch (error) {
 *   if (!(error instanceof TemporaryError)) throw error;
 *   console.log("try again later:", error.message);
 * }
 * ```
 */
export async function warmCache(
  name: string,
  options: WarmOptions = {},
): Promise<Warmed> {
  requireKind("warmCache: name", name, "string");
  requireOptions("warmCache", options, optionKinds);
  const { onFailure, ...tableOptions } = options;
  const done = { copied: 0, entries: 0, refused: 0, removed: 0 };
  // Keys are folded as usual, because a source file may have upper-case keys.
  const onWarning = options.onWarning ?? ((line) => console.warn(line));
  const { cache, backup, listOwnKeys } = await openCacheAndBackup(name, {
    ...tableOptions,
    write: false,
    onRefusal: (key, reason, by) => {
      const message = `${name}: not storing key "${key}": ${reason}`;
      if (by === "rules") return options.onDetail?.(message);
      onWarning(message);
      if (++done.refused === maxRefused) isRefusingAll.abort(refusesAll(name));
    },
  });
  const isRefusingAll = new AbortController();
  try {
    if (cache === undefined) {
      throw new ConfigError(
        `${name} has no cache to fill: name a memcache: table`,
      );
    }
    if (backup === undefined) {
      throw new ConfigError(
        `${name} has nothing to fill memcached from: add a "backup" that can be listed`,
      );
    }
    const signal = eitherAborts(options.signal, isRefusingAll.signal);
    await copy(cache, backup, options, signal, done);
    if (done.entries > 0) {
      await removeOthers(name, cache, backup, options, listOwnKeys, done);
    } else {
      onWarning(
        `${name}: its backup has no entries: what memcached has is left there`,
      );
    }
    return resultOf(done);
  } catch (error) {
    onFailure?.(resultOf(done));
    throw error;
  } finally {
    await cache?.close();
    await backup?.close();
  }
}

/** What was done so far. */
interface Counts {
  copied: number;
  /** Number of entries that were copied, refused, or do not belong there. */
  entries: number;
  refused: number;
  removed: number;
}

function resultOf({ copied, entries, refused, removed }: Counts): Warmed {
  return {
    copied,
    leftOut: entries - copied - refused,
    ...(refused > 0 && { refused }),
    ...(removed > 0 && { removed }),
  };
}

/** Copies all entries. Writes one batch while it reads the next one. */
async function copy(
  cache: Table,
  backup: Table,
  { onProgress }: WarmOptions,
  signal: AbortSignal,
  done: Counts,
): Promise<void> {
  const write = async (some: readonly Entry[]) => {
    for await (const { stored } of cache.updateMany(some, { signal })) {
      done.entries++;
      if (stored) done.copied++;
    }
    onProgress?.({ entries: done.entries });
  };
  let batch: Entry[] = [];
  let writing: Promise<void> | undefined;
  try {
    for await (const entry of backup) {
      batch.push(entry);
      if (batch.length < batchSize) continue;
      await writing;
      writing = write(batch);
      // It is awaited later; until then a rejection must count as handled.
      writing.catch(() => undefined);
      batch = [];
    }
  } finally {
    await writing;
  }
  await write(batch);
}

/** Removes the entries of the table in memcached that the backup does not have. */
async function removeOthers(
  name: string,
  cache: Table,
  backup: Table,
  { onDetail, signal }: WarmOptions,
  listOwnKeys: CacheAndBackup["listOwnKeys"],
  done: Counts,
): Promise<void> {
  if (listOwnKeys === undefined) {
    onDetail?.(
      `${name}: what memcached has and the backup has not is left there: ` +
        "its key_format does not tell the table's entries from others",
    );
    return;
  }
  try {
    const known = await keysOf(backup, signal);
    await listOwnKeys(async (keys) => {
      const others: string[] = [];
      const unknown = keys.filter((key) => !known.has(key));
      const found = backup.lookupMany(unknown, { signal });
      for await (const { key, value } of found) {
        if (value === undefined) others.push(key);
      }
      for await (const { deleted } of cache.deleteMany(others, { signal })) {
        if (deleted) done.removed++;
      }
    });
  } catch (error) {
    if (!(error instanceof TemporaryError)) throw error;
    onDetail?.(
      `${name}: what memcached has and the backup has not is left there: ` +
        error.message,
    );
  }
}

/**
 * Lists the backup again, now that all are copied: what was deleted meanwhile is not
 * there any more. That takes half of the time of looking up every key.
 */
async function keysOf(
  backup: Table,
  signal: AbortSignal | undefined,
): Promise<KnownKeys> {
  const known = new KnownKeys();
  for await (const { key } of backup) {
    signal?.throwIfAborted();
    known.add(key);
  }
  return known;
}

function refusesAll(name: string): TemporaryError {
  return new TemporaryError(
    `${name}: memcached refused ${maxRefused} entries: it ends here`,
  );
}
