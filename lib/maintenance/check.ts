import { requireKind } from "../arguments.ts";
import type { OpenOptions, Table } from "../table.ts";
import { tableNames } from "../config/table_names.ts";
import { openTable } from "../open.ts";
import { inspectKv } from "../tables/kv/inspect_kv.ts";
import { innerOptions, openOptionKinds } from "../tables/opening.ts";
import { requireOptions } from "../tables/options.ts";
import { type Abilities, notOpen, tryTable, untried } from "./abilities.ts";
import { checkMemcache } from "./check_memcache.ts";
import { type CheckScope, scopeOf, useOf } from "./check_scope.ts";
import { Findings } from "./findings.ts";
import { readInstancesIfAny } from "./instances.ts";
import { typeOf } from "./memcache_source.ts";
import { readableDatabaseProblems } from "./rules/readable_database.ts";
import { sensitiveProblems } from "./rules/sensitive_parameters.ts";
import type { CheckOptions, TableCheck } from "./table_check.ts";

/**
 * Checks whether a table works. Faults of the table are returned, not thrown.
 * Writes nothing, neither to memcached nor to the backup, and creates no database.
 *
 * For every table, it looks a key up and reads the first entry. It does not read
 * the first entry through `proxy:` if the type may not support that, because
 * Postfix's proxymap would exit. If other clients list the table through the same
 * proxymap, their listing starts again.
 *
 * For a `memcache:` table, it also reads the configuration, asks memcached for its
 * version, and checks the backup in the same way. It reports other tables whose
 * entries can be mixed up with those of this one: they use the same server, their
 * memcache keys begin and end with the same fixed text, and the two are not filled
 * from the same backup.
 *
 * If main.cf can be read, it also reports what memcache_table(5) warns of: parameters
 * of main.cf and master.cf that must not name a memcache table, caches of
 * postscreen(8) and verify(8) that are cleaned or kept in a wrong way, a `proxy:`
 * backup that no list approves, and a socket that Postfix cannot reach.
 *
 * Throws a `TypeError` for an option that does not exist, and the reason of
 * `signal` if that is aborted.
 *
 * Checks configurations against memcache_table(5).
 *
 * @example
 * ```ts
 * import { checkTable } from "@postmaps/memcache-table/maintenance";
 * import { assertEquals } from "@std/assert";
 *
 * const { good, problems } = await checkTable("memcache:{ ttl=soon }");
 * assertEquals(good, false);
 * assertEquals(problems[0].message, "ttl = soon: need a whole number without a unit");
 * ```
 */
export async function checkTable(
  name: string,
  options: CheckOptions = {},
): Promise<TableCheck> {
  requireKind("checkTable: name", name, "string");
  requireOptions("checkTable", options, checkOptionKinds);
  options.signal?.throwIfAborted();
  const { others: _, offline: __, ...tableOptions } = options;
  const instances = await readInstancesIfAny(tableOptions);
  const scope = scopeOf(instances, instances.errors);
  return await checkInScope(name, options, scope);
}

const checkOptionKinds = {
  ...openOptionKinds,
  others: "array",
  offline: "boolean",
} as const;

/** Checks a table as one of several. */
export async function checkInScope(
  name: string,
  options: CheckOptions,
  scope: CheckScope,
): Promise<TableCheck> {
  const checked = await check(name, [], { options, scope });
  options.signal?.throwIfAborted();
  return printableText(checked);
}

/**
 * Copies a value, with U+FFFD for each byte that is not UTF-8, because many JSON
 * parsers reject lone surrogates.
 */
function printableText<T>(value: T): T {
  if (typeof value === "string") return value.toWellFormed() as T;
  if (Array.isArray(value)) return value.map(printableText) as T;
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value);
  return Object.fromEntries(
    entries.map(([name, inner]) => [name, printableText(inner)]),
  ) as T;
}

async function tryIfOpen(
  table: Table | undefined,
  offline: boolean,
  options: OpenOptions,
  findings: Findings,
): Promise<Abilities & { missing?: true }> {
  if (table === undefined) return notOpen;
  if (!offline) return await tryTable(table, options, findings);
  await table.close();
  return untried;
}

/** What the checks of a table and of its backups have in common. */
interface CheckContext {
  readonly options: CheckOptions;
  readonly scope: CheckScope;
}

/** Checks a table; `outer` are those that name it as their backup. */
async function check(
  name: string,
  outer: readonly string[],
  context: CheckContext,
): Promise<TableCheck> {
  const findings = new Findings();
  const { others = [], offline = false, ...tableOptions } = context.options;
  const options: OpenOptions = { ...tableOptions, onWarning: findings.warn };
  const type = typeOf(name);
  if (type === "memcache") {
    const use = useOf(name, options, context.scope);
    const checkBackup = (backup: string, within: readonly string[]) =>
      check(backup, within, {
        ...context,
        options: innerOptions(context.options),
      });
    return await checkMemcache(
      { name, options, outer, use, others, offline, checkBackup },
      findings,
    );
  }
  const table = await findings.attempt(() => openTable(name, options));
  const abilities = await tryIfOpen(table, offline, options, findings);
  for (const inner of tableNames("memcache", name)) {
    findings.addAll(
      sensitiveProblems(useOf(inner.name, options, context.scope)),
    );
  }
  if (type === "kv" && options.readFile === undefined) {
    const { file } = await inspectKv(name.slice("kv:".length), options);
    const parameters = outer.flatMap((table) =>
      useOf(table, options, context.scope).uses.map(({ namedBy }) =>
        namedBy.parameter
      )
    );
    if (file !== undefined) {
      const names = [name, ...outer, ...parameters];
      findings.addAll(await readableDatabaseProblems(file, names));
    }
  }
  const { problems, areGood } = findings;
  return { table: name, type, good: areGood, problems, ...abilities };
}
