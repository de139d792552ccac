import type { Setting } from "../config/main_cf.ts";
import { tableNames } from "../config/table_names.ts";
import {
  type Instance,
  type Instances,
  orUndefined,
  parametersOf,
  type ServiceParameters,
} from "./instances.ts";

/** Where main.cf or master.cf names a table. */
export interface NamedBy {
  /** The parameter. */
  readonly parameter: string;
  /** The service whose `-o` sets it, such as `smtp/inet`; absent in main.cf. */
  readonly service?: string;
  /** The path of main.cf or master.cf. */
  readonly file?: string;
  /** The line in that file, counted from 1. */
  readonly line?: number;
}

/** A use of a memcache table by Postfix. */
export interface Use {
  readonly instance: Instance;
  readonly namedBy: NamedBy;
  /** Whether proxymap(8) opens the table. */
  readonly proxied: boolean;
}

/**
 * Whether the tables of a parameter are looked up by Postfix itself: not by another
 * table, and not only where another parameter refers to it.
 */
export function isLookupParameter(parameter: string): boolean {
  return lookupParameter.test(parameter);
}

const lookupParameter =
  /_(?:maps?|restrictions|checks|filter|domains|policy|database|clients|hosts|users|networks)$|^my(?:destination|networks)$/;

/** A memcache table that main.cf or master.cf names. */
export interface NamedTable {
  /** Its name. */
  readonly table: string;
  /** The first instance that names it. */
  readonly instance: Instance;
  /** Where it is named. */
  readonly uses: readonly Use[];
}

/** Whether a table is the same in every instance: its name has all, or a path. */
export function isSameEverywhere(table: string): boolean {
  return /^memcache:[/.{]/.test(table);
}

// Characters after which the search for tables ends: many lines may each expand to
// the same long value, which would take quadratic time.
const maxSearched = 4194304;

/** All memcache tables that main.cf and master.cf name, each once. */
export function findNamedTables({ list }: Instances): NamedTable[] {
  const found = new Map<string, { instance: Instance; uses: Use[] }>();
  let searched = 0;
  const add = (instance: Instance, namedBy: NamedBy, value: string) => {
    searched += value.length;
    const seen = new Set<string>();
    for (const { name, proxied } of tableNames("memcache", value)) {
      if (seen.has(`${proxied} ${name}`)) continue;
      seen.add(`${proxied} ${name}`);
      const key = JSON.stringify(
        isSameEverywhere(name) ? [name] : [name, instance.configDirectory],
      );
      let known = found.get(key);
      if (known === undefined) found.set(key, known = { instance, uses: [] });
      known.uses.push({ instance, namedBy, proxied });
    }
  };
  for (const instance of list) {
    for (const { parameters, own } of settingsOf(instance)) {
      for (const [name, { value: raw, file, line }] of own) {
        if (!/[$]|memcache:/.test(raw)) continue;
        // A few parameters have macros of their own, which only a daemon can expand.
        const value = orUndefined(() => parameters.setting(name))?.value ?? raw;
        if (!value.includes("memcache:")) continue;
        const { service } = parameters;
        const named = service && `${service.name}/${service.type}`;
        add(
          instance,
          { parameter: name, ...(named && { service: named }), file, line },
          value,
        );
        if (searched > maxSearched) break;
      }
    }
  }
  return [...found].map(([key, { instance, uses }]) => ({
    table: JSON.parse(key)[0],
    instance,
    uses,
  }));
}

/** The memcache tables that have parameters of their own in a main.cf. */
export function definedTables({ settings }: Instance): string[] {
  return [...settings.keys()].flatMap((name) => {
    const [, table] = /^(.+)_(?:memcache|key_format)$/.exec(name) ?? [];
    return table === undefined ? [] : [`memcache:${table}`];
  });
}

/** What main.cf and each service set, with the parameters to expand it. */
function* settingsOf(
  { settings, services, parameters }: Instance,
): Generator<
  { parameters: ServiceParameters; own: ReadonlyMap<string, Setting> }
> {
  yield { parameters, own: settings };
  for (const service of services ?? []) {
    yield { parameters: parameters.of(service), own: service.overrides };
  }
}

/** A parameter as one of the services that read it has it. */
export interface ServiceSetting {
  readonly instance: Instance;
  readonly parameters: ServiceParameters;
  /** The value, `$` expanded, and its place. */
  readonly setting: Setting;
}

/**
 * The settings of a parameter that name a memcache table, as the services have it that
 * run a program, or, without a program, as main.cf has it.
 */
export function settingsThatName(
  table: string,
  parameter: string,
  instances: readonly Instance[],
  program?: string,
): ServiceSetting[] {
  const found: ServiceSetting[] = [];
  for (const instance of instances) {
    const all = program === undefined
      ? [instance.parameters]
      : parametersOf(instance, program);
    for (const parameters of all) {
      const setting = orUndefined(() => parameters.setting(parameter));
      if (setting === undefined) continue;
      for (const { name } of tableNames("memcache", setting.value)) {
        if (name !== table) continue;
        found.push({ instance, parameters, setting });
        break;
      }
    }
  }
  return found;
}
