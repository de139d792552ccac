import { systemClock } from "../system/clock.ts";
import { MailSystem } from "../system/mail_system.ts";
import { ConfigError, TemporaryError } from "../errors.ts";
import { byteText } from "../bytes/text.ts";
import { openCacheAndBackup } from "../open.ts";
import type { Entry, Table } from "../table.ts";
import { requireOptionNames } from "../tables/option_names.ts";
import { maintenanceOptionNames, type MaintenanceOptions } from "./options.ts";
import {
  type Judge,
  judgePostscreen,
  judgeVerify,
  postscreenRules,
  type Verdict,
  verifyRules,
} from "./postfix_caches.ts";

/** Options of {@linkcode cleanUp}. */
export interface CleanUpOptions extends MaintenanceOptions {
  /** Whose cache it is: what decides over its entries, and their form. */
  daemon: "postscreen" | "verify";
  /**
   * Seconds, in place of `postscreen_cache_retention_time`, or of both
   * `address_verify_positive_expire_time` and `…_negative_expire_time`: how long
   * ago a test must have expired, a result must have come.
   *
   * By default main.cf says; 7 days, and 31 and 3 days, where it does not.
   */
  olderThan?: number;
  /**
   * Only tell what would go.
   *
   * @default {false}
   */
  dryRun?: boolean;
  /** Called with each entry that goes, before it does, and waited for. */
  onExpired?: (expired: Expired) => void | Promise<void>;
  /** The time of day, in milliseconds since 1970; by default that of the system. */
  timeOfDay?: () => number;
}

const optionNames: Readonly<Record<keyof CleanUpOptions, true>> = {
  ...maintenanceOptionNames,
  daemon: true,
  olderThan: true,
  dryRun: true,
  onExpired: true,
  timeOfDay: true,
};

/** An entry that goes; what is not UTF-8 in it is shown as U+FFFD. */
export interface Expired extends Entry {
  /** Why, in a few words. */
  readonly reason: string;
}

/** What {@linkcode cleanUp} did. */
export interface CleanedUp {
  /** Entries that there were. */
  readonly entries: number;
  /** Entries that were removed, or would be. */
  readonly removed: number;
  /** Entries among those removed that the daemon cannot have written. */
  readonly malformed: number;
  /** Entries that Postfix refreshed while they were about to go, and so stayed. */
  readonly refreshed: number;
}

// Postfix keeps the Unix time of its last cleanup among the entries.
const completedKey = "_LAST_CACHE_CLEANUP_COMPLETED_";

// Few enough for the time between a last look and the removal to be short.
const batchSize = 256;
// So many entries, and none that the daemon wrote: this is something else.
const foreignLimit = 1000;
const progressEvery = 1024;
// Milliseconds that opening a table takes at most, unless something is wrong.
const patience = 5000;

/**
 * Removes the expired entries of the cache that postscreen(8) or verify(8) keeps
 * in a table, as their own cache managers do, so that these can be turned off
 * with `postscreen_cache_cleanup_interval = 0` and
 * `address_verify_cache_cleanup_interval = 0`. Times, and which tests of
 * postscreen are on, come from main.cf.
 *
 * The backup of a memcache table decides, and what goes is removed there and from
 * memcached; of another table, which must be one that can be listed and written,
 * its own entries. Postfix may run: an entry that is refreshed meanwhile stays.
 * Memory is bounded with `kv:` and `proxy:`; with types of the installed Postfix
 * it grows with what is to go.
 *
 * A memcached that does not answer is a warning; it forgets by itself, after
 * `ttl`. An entry that the daemon cannot have written goes too, with a warning; a
 * table that has only such entries is taken for another one, and a
 * {@linkcode ConfigError}, as are a memcache table without backup and a table that
 * cannot be listed. Throws {@linkcode ReadOnlyError} for one that cannot be
 * written, and {@linkcode TemporaryError} when the table fails; what was removed
 * by then had expired.
 *
 * Implements the cache cleanup of postscreen(8) and verify(8).
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { cleanUp } from "@postmaps/memcache-table/maintenance";
 *
 * const { entries, removed } = await cleanUp(
 *   "inline:{192.0.2.1=1700000000;1;1;1;1, 192.0.2.2=9999999999;1;1;1;1}",
 *   { daemon: "postscreen", dryRun: true },
 * );
 * assertEquals([entries, removed], [2, 1]);
 * ```
 */
