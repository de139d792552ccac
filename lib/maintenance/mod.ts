/**
 * For administrators of tables: check whether a table works, read the statistics
 * of its memcached, make it equal to a source, fill the cache from the backup, and
 * remove expired entries of the caches of postscreen(8) and verify(8).
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
 * @example What would change?
 * ```ts
 * import { syncTable } from "@postmaps/memcache-table/maintenance";
 *
 * await syncTable("inline:{alice=a}", [{ key: "alice", value: "b" }], {
 *   dryRun: true,
 *   onChange: ({ kind, key, value }) => console.log(kind, key, value),
 * });
 * ```
 *
 * @module
 */
// The types that these functions take and return, so that each entry point is whole.
export type * from "../errors.ts";
export type * from "../events.ts";
export type * from "../kv_database.ts";
export type * from "../socket/socket.ts";
export type { Clock, Timer } from "../system/clock.ts";
export type * from "../table.ts";
export type {
  AccessParameters,
  MemcacheParameters,
} from "../tables/memcache/parameters.ts";
export type { Ability } from "./abilities.ts";
export { checkTable } from "./check.ts";
export {
  type AllTablesCheck,
  type CheckAllOptions,
  checkAllTables,
} from "./check_all.ts";
export type { NamedBy } from "./named_tables.ts";
export type { CheckedServer } from "./server_checks.ts";
export type { CheckOptions, TableCheck } from "./table_check.ts";
export type { CheckedParameter, Problem } from "./parameter_checks.ts";
export { readStats, type ServerStats, type StatsOptions } from "./stats.ts";
export {
  type CleanedUp,
  cleanUp,
  type CleanUpOptions,
  type Expired,
} from "./cleanup.ts";
export type { MaintenanceOptions, Progress } from "./options.ts";
export {
  type Change,
  type Synced,
  type SyncOptions,
  syncTable,
} from "./sync.ts";
export { warmCache, type Warmed, type WarmOptions } from "./warm.ts";
