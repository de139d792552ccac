/**
 * What keeps a table in good order: fill the cache of a memcache table from its
 * backup, and remove what has expired from the caches of postscreen(8) and
 * verify(8).
 *
 * @example
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
  type CleanedUp,
  cleanUp,
  type CleanUpOptions,
  type Expired,
} from "./maintenance/cleanup.ts";
export type { MaintenanceOptions, Progress } from "./maintenance/options.ts";
export {
  warmCache,
  type Warmed,
  type WarmOptions,
} from "./maintenance/warm.ts";
