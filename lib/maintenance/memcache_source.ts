import { MailSystem } from "../system/mail_system.ts";
import { bracedLength } from "../config/name_value.ts";
import type { ParameterSource } from "../tables/memcache/parameters.ts";
import { ConfigError } from "../errors.ts";
import { mayRead } from "../system/files.ts";
import { formatEndpoint } from "../socket/endpoint.ts";
import type { Endpoint } from "../socket/socket.ts";
import { openTable } from "../open.ts";
import type { Table, TableOptions } from "../table.ts";
import {
  findEndpoint,
  openMemcacheTable,
} from "../tables/memcache/open_memcache.ts";
import {
  findParameters,
  type Sourced,
} from "../tables/memcache/parameter_source.ts";
import { type Opening, rulesOf } from "../tables/opening.ts";
import { isShared, readEach, type Space, spaceOf } from "./parameter_checks.ts";

/** A memcache table's configuration, read as the table reads it. */
export interface MemcacheSource {
  /** Where its parameters are. */
  readonly source: ParameterSource;
  /** Finds its server. */
  readonly endpoint: () => Promise<Endpoint>;
  /** Opens the table without its backup: what is looked up there stores nothing. */
  readonly openAlone: () => Promise<Table>;
}

/** What comes before the colon of `type:name`. */
export function typeOf(name: string): string {
  return name.slice(0, Math.max(name.indexOf(":"), 0));
}

/** Reads the configuration of a memcache table. Throws {@linkcode ConfigError}. */
export async function readMemcacheSource(
  name: string,
  options: TableOptions,
  mail: MailSystem,
): Promise<MemcacheSource> {
  const path = name.slice("memcache:".length);
  if (path === "") {
    throw new ConfigError(
      `need type:name to open a table instead of "${name}"`,
    );
  }
  const sourced: Sourced = {
    name,
    path,
    options,
    rules: rulesOf({ ...options, write: false }),
    mail,
  };
  const source = await findParameters(sourced);
  return {
    source,
    endpoint: () => findEndpoint(sourced, source, readEach(source).usable),
    openAlone: () =>
      openMemcacheTable({
        ...sourced,
        outer: [],
        open: openHarmless(mail),
        backupOf: () => Promise.resolve(undefined),
      }, {
        ...source,
        setting: (parameter) =>
          parameter === "backup" ? undefined : source.setting(parameter),
      }),
  };
}

/**
 * Opens tables of a domain list: memcache tables without their backup as well,
 * and in place of one that another program opens a table that has nothing.
 */
function openHarmless(mail: MailSystem): Opening["open"] {
  return async (name, options) => {
    if (typeOf(name) === "memcache") {
      return await (await readMemcacheSource(name, options, mail)).openAlone();
    }
    const hidden = name.includes("memcache:");
    return await openTable(hidden ? "inline:{none=}" : name, options);
  };
}

/** The mail system of some options, whose warnings go nowhere. */
export function quietMail(options: TableOptions): MailSystem {
  return new MailSystem({ ...options, onWarning: () => {} });
}

/** The memcache tables whose names or parameters are in main.cf. */
async function tablesOfMainCf(mail: MailSystem): Promise<string[]> {
  const tables: string[] = [];
  for (const name of (await mail.settings()).keys()) {
    const [, table] = /^(.+)_(?:memcache|key_format)$/.exec(name) ?? [];
    if (table !== undefined) tables.push(`memcache:${table}`);
    const setting = await orUndefined(mail.setting(name));
    tables.push(...namesIn(setting?.value ?? ""));
  }
  return tables;
}

/** The names of memcache tables in a list of tables, those behind proxy: too. */
function namesIn(value: string): string[] {
  const names: string[] = [];
  for (const { index } of value.matchAll(/(?<![^\s,:{}=!])memcache:/g)) {
    const path = value.slice(index + "memcache:".length);
    const length = bracedLength(path) || /^[^\s,{}]*/.exec(path)![0].length;
    if (length > 0) names.push(`memcache:${path.slice(0, length)}`);
  }
  return names;
}

async function orUndefined<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof ConfigError) return undefined;
    throw error;
  }
}

/**
 * The tables whose entries can be taken for those of `space`, among `others` and
 * those that main.cf names or defines. What cannot be read there is passed over:
 * it is another table's fault.
 */
export async function sharingTables(
  space: Space,
  others: readonly string[],
  options: TableOptions,
): Promise<string[]> {
  const mail = quietMail(options);
  // Where nobody may read main.cf, nobody is to be asked whether one may.
  const mayLook = options.readFile !== undefined || mayRead(mail.mainCf);
  const inMainCf = mayLook ? await orUndefined(tablesOfMainCf(mail)) ?? [] : [];
  const quiet = { ...options, onWarning: () => {} };
  const sharing: string[] = [];
  for (const name of new Set([...others, ...inMainCf])) {
    if (typeOf(name) !== "memcache" || name === space.table) continue;
    const other = await orUndefined((async () => {
      const { source, endpoint } = await readMemcacheSource(name, quiet, mail);
      const server = formatEndpoint(await endpoint());
      return spaceOf(name, server, readEach(source).usable);
    })());
    if (other !== undefined && isShared(space, other)) sharing.push(name);
  }
  return sharing;
}