export async function cleanUp(
  name: string,
  options: CleanUpOptions,
): Promise<CleanedUp> {
  requireOptionNames(options, optionNames);
  const { daemon, olderThan, dryRun = false } = options;
  if (daemon !== "postscreen" && daemon !== "verify") {
    throw new TypeError(`daemon must be postscreen or verify: ${daemon}`);
  }
  if (olderThan !== undefined && !(olderThan > 0)) {
    throw new RangeError(`olderThan must be a number above 0: ${olderThan}`);
  }
  const onWarning = options.onWarning ?? ((line) => console.warn(line));
  const mail = new MailSystem({ ...options, onWarning });
  const judge = daemon === "postscreen"
    ? judgePostscreen(await postscreenRules(mail, olderThan))
    : judgeVerify(await verifyRules(mail, olderThan));
  // A type of the installed Postfix waits for the lock as long as it takes.
  const timer = (options.clock ?? systemClock).setTimer(
    patience,
    () =>
      onWarning(
        `${name} is locked: a daemon that has it open without proxy: keeps it so ` +
          `as long as it runs; waiting`,
      ),
  );
  const { cache, backup } = await openCacheAndBackup(name, {
    daemonCache: true,
    ...options,
    onWarning,
    write: !dryRun,
    fold: false,
    utf8: false,
  }).finally(() => timer.cancel());
  try {
    if (backup === undefined) {
      throw new ConfigError(
        `${name} has no entries to look at: memcached cannot list its keys, and ` +
          `forgets by itself; what is to be cleaned up is a "backup"`,
      );
    }
    const heard = { ...options, onWarning };
    return await new Cleanup(name, cache, backup, judge, heard).run();
  } finally {
    await cache?.close();
    await backup?.close();
  }
}

/** An entry that is to go. */
interface Candidate extends Entry {
  readonly verdict: Verdict;
}

type HeardOptions =
  & CleanUpOptions
  & Required<Pick<CleanUpOptions, "onWarning">>;

/** One run through one table. */
class Cleanup {
  #name: string;
  #cache: Table | undefined;
  #backup: Table;
  #judge: Judge;
  #options: HeardOptions;
  #entries = 0;
  #removed = 0;
  #malformed = 0;
  #refreshed = 0;
  /** Whether any entry was one that the daemon wrote. */
  #known = false;

  constructor(
    name: string,
    cache: Table | undefined,
    backup: Table,
    judge: Judge,
    options: HeardOptions,
  ) {
    this.#name = name;
    this.#cache = cache;
    this.#backup = backup;
    this.#judge = judge;
    this.#options = options;
  }

