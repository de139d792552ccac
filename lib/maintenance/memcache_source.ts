import { MailSystem } from "../system/mail_system.ts";
import type { ParameterSource } from "../tables/memcache/parameters.ts";
import { ConfigError } from "../errors.ts";
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
import { innerOptions, type Opening, rulesOf } from "../tables/opening.ts";
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
  /** Makes what connects to that address as the table does, with TLS and log-in. */
  readonly connect: (endpoint: Endpoint) => Promise<Connect>;
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
  return {
    source,
    endpoint: async () => {
      const { usable } = readEach(source);
      const found = await findEndpoint(sourced, source, usable);
      if (found.unknownService !== undefined) throw found.unknownService;
      return found.endpoint;
    },
    connect: (endpoint) => {
      const connect = options.connect ?? connectLazily;
      return withAccess(connect, sourced, source, endpoint, false);
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
 * `others`. Skips tables that cannot be read, because that is no fault of this table.
 * Adds the key spaces to `known`.
 */
export async function findSharingTables(
  space: KeySpace,
  others: Iterable<string>,
  options: OpenOptions,
  known: KeySpaces,
): Promise<string[]> {
  const mail = quietMail(options);
  const quiet = { ...options, onWarning: () => {} };
  const sharing: string[] = [];
  for (const name of new Set(others)) {
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

/** The backup of a memcache table; `undefined` without one, or if it is unreadable. */
export async function findBackup(
  name: string,
  options: OpenOptions,
): Promise<string | undefined> {
  const quiet = { ...options, onWarning: () => {} };
  const found = await orUndefined(
    readMemcacheSource(name, quiet, quietMail(options)),
  );
  return found?.source.setting("backup")?.value;
}
