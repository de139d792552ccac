import { requireKind } from "../arguments.ts";
import { systemClock } from "../system/clock.ts";
import { MailSystem } from "../system/mail_system.ts";
import { ConfigError, TemporaryError } from "../errors.ts";
import { byteText } from "../bytes/text.ts";
import { openCacheAndBackup } from "../open.ts";
import type { Entry, Table } from "../table.ts";
import { type OptionKinds, requireOptions } from "../tables/options.ts";
import { maintenanceOptionKinds, type MaintenanceOptions } from "./options.ts";
import {
  type Expiry,
  type ExpiryCheck,
  postscreenExpiryCheck,
  postscreenRules,
  verifyExpiryCheck,
  verifyRules,
} from "./postfix_caches.ts";

/** Options of {@linkcode cleanUp}. */
export interface CleanUpOptions extends MaintenanceOptions {
  /** The daemon that the cache belongs to. */
  daemon: "postscreen" | "verify";
  /**
   * Seconds after which an entry is removed, counted from when a test expired
   * (postscreen) or a result came (verify). Replaces
   * `postscreen_cache_retention_time`, or both
   * `address_verify_positive_expire_time` and
   * `address_verify_negative_expire_time`.
   *
   * By default the value in main.cf, or Postfix's default: 7 days for postscreen,
   * 31 and 3 days for verify.
   */
  olderThan?: number;
  /**
   * Remove nothing, only report what would be removed.
   *
   * @default {false}
   */
  dryRun?: boolean;
  /** Called before each entry is removed. A promise that it returns is awaited. */
  onExpired?: (expired: Expired) => void | Promise<void>;
  /** Called with what was done, before an error is thrown. */
  onFailure?: (done: CleanedUp) => void;
  /**
   * Returns the current time, in milliseconds since 1970.
   *
   * @default {Date.now}
   */
  timeOfDay?: () => number;
}

const optionKinds: OptionKinds<CleanUpOptions> = {
  ...maintenanceOptionKinds,
  daemon: "string",
  olderThan: "number",
  dryRun: "boolean",
  onExpired: "function",
  onFailure: "function",
  timeOfDay: "function",
};

/** An entry that is removed. Bytes that are not UTF-8 are replaced by U+FFFD. */
export interface Expired extends Entry {
  /** Why it is removed, in a few words. */
  readonly reason: string;
}

/** The result of {@linkcode cleanUp}. */
export interface CleanedUp {
  /** Number of entries in the cache before. */
  readonly entries: number;
  /** Number of entries that were removed, or would be with `dryRun`. */
  readonly removed: number;
  /** How many of those cannot have been written by the daemon. */
  readonly malformed: number;
  /** Number of expired entries that Postfix refreshed meanwhile; they were kept. */
  readonly refreshed: number;
}

// The entry in which Postfix stores the Unix time of its last cleanup.
const completedKey = "_LAST_CACHE_CLEANUP_COMPLETED_";

// Small, so that little time passes between the last check and the removal.
const batchSize = 256;
// If none of so many entries is valid, it is the wrong table.
const maxForeign = 1000;
const progressEvery = 1024;
// Milliseconds after which a table that is not open must be locked.
const lockWarningDelay = 5000;

