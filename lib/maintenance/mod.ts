/**
 * For administrators of tables: check whether a table works, read the statistics
 * of its memcached, fill the cache from the backup, and remove expired entries of
 * the caches of postscreen(8) and verify(8).
 *
 * @example Does the table work?
 * ```ts
 * import { checkTable } from "@postmaps/memcache-table/maintenance";
 *
 * const { good, problems } = await checkTable("memcache:{ key_format=a:%s }");
 * for (const { severity, message } of problems) {
 *   console.log(`${severity}: ${message}`);
 * }
 * console.log(good ? "good" : "not good");
 * ```
 *
 * @example How full is the cache?
 * ```ts ignore
 * import { readStats } from "@postmaps/memcache-table/maintenance";
 *
 * const { bytes, limitBytes } = await readStats("memcache:/etc/postfix/aliases.cf");
 * console.log(`${bytes} of ${limitBytes} bytes`);
 * ```
 *
 * @example Which entries have expired?
 * ```ts
 * import { cleanUp } from "@postmaps/memcache-table/maintenance";
 *
 * await cleanUp("inline:{192.0.2.1=1700000000;1;1;1;1}", {
 *   daemon: "postscreen",
 *   dryRun: true,
 *   onExpired: ({ key, reason }) => console.log(`${key}: ${reason}`),
 * });
 * ```
 *
 * @module
 */
export {
  type Ability,
  type CheckedServer,
  type CheckOptions,
  checkTable,
  type TableCheck,
} from "./check.ts";
export type { CheckedParameter, Problem } from "./parameter_checks.ts";
export { readStats, type ServerStats, type StatsOptions } from "./stats.ts";
export {
  type CleanedUp,
  cleanUp,
  type CleanUpOptions,
  type Expired,
} from "./cleanup.ts";
export type { MaintenanceOptions, Progress } from "./options.ts";
export { warmCache, type Warmed, type WarmOptions } from "./warm.ts";
