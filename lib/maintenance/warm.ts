import { ConfigError } from "../errors.ts";
import { openApart } from "../open.ts";
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
  /** Entries that memcached does not take: the domain list, a long key or value. */
  readonly leftOut: number;
}

const batchSize = 1024;

/**
 * Copies the backup of a memcache table into memcached, many entries at a time,
 * so that a memcached that was restarted need not be filled by lookups. What
 * memcached holds already is replaced. Memory is bounded, whatever the backup
 * has.
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
  const { cache, backup } = await openApart(name, {
    ...options,
    write: false,
  });
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
    return await copy(cache, backup, options);
  } finally {
    await cache?.close();
    await backup?.close();
  }
}

/** Writes some entries while it reads the next ones. */
async function copy(
  cache: Table,
  backup: Table,
  { onProgress, signal }: WarmOptions,
): Promise<Warmed> {
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
  return { copied, leftOut: entries - copied };
}