/**
 * Removes the expired entries of the cache that postscreen(8) or verify(8) keeps
 * in a table. It replaces the cleanup of these daemons, which can be turned off
 * with `postscreen_cache_cleanup_interval = 0` and
 * `address_verify_cache_cleanup_interval = 0`. main.cf sets the expiry times and
 * which tests of postscreen are enabled.
 *
 * For a memcache table, it checks the entries of the backup, and removes them from
 * the backup and from memcached. Any other table must support listing and writing.
 * Postfix may run meanwhile: an entry that it refreshes is kept. Memory is bounded
 * for `kv:` and `proxy:` tables; for other types it grows with the number of
 * expired entries.
 *
 * An entry that the daemon cannot have written is removed too, with a warning. If
 * memcached fails, there is a warning, and only the backup is cleaned up: entries
 * in memcached expire after `ttl`.
 *
 * Throws {@linkcode ConfigError} for a memcache table without a backup, a table
 * that cannot be listed, and one without any valid entry; {@linkcode ReadOnlyError}
 * for a table that cannot be written; {@linkcode TemporaryError} if the table
 * fails; `TypeError` and `RangeError` for invalid options. Entries that were
 * removed before an error had expired.
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
  requireKind("cleanUp: name", name, "string");
  requireOptions("cleanUp", options, optionKinds);
  const { daemon, olderThan, dryRun = false } = options;
  if (daemon !== "postscreen" && daemon !== "verify") {
    throw new TypeError(`daemon must be postscreen or verify: ${daemon}`);
  }
  if (olderThan !== undefined && !(olderThan > 0)) {
    throw new RangeError(`olderThan must be a number above 0: ${olderThan}`);
  }
  const onWarning = options.onWarning ?? ((line) => console.warn(line));
  const mail = new MailSystem({ ...options, onWarning });
  const checkExpiry = daemon === "postscreen"
    ? postscreenExpiryCheck(await postscreenRules(mail, olderThan))
    : verifyExpiryCheck(await verifyRules(mail, olderThan));
  // Types of the installed Postfix wait for a lock without a time limit.
  const timer = (options.clock ?? systemClock).setTimer(
    lockWarningDelay,
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
    const resolved = { ...options, onWarning };
    return await new Cleanup(name, cache, backup, checkExpiry, resolved).run();
  } finally {
    await cache?.close();
    await backup?.close();
  }
}

/** An entry that has expired. */
interface Candidate extends Entry {
  readonly expiry: Expiry;
}

type ResolvedOptions =
  & CleanUpOptions
  & Required<Pick<CleanUpOptions, "onWarning">>;

/** The cleanup of one table. */
class Cleanup {
  #name: string;
  #cache: Table | undefined;
  #backup: Table;
  #checkExpiry: ExpiryCheck;
  #options: ResolvedOptions;
  #entries = 0;
  #removed = 0;
  #malformed = 0;
  #refreshed = 0;
  /** Whether the table has anything: otherwise it may not exist yet. */
  #isThere = false;
  /** Whether an entry was found that the daemon may have written. */
  #hasValidEntry = false;

  constructor(
    name: string,
    cache: Table | undefined,
    backup: Table,
    checkExpiry: ExpiryCheck,
    options: ResolvedOptions,
  ) {
    this.#name = name;
    this.#cache = cache;
    this.#backup = backup;
    this.#checkExpiry = checkExpiry;
    this.#options = options;
  }

  async run(): Promise<CleanedUp> {
    try {
      await this.#run();
      return this.#result();
    } catch (error) {
      const { dryRun, onFailure } = this.#options;
      const done = this.#result();
      onFailure?.(dryRun ? { ...done, removed: 0, malformed: 0 } : done);
      throw error;
    }
  }

