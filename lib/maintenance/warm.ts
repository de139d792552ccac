import { ConfigError, TemporaryError } from "../errors.ts";
import { type CacheAndBackup, openCacheAndBackup } from "../open.ts";
import type { Entry, Table } from "../table.ts";
import { requireOptionNames } from "../tables/option_names.ts";
import { maintenanceOptionNames, type MaintenanceOptions } from "./options.ts";

/** Options of {@linkcode warmCache}. */
export interface WarmOptions extends MaintenanceOptions {
  /**
   * As for `openTable`. When off, values that are not UTF-8 are copied too.
   *
   * By default `smtputf8_enable` of main.cf decides.
   */
  utf8?: boolean;
}

/** What {@linkcode warmCache} did. */
export interface Warmed {
  /** Entries that are in memcached now. */
  readonly copied: number;
  /** Entries that are not to go there: the domain list, a long key or value. */
  readonly leftOut: number;
  /** Entries that memcached refused, of which `onWarning` was told; none if missing. */
  readonly refused?: number;
  /** Entries that were removed, since the backup does not have them; none if missing. */
  readonly removed?: number;
}

const batchSize = 1024;

// Entries that memcached may refuse: then it has no room for the rest either.
const mostRefused = 1000;

/**
 * Copies the backup of a memcache table into memcached, many entries at a time,
 * so that a memcached that was restarted need not be filled by lookups. What
 * memcached holds already is replaced. Memory is bounded, whatever the backup
 * has.
 *
 * After an outage memcached may also have entries that were deleted meanwhile:
 * what the backup does not have is removed. That can be known where key_format is
 * a text and `%s`, as `aliases:%s`, which tells the table's entries from those of
 * others, and the server is a memcached of version 1.5 or later, not a proxy.
 *
 * `onDetail` is told why an entry was left out. Throws {@linkcode ConfigError}
 * for a table that is none of memcache, has no backup, or one that cannot be
 * listed, and {@linkcode TemporaryError} when memcached or the backup fails; what
 * was copied by then stays.
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
  requireOptionNames(options, maintenanceOptionNames);
  // Folded as its type does it: a source file has keys as they were typed.
  let refused = 0;
  const onWarning = options.onWarning ?? ((line) => console.warn(line));
  const { cache, backup, listOwnKeys } = await openCacheAndBackup(name, {
    ...options,
    write: false,
    onRefusal: (key, reason, by) => {
      const message = `${name}: not storing key "${key}": ${reason}`;
      if (by === "rules") return options.onDetail?.(message);
      onWarning(message);
      if (++refused === mostRefused) isRefusingAll.abort(refusesAll(name));
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
    const signal = options.signal === undefined
      ? isRefusingAll.signal
      : AbortSignal.any([options.signal, isRefusingAll.signal]);
    const { copied, entries } = await copy(cache, backup, options, signal);
    const removed = await removeOthers(
      name,
      cache,
      backup,
      options,
      listOwnKeys,
    );
    return {
      copied,
      leftOut: entries - copied - refused,
      ...(refused > 0 && { refused }),
      ...(removed > 0 && { removed }),
    };
  } finally {
    await cache?.close();
    await backup?.close();
  }
}

/** Writes some entries while it reads the next ones. */
async function copy(
  cache: Table,
  backup: Table,
  { onProgress }: WarmOptions,
  signal: AbortSignal,
): Promise<{ copied: number; entries: number }> {
  let copied = 0;
  let entries = 0;
  const write = async (some: readonly Entry[]) => {
    for await (const { stored } of cache.updateMany(some, { signal })) {
      if (stored) copied++;
    }
    entries += some.length;
    onProgress?.({ entries });
  };
  let batch: Entry[] = [];
  let writing: Promise<void> | undefined;
  try {
    for await (const entry of backup) {
      batch.push(entry);
      if (batch.length < batchSize) continue;
      await writing;
      writing = write(batch);
      // It is waited for in its turn, which may come late.
      writing.catch(() => undefined);
      batch = [];
    }
  } finally {
    await writing;
  }
  await write(batch);
  return { copied, entries };
}

/** Removes what memcached has of the table and the backup has not. */
async function removeOthers(
  name: string,
  cache: Table,
  backup: Table,
  { onDetail, signal }: WarmOptions,
  listOwnKeys: CacheAndBackup["listOwnKeys"],
): Promise<number> {
  let removed = 0;
  if (listOwnKeys === undefined) {
    onDetail?.(
      `${name}: what memcached has and the backup has not is left there: ` +
        "its key_format does not tell the table's entries from others",
    );
    return removed;
  }
  try {
    await listOwnKeys(async (keys) => {
      const others: string[] = [];
      for await (const { key, value } of backup.lookupMany(keys, { signal })) {
        if (value === undefined) others.push(key);
      }
      for await (const { deleted } of cache.deleteMany(others, { signal })) {
        if (deleted) removed++;
      }
    });
  } catch (error) {
    if (!(error instanceof TemporaryError)) throw error;
    onDetail?.(
      `${name}: what memcached has and the backup has not is left there: ` +
        error.message,
    );
  }
  return removed;
}

function refusesAll(name: string): TemporaryError {
  return new TemporaryError(
    `${name}: memcached refused ${mostRefused} entries: it ends here`,
  );
}