  async run(): Promise<CleanedUp> {
    const { dryRun, signal, onProgress } = this.#options;
    const removesBehind = dryRun || /^(?:kv|proxy):/.test(this.#backup.name);
    let candidates: Candidate[] = [];
    const removeAll = async (some: readonly Candidate[]) => {
      for (let at = 0; at < some.length; at += batchSize) {
        await this.#remove(some.slice(at, at + batchSize));
      }
    };
    for await (const { key, value } of this.#backup) {
      if (key === completedKey) continue;
      signal?.throwIfAborted();
      if (++this.#entries % progressEvery === 0) {
        onProgress?.({ entries: this.#entries });
      }
      const verdict = this.#judge(value, this.#now());
      this.#known ||= verdict === undefined || !verdict.malformed;
      if (verdict === undefined) continue;
      candidates.push({ key, value, verdict });
      if (!this.#known) {
        if (candidates.length >= foreignLimit) throw this.#foreign();
      } else if (removesBehind && candidates.length > batchSize) {
        // Not what the sequence stands on: not every database bears that.
        const last = candidates.pop()!;
        await removeAll(candidates);
        candidates = [last];
      }
    }
    if (!this.#known && this.#entries > 0) throw this.#foreign();
    await removeAll(candidates);
    if (!dryRun) await this.#complete();
    return {
      entries: this.#entries,
      removed: this.#removed,
      malformed: this.#malformed,
      refreshed: this.#refreshed,
    };
  }

  #now(): number {
    const { timeOfDay = Date.now } = this.#options;
    return Math.floor(timeOfDay() / 1000);
  }

  #foreign(): ConfigError {
    return new ConfigError(
      `${this.#name}: none of its first ${this.#entries} entries is one of ` +
        `${this.#options.daemon}: nothing was removed; is it the right table?`,
    );
  }

  async #remove(candidates: readonly Candidate[]): Promise<void> {
    const { dryRun, onWarning } = this.#options;
    const expired = dryRun ? candidates : await this.#lookAgain(candidates);
    for (const candidate of expired) {
      const { malformed } = candidate.verdict;
      this.#removed++;
      if (malformed) this.#malformed++;
      const shown = {
        key: asText(candidate.key),
        value: asText(candidate.value),
        reason: asText(candidate.verdict.reason),
      };
      if (malformed && !dryRun) {
        const { key, reason } = shown;
        onWarning(`${this.#name}: removing key "${key}": ${reason}`);
      }
      const told = this.#options.onExpired?.(shown);
      if (told !== undefined) await told;
    }
    if (dryRun || expired.length === 0) return;
    const keys = expired.map(({ key }) => key);
    await drain(this.#backup.deleteMany(keys, this.#options));
    const fresh: Entry[] = [];
    await this.#orWithoutCache((cache) =>
      this.#removeCached(cache, keys, fresh)
    );
    for (const { key, value } of fresh) await this.#putBack(key, value);
  }

  /** Those that are still to go. */
  async #lookAgain(
    candidates: readonly Candidate[],
  ): Promise<readonly Candidate[]> {
    const expired: Candidate[] = [];
    const keys = candidates.map(({ key }) => key);
    let at = 0;
    const found = this.#backup.lookupMany(keys, this.#options);
    for await (const { key, value } of found) {
      const before = candidates[at++];
      if (value === undefined) continue;
      const verdict = value === before.value
        ? before.verdict
        : this.#judge(value, this.#now());
      if (verdict === undefined) this.#refreshed++;
      else expired.push({ key, value, verdict });
    }
    return expired;
  }

  /** Removes what is stale in memcached too, and finds what is not. */
  async #removeCached(
    cache: Table,
    keys: readonly string[],
    fresh: Entry[],
  ): Promise<void> {
    const stale: string[] = [];
    for await (const { key, value } of cache.lookupMany(keys, this.#options)) {
      if (value === undefined) continue;
      if (this.#judge(value, this.#now()) !== undefined) stale.push(key);
      else fresh.push({ key, value });
    }
    await drain(cache.deleteMany(stale, this.#options));
  }

  /**
   * Postfix writes to memcached first: what is fresh there was written while its
   * entry went from the backup, to which it belongs again.
   */
  async #putBack(key: string, value: string): Promise<void> {
    this.#removed--;
    this.#refreshed++;
    if (await this.#backup.lookup(key, this.#options) !== undefined) return;
    await this.#backup.update(key, value, this.#options);
  }

  async #complete(): Promise<void> {
    const time = `${this.#now()}`;
    await this.#orWithoutCache((cache) =>
      cache.update(completedKey, time, this.#options)
    );
    await this.#backup.update(completedKey, time, this.#options);
  }

  /** Goes on with the backup alone when memcached fails. */
  async #orWithoutCache(
    action: (cache: Table) => Promise<unknown>,
  ): Promise<void> {
    const cache = this.#cache;
    if (cache === undefined) return;
    try {
      await action(cache);
    } catch (error) {
      if (!(error instanceof TemporaryError)) throw error;
      this.#cache = undefined;
      const { onWarning } = this.#options;
      onWarning(
        `${error.message}; cleaning up the backup alone: ` +
          `memcached forgets by itself`,
      );
    }
  }
}

/** What a person reads of bytes: they are whatever the daemon wrote. */
function asText(bytes: string): string {
  return /[\x80-\xff]/.test(bytes)
    ? new TextDecoder().decode(byteText.encode(bytes))
    : bytes;
}

async function drain(results: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of results);
}