  async #run(): Promise<void> {
    const { dryRun, signal, onProgress } = this.#options;
    const removesWhileListing = dryRun ||
      /^(?:kv|proxy):/.test(this.#backup.name);
    let candidates: Candidate[] = [];
    const removeAll = async (some: readonly Candidate[]) => {
      for (let at = 0; at < some.length; at += batchSize) {
        await this.#remove(some.slice(at, at + batchSize));
      }
    };
    for await (const { key, value } of this.#backup) {
      this.#isThere = true;
      if (key === completedKey) continue;
      signal?.throwIfAborted();
      if (++this.#entries % progressEvery === 0) {
        onProgress?.({ entries: this.#entries });
      }
      const expiry = this.#checkExpiry(value, this.#now());
      this.#hasValidEntry ||= expiry === undefined || !expiry.malformed;
      if (expiry === undefined) continue;
      candidates.push({ key, value, expiry });
      if (!this.#hasValidEntry) {
        if (candidates.length >= maxForeign) throw this.#wrongTableError();
      } else if (removesWhileListing && candidates.length > batchSize) {
        // Not the current entry of the sequence: some databases cannot remove it.
        const last = candidates.pop()!;
        await removeAll(candidates);
        candidates = [last];
      }
    }
    if (!this.#hasValidEntry && this.#entries > 0) {
      throw this.#wrongTableError();
    }
    await removeAll(candidates);
    if (!dryRun && this.#isThere) await this.#complete();
  }

  #result(): CleanedUp {
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

  #wrongTableError(): ConfigError {
    return new ConfigError(
      `${this.#name}: none of its first ${this.#entries} entries is one of ` +
        `${this.#options.daemon}: nothing was removed; is it the right table?`,
    );
  }

  async #remove(candidates: readonly Candidate[]): Promise<void> {
    const { dryRun, onWarning } = this.#options;
    const expired = dryRun ? candidates : await this.#lookAgain(candidates);
    for (const candidate of expired) {
      const { malformed } = candidate.expiry;
      const shown = {
        key: asText(candidate.key),
        value: asText(candidate.value),
        reason: asText(candidate.expiry.reason),
      };
      if (malformed && !dryRun) {
        const { key, reason } = shown;
        onWarning(`${this.#name}: removing key "${key}": ${reason}`);
      }
      const waiting = this.#options.onExpired?.(shown);
      if (waiting !== undefined) await waiting;
    }
    if (dryRun) return expired.forEach(this.#count);
    if (expired.length === 0) return;
    const keys = expired.map(({ key }) => key);
    let at = 0;
    for await (const _ of this.#backup.deleteMany(keys, this.#options)) {
      this.#count(expired[at++]);
    }
    const fresh: Entry[] = [];
    await this.#tryCache((cache) => this.#removeCached(cache, keys, fresh));
    for (const { key, value } of fresh) await this.#putBack(key, value);
  }

  #count = ({ expiry }: Candidate): void => {
    this.#removed++;
    if (expiry.malformed) this.#malformed++;
  };

  /** Reads entries again, and returns those that are still expired. */
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
      const expiry = value === before.value
        ? before.expiry
        : this.#checkExpiry(value, this.#now());
      if (expiry === undefined) this.#refreshed++;
      else expired.push({ key, value, expiry });
    }
    return expired;
  }

  /** Removes expired entries from memcached, and adds all others to `fresh`. */
  async #removeCached(
    cache: Table,
    keys: readonly string[],
    fresh: Entry[],
  ): Promise<void> {
    const stale: string[] = [];
    for await (const { key, value } of cache.lookupMany(keys, this.#options)) {
      if (value === undefined) continue;
      if (this.#checkExpiry(value, this.#now()) !== undefined) stale.push(key);
      else fresh.push({ key, value });
    }
    await drain(cache.deleteMany(stale, this.#options));
  }

  /**
   * Postfix writes to memcached first, then to the backup. So a fresh entry in
   * memcached was written while the old one was removed from the backup.
   */
  async #putBack(key: string, value: string): Promise<void> {
    this.#removed--;
    this.#refreshed++;
    if (await this.#backup.lookup(key, this.#options) !== undefined) return;
    await this.#backup.update(key, value, this.#options);
  }

  async #complete(): Promise<void> {
    const time = `${this.#now()}`;
    await this.#tryCache((cache) =>
      cache.update(completedKey, time, this.#options)
    );
    await this.#backup.update(completedKey, time, this.#options);
  }

  /** Does something with memcached. If memcached fails, it is no longer used. */
  async #tryCache(
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

/** Decodes a byte string for a message. It may have any bytes. */
function asText(bytes: string): string {
  return /[\x80-\xff]/.test(bytes)
    ? new TextDecoder().decode(byteText.encode(bytes))
    : bytes;
}

async function drain(results: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of results);
}
