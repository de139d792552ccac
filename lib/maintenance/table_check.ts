import type { OpenOptions } from "../table.ts";
import type { Ability } from "./abilities.ts";
import type { NamedBy } from "./named_tables.ts";
import type { CheckedParameter, Problem } from "./parameter_checks.ts";
import type { CheckedServer } from "./server_checks.ts";

/**
 * The result of {@linkcode checkTable}. `memcache-table check -j` prints it as a
 * line of JSON:
 *
 * ```json
 * { "table": "memcache:/etc/postfix/aliases.cf", "type": "memcache",
 *   "good": false,
 *   "namedBy": [{ "parameter": "virtual_alias_maps", "file": "…", "line": 9 }],
 *   "problems": [{ "severity": "error", "message": "…", "file": "…", "line": 3 }],
 *   "parameters": [{ "name": "ttl", "written": "ttl", "value": 60,
 *     "default": false, "file": "…", "line": 2 }],
 *   "server": { "endpoint": "inet:localhost:11211", "answers": true,
 *     "version": "1.6.18", "roundTrip": 0.1, "itemSizeMax": 1048576 },
 *   "lookup": { "possible": true },
 *   "write": { "possible": true },
 *   "sequence": { "possible": false, "remark": "it has no backup" },
 *   "backup": { "table": "hash:/etc/postfix/aliases", … } }
 * ```
 *
 * Only a `memcache:` table has `namedBy`, `parameters`, `server` and `backup`, as far
 * as its configuration can be read.
 */
export interface TableCheck {
  /** The table's name as it was given. */
  readonly table: string;
  /** Its type; empty if the name has none. */
  readonly type: string;
  /** Whether neither the table nor its backup has an error. */
  readonly good: boolean;
  /** Where main.cf or master.cf names it; absent where they do not. */
  readonly namedBy?: readonly NamedBy[];
  /** The database does not exist yet; the first write creates it. */
  readonly missing?: true;
  /** What should be looked at, in the order in which it was found. */
  readonly problems: readonly Problem[];
  /** The parameters as the table reads them. */
  readonly parameters?: readonly CheckedParameter[];
  /** The memcached. */
  readonly server?: CheckedServer;
  /** Whether keys can be looked up. */
  readonly lookup: Ability;
  /** Whether it can be opened for updates and deletes. */
  readonly write: Ability;
  /** Whether its entries can be listed. */
  readonly sequence: Ability;
  /** The result for the backup. */
  readonly backup?: TableCheck;
}

/** Options of {@linkcode checkTable}. There is no `onWarning`: see `problems`. */
export interface CheckOptions
  extends Omit<OpenOptions, "write" | "onWarning" | "duplicates"> {
  /**
   * Names of other tables in use, besides those in main.cf. The check finds those
   * whose entries can be mixed up with entries of this table.
   *
   * @default {[]}
   */
  others?: readonly string[];
  /**
   * Whether nothing is asked: only what is written is checked, for a machine whose
   * servers do not run yet.
   *
   * @default {false}
   */
  offline?: boolean;
}
