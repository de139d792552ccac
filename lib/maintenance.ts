/**
 * What keeps a table in good order: fill the cache of a memcache table from its
 * backup, and remove what has expired from the caches of postscreen(8) and
 * verify(8).
 *
 * @example
 * ```ts no-eval
 * import { cleanUp, warmCache } from "@postmaps/memcache-table/maintenance";
 *
 * await warmCache("memcache:/etc/postfix/aliases.cf");
 * await cleanUp("memcache:/etc/postfix/postscreen.cf", { daemon: "postscreen" });
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
