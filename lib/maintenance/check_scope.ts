import { MailSystem } from "../system/mail_system.ts";
import type { ConfigError } from "../errors.ts";
import type { OpenOptions } from "../table.ts";
import type { Instance, Instances } from "./instances.ts";
import type { KeySpaces } from "./memcache_source.ts";
import {
  definedTables,
  findNamedTables,
  isSameEverywhere,
  type NamedTable,
} from "./named_tables.ts";
import { isSameTable } from "./parameter_checks.ts";

/** What the checks of several tables have in common. */
export interface CheckScope {
  /** The instances of Postfix; none if main.cf could not be read. */
  readonly instances: readonly Instance[];
  /** Why files of them, or lines of these, could not be read. */
  readonly errors: readonly ConfigError[];
  /** The memcache tables that they name. */
  readonly named: readonly NamedTable[];
  /** The key spaces of tables, by the configuration directory of their names. */
  readonly spaces: Map<string, KeySpaces>;
}

/**
 * Makes the scope of these instances. `errors` are those that the check of each table
 * shall tell of.
 */
export function scopeOf(
  instances: Instances,
  errors: readonly ConfigError[] = [],
): CheckScope {
  return {
    instances: instances.list,
    errors,
    named: findNamedTables(instances),
    spaces: new Map(),
  };
}

/** What the instances do with a table. */
export interface TableUse extends Pick<NamedTable, "table" | "uses"> {
  /** The instances that may use it. */
  readonly instances: readonly Instance[];
  /** Why the instances could not be read. */
  readonly errors: readonly ConfigError[];
  /** The memcache tables of the instance of the configuration directory. */
  readonly others: readonly string[];
  /** The key spaces of tables. */
  readonly spaces: KeySpaces;
}

/** Finds what the instances do with a table; `options` has its directory. */
export function useOf(
  table: string,
  options: OpenOptions,
  { instances, errors, named, spaces }: CheckScope,
): TableUse {
  const { configDirectory } = new MailSystem({
    ...options,
    onWarning: () => {},
  });
  const isHere = (instance: Instance) =>
    instance.configDirectory === configDirectory;
  const isSame = isSameEverywhere(table);
  const found = named.find((one) =>
    isSame ? isSameTable(one.table, table) : one.table === table &&
      isHere(one.instance)
  );
  let known = spaces.get(configDirectory);
  if (known === undefined) spaces.set(configDirectory, known = new Map());
  return {
    table: found?.table ?? table,
    uses: found?.uses ?? [],
    errors,
    instances: isSame ? instances : instances.filter(isHere),
    others: [
      ...instances.filter(isHere).flatMap(definedTables),
      // Other instances may share a cache on purpose.
      ...named.filter(({ uses }) => uses.some((use) => isHere(use.instance)))
        .map((one) => one.table),
    ],
    spaces: known,
  };
}
