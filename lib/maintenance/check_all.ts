import { innerOptions, openOptionKinds } from "../tables/opening.ts";
import { requireOptions } from "../tables/options.ts";
import { checkInScope } from "./check.ts";
import { scopeOf } from "./check_scope.ts";
import { Findings } from "./findings.ts";
import { readInstances } from "./instances.ts";
import type { Problem } from "./parameter_checks.ts";
import type { CheckOptions, TableCheck } from "./table_check.ts";

/** Options of {@linkcode checkAllTables}. */
export interface CheckAllOptions extends Omit<CheckOptions, "others"> {
  /** Called with each result at once; the next table waits for it. */
  onTable?: (checked: TableCheck) => void | Promise<void>;
}

/** The result of {@linkcode checkAllTables}. */
export interface AllTablesCheck {
  /** Whether no table has an error, nor a file that was read. */
  readonly good: boolean;
  /** The files in which tables were searched: each main.cf and master.cf. */
  readonly files: readonly string[];
  /** What is wrong with these files. */
  readonly problems: readonly Problem[];
  /** The results, in the order in which the tables are named. */
  readonly tables: readonly TableCheck[];
}

/**
 * Checks every memcache table that main.cf or master.cf names, as
 * {@linkcode checkTable} does: in any parameter, behind `proxy:` and in braces, with
 * `$` expanded, and in what `-o` sets for a service. Each table is checked once. The
 * directories of `multi_instance_directories` in main.cf are searched too.
 *
 * Throws {@linkcode ConfigError} if main.cf cannot be read, a `TypeError` for an option
 * that does not exist, and the reason of `signal` if that is aborted.
 *
 * @example
 * ```ts
 * import { checkAllTables } from "@postmaps/memcache-table/maintenance";
 * import { assertEquals } from "@std/assert";
 *
 * const mainCf = "virtual_alias_maps = proxy:memcache:{ ttl=soon }";
 * const { files, tables } = await checkAllTables({
 *   configDirectory: "/etc/postfix",
 *   readFile: (path) =>
 *     Promise.resolve(
 *       new TextEncoder().encode(path.endsWith("/main.cf") ? mainCf : ""),
 *     ),
 * });
 * assertEquals(files, ["/etc/postfix/main.cf", "/etc/postfix/master.cf"]);
 * assertEquals(tables.map(({ table }) => table), ["memcache:{ ttl=soon }"]);
 * ```
 */
export async function checkAllTables(
  options: CheckAllOptions = {},
): Promise<AllTablesCheck> {
  requireOptions("checkAllTables", options, {
    ...openOptionKinds,
    onTable: "function",
    offline: "boolean",
  });
  // A log-in is for one server, and these tables have several.
  const { onTable, offline, ...tableOptions } = innerOptions(options);
  options.signal?.throwIfAborted();
  const findings = new Findings();
  const instances = await readInstances({
    ...tableOptions,
    onWarning: findings.warn,
  });
  for (const error of instances.errors) findings.fail(error);
  const scope = scopeOf(instances);
  const tables: TableCheck[] = [];
  for (const { table, instance: { configDirectory } } of scope.named) {
    const own = { ...tableOptions, configDirectory, offline };
    const checked = await checkInScope(table, own, scope);
    tables.push(checked);
    await onTable?.(checked);
  }
  const { problems, areGood } = findings;
  const { files } = instances;
  const good = areGood && tables.every((checked) => checked.good);
  return { good, files, problems, tables };
}
