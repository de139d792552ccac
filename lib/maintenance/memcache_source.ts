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
  type ParameterContext,
} from "../tables/memcache/parameter_source.ts";
import {
  deepestNest,
  innerOptions,
  type Opening,
  rulesOf,
} from "../tables/opening.ts";
import {
  canShareEntries,
  type KeySpace,
  keySpaceOf,
  readEach,
} from "./parameter_checks.ts";

/** The configuration of a memcache table. */
export interface MemcacheSource {
  /** The source of its parameters. */
  readonly source: ParameterSource;
  /** Finds the address of its server. */
  readonly endpoint: () => Promise<Endpoint>;
  /** Connects to its server as the table does, with TLS and log-in. */
  readonly connect: () => Promise<Connect>;
  /** Opens the table without its backup, so that lookups store nothing. */
  readonly openWithoutBackup: () => Promise<Table>;
}

/** The type of `type:name`; empty if there is no colon. */
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
  const sourced: ParameterContext = {
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
    openWithoutBackup: () =>
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
 * Opens the tables of a domain list so that lookups store nothing: memcache tables
 * without their backup, and an empty table in place of a memcache table that
 * another program would open.
 */
function openHarmless(mail: MailSystem): Opening["open"] {
  return async (name, given) => {
    const options = innerOptions(given);
    if (typeOf(name) === "memcache") {
      return await (await readMemcacheSource(name, options, mail))
        .openWithoutBackup();
    }
    const hidden = name.includes("memcache:");
    return await openTable(hidden ? "inline:{none=}" : name, options);
  };
}

/** A mail system without warnings. */
export function quietMail(options: OpenOptions): MailSystem {
  return new MailSystem({ ...options, onWarning: () => {} });
}

// Characters after which the search for tables ends: many lines may each expand to
// the same long value, which would take quadratic time.
const maxSearched = 4194304;

/** The memcache tables that main.cf names or defines. */
async function tablesOfMainCf(mail: MailSystem): Promise<string[]> {
  const tables: string[] = [];
  let searched = 0;
  for (const [name, { value }] of await mail.settings()) {
    const [, table] = /^(.+)_(?:memcache|key_format)$/.exec(name) ?? [];
    if (table !== undefined) tables.push(`memcache:${table}`);
    // A name that comes from another parameter is found in that parameter.
    if (!value.includes("memcache:")) continue;
    const expanded = (await orUndefined(mail.setting(name)))?.value ?? "";
    searched += expanded.length;
    if (searched > maxSearched) break;
    tables.push(...namesIn(expanded));
  }
  return tables;
}

/**
 * The names of memcache tables in a list of tables, including those behind proxy:
 * and, up to a limit, those inside braces.
 */
function namesIn(value: string): string[] {
  const names: string[] = [];
  const closing = closingBraces(value);
  /** The ends of the enclosing braces, the innermost last. */
  const enclosing: number[] = [];
  const prefix = /(?<![^ \t\r\n,:{}=!])memcache:/g;
  for (let found; (found = prefix.exec(value)) !== null;) {
    const start = prefix.lastIndex;
    const close = closing.get(start);
    while (enclosing.length > 0 && enclosing.at(-1)! < start) enclosing.pop();
    if (close === undefined) {
      const end = plainEnd(value, start);
      if (end > start) names.push(value.slice(found.index, end));
      prefix.lastIndex = end;
    } else if (enclosing.length < deepestNest) {
      enclosing.push(close);
      names.push(value.slice(found.index, close + 1));
    }
  }
  return names;
}

/** The closing brace of each opening one that has one. */
function closingBraces(value: string): Map<number, number> {
  const closing = new Map<number, number>();
  const open: number[] = [];
  for (let at = 0; at < value.length; at++) {
    if (value[at] === "{") open.push(at);
    else if (value[at] === "}" && open.length > 0) closing.set(open.pop()!, at);
  }
  return closing;
}

/** The end of a name without braces. */
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

/** The key spaces of tables by name; `undefined` for a table that cannot be read. */
export type KeySpaces = Map<string, KeySpace | undefined>;

/**
 * Finds the tables whose entries can be mixed up with those of `space`, among
 * `others` and the tables in main.cf. Skips tables that cannot be read, because
 * that is no fault of this table. Adds the key spaces to `known`.
 */
export async function findSharingTables(
  space: KeySpace,
  others: readonly string[],
  options: OpenOptions,
  known: KeySpaces,
): Promise<string[]> {
  const mail = quietMail(options);
  // Without permission to read main.cf, Deno must not prompt for it.
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
    if (other !== undefined && canShareEntries(space, other)) {
      sharing.push(name);
    }
  }
  return sharing;
}

async function readSpace(
  name: string,
  options: OpenOptions,
  mail: MailSystem,
): Promise<KeySpace | undefined> {
  const { source, endpoint } = await readMemcacheSource(name, options, mail);
  const server = formatEndpoint(await endpoint());
  return keySpaceOf(name, server, readEach(source).usable);
}
