/**
 * For those who look after tables: whether one works, and what its memcached
 * says of itself.
 *
 * @example Is the table all right?
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
 * @module
 */
export {
  type Ability,
  type CheckedServer,
  type CheckOptions,
  checkTable,
  type TableCheck,
} from "./maintenance/check.ts";
export type {
  CheckedParameter,
  Problem,
} from "./maintenance/parameter_checks.ts";
export {
  readStats,
  type ServerStats,
  type StatsOptions,
} from "./maintenance/stats.ts";
