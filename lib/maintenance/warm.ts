import { ConfigError } from "../errors.ts";
import { openApart } from "../open.ts";
import type { MaintenanceOptions } from "./options.ts";

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

const progressEvery = 1024;

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
 * ```ts no-eval
 * import { warmCache } from "@postmaps/memcache-table/maintenance";
 *
 * const { copied, leftOut } = await warmCache("memcache:/etc/postfix/aliases.cf");
 * console.log(`${copied} entries copied, ${leftOut} left out`);
 * ```
 */
export async function warmCache(
  name: string,
  options: WarmOptions = {},
): Promise<Warmed> {
  const { onProgress, signal } = options;
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
    let copied = 0;
    let leftOut = 0;
    for await (const { stored } of cache.updateMany(backup, { signal })) {
      if (stored) copied++;
      else leftOut++;
      const entries = copied + leftOut;
      if (entries % progressEvery === 0) onProgress?.({ entries });
    }
    return { copied, leftOut };
  } finally {
    await cache?.close();
    await backup?.close();
  }
}
