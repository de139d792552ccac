import { MailSystem } from "../system/mail_system.ts";
import type { ParameterSource } from "../tables/memcache/parameters.ts";
import { ConfigError } from "../errors.ts";
import { mayRead } from "../system/files.ts";
import { formatEndpoint } from "../socket/endpoint.ts";
import { connectLazily } from "../socket/connect.ts";
import type { Connect, Endpoint } from "../socket/socket.ts";
import { openTable } from "../open.ts";
import type { OpenOptions, Table } from "../table.ts";
import {
  findEndpoint,
  openMemcacheTable,
  withAccess,
} from "../tables/memcache/open_memcache.ts";
import {
  findParameters,
  type Sourced,
} from "../tables/memcache/parameter_source.ts";
import { deepestNest, type Opening, rulesOf } from "../tables/opening.ts";
import { isShared, readEach, type Space, spaceOf } from "./parameter_checks.ts";

/** A memcache table's configuration, read as the table reads it. */
export interface MemcacheSource {
  /** Where its parameters are. */
  readonly source: ParameterSource;
  /** Finds its server. */
  readonly endpoint: () => Promise<Endpoint>;
  /** What connects to its server as the table does, and logs in. */
  readonly connect: () => Promise<Connect>;
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
  options: OpenOptions,
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
  const endpoint = async () => {
    const { usable } = readEach(source);
    const found = await findEndpoint(sourced, source, usable);
    if (found.unknownService !== undefined) throw found.unknownService;
    return found.endpoint;
  };
  return {
    source,
    endpoint,
    connect: async () => {
      const connect = options.connect ?? connectLazily;
      return await withAccess(
        connect,
        sourced,
        source,
        await endpoint(),
        false,
      );
    },
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
export function quietMail(options: OpenOptions): MailSystem {
  return new MailSystem({ ...options, onWarning: () => {} });
}

// Many lines may each expand to one long value. So that this takes no quadratic
// time, the search for tables ends after so many characters.
const mostLookedAt = 4194304;

/** The memcache tables whose names or parameters are in main.cf. */
async function tablesOfMainCf(mail: MailSystem): Promise<string[]> {
  const tables: string[] = [];
  let lookedAt = 0;
  for (const [name, { value }] of await mail.settings()) {
    const [, table] = /^(.+)_(?:memcache|key_format)$/.exec(name) ?? [];
    if (table !== undefined) tables.push(`memcache:${table}`);
    // Where a table is named by another parameter, it is found there.
    if (!value.includes("memcache:")) continue;
    const expanded = (await orUndefined(mail.setting(name)))?.value ?? "";
    lookedAt += expanded.length;
    if (lookedAt > mostLookedAt) break;
    tables.push(...namesIn(expanded));
  }
  return tables;
}

/**
 * The names of memcache tables in a list of tables, those behind proxy: and those
 * in braces, not too deep, as well.
 */
function namesIn(value: string): string[] {
  const names: string[] = [];
  const closing = closingBraces(value);
  /** Where the braces end that this place is in, the innermost last. */
  const around: number[] = [];
  const prefix = /(?<![^ \t\r\n,:{}=!])memcache:/g;
  for (let found; (found = prefix.exec(value)) !== null;) {
    const start = prefix.lastIndex;
    const close = closing.get(start);
    while (around.length > 0 && around.at(-1)! < start) around.pop();
    if (close === undefined) {
      const end = plainEnd(value, start);
      if (end > start) names.push(value.slice(found.index, end));
      prefix.lastIndex = end;
    } else if (around.length < deepestNest) {
      around.push(close);
      names.push(value.slice(found.index, close + 1));
    }
  }
  return names;
}

/** Where each brace is closed, if it is. */
function closingBraces(value: string): Map<number, number> {
  const closing = new Map<number, number>();
  const open: number[] = [];
  for (let at = 0; at < value.length; at++) {
    if (value[at] === "{") open.push(at);
    else if (value[at] === "}" && open.length > 0) closing.set(open.pop()!, at);
  }
  return closing;
}

/** Where a name without braces ends. */
function plainEnd(value: string, start: number): number {
  const plain = /[^ \t\r\n,{}]*/y;
  plain.lastIndex = start;
  plain.exec(value);
  return plain.lastIndex;
}

async function orUndefined<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof ConfigError) return undefined;
    throw error;
  }
}

/** The spaces of tables, by their names; none of those that cannot be read. */
export type Spaces = Map<string, Space | undefined>;

/**
 * The tables whose entries can be taken for those of `space`, among `others` and
 * those that main.cf names or defines. What cannot be read there is passed over:
 * it is another table's fault. `known` is filled, for the next table.
 */
export async function sharingTables(
  space: Space,
  others: readonly string[],
  options: OpenOptions,
  known: Spaces,
): Promise<string[]> {
  const mail = quietMail(options);
  // Where nobody may read main.cf, nobody is to be asked whether one may.
  const mayLook = options.readFile !== undefined || mayRead(mail.mainCf);
  const inMainCf = mayLook ? await orUndefined(tablesOfMainCf(mail)) ?? [] : [];
  const quiet = { ...options, onWarning: () => {} };
  const sharing: string[] = [];
  for (const name of new Set([...others, ...inMainCf])) {
    if (typeOf(name) !== "memcache" || name === space.table) continue;
    if (!known.has(name)) {
      known.set(name, await orUndefined(readSpace(name, quiet, mail)));
    }
    const other = known.get(name);
    if (other !== undefined && isShared(space, other)) sharing.push(name);
  }
  return sharing;
}

async function readSpace(
  name: string,
  options: OpenOptions,
  mail: MailSystem,
): Promise<Space | undefined> {
  const { source, endpoint } = await readMemcacheSource(name, options, mail);
  const server = formatEndpoint(await endpoint());
  return spaceOf(name, server, readEach(source).usable);
}
