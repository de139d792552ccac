import { MailSystem } from "../../system/mail_system.ts";
import { ConfigError } from "../../errors.ts";
import { requireRuntime } from "../../system/runtime.ts";
import { connectLazily } from "../../socket/connect.ts";
import { formatEndpoint } from "../../socket/endpoint.ts";
import type { Connect, TlsOptions } from "../../socket/socket.ts";
import type { OpenOptions, Table } from "../../table.ts";
import { DriverTable } from "../driver_table.ts";
import { FileValuesTable } from "../file_values_table.ts";
import { type FullDriver, LazyDriver } from "../lazy_driver.ts";
import { type Opening, openOptionNames, rulesOf } from "../opening.ts";
import { requireOptionNames } from "../option_names.ts";
import { openMemcacheDriver } from "./open_memcache.ts";
import { namedParameters } from "./parameter_source.ts";
import {
  type AccessParameters,
  allParameterNames,
  type MemcacheParameters,
} from "./parameters.ts";

/** Parameters of a {@linkcode MemcacheTable}. */
export type MemcacheTableParameters =
  & Partial<MemcacheParameters & AccessParameters>
  & {
    /** How the connection to a server `tls:HOST:PORT` is encrypted. */
    tls?: TlsOptions;
  };

/** Options of {@linkcode MemcacheTable}. */
export interface MemcacheTableOptions extends OpenOptions {
  /** Opens the tables that `backup` and `domain` name, if they name any. */
  openTable?: (name: string, options: OpenOptions) => Promise<Table>;
}

const optionNames: Readonly<Record<keyof MemcacheTableOptions, true>> = {
  ...openOptionNames,
  openTable: true,
};

const name = "memcache:{…}";

/** A memcache table that was made from an object of parameters. */
export interface MemcacheTable extends Table {
  /**
   * Reads the parameters now, and opens what they name; without it the first
   * request does that. Connects to nothing. Throws {@linkcode ConfigError}.
   */
  open(): Promise<this>;
}

/** Makes a {@linkcode MemcacheTable}. */
export interface MemcacheTableConstructor {
  /**
   * Opens nothing yet. Throws a `TypeError` for an option that does not exist.
   */
  new (
    parameters: MemcacheTableParameters,
    options?: MemcacheTableOptions,
  ): MemcacheTable;
}

/**
 * A memcache table from an object of parameters, with no file and no main.cf,
 * as the edge needs it. `openTable("memcache:…")` opens one from a
 * configuration file instead.
 *
 * Parameters have the names of memcache_table(5). What is wrong with them, a
 * {@linkcode ConfigError}, shows at the first request, or when `open` is
 * called.
 *
 * Implements memcache_table(5).
 *
 * @example
 * ```ts
 * import { MemcacheTable, openTable } from "@postmaps/memcache-table";
 *
 * await using table = new MemcacheTable(
 *   { memcache: "inet:10.0.0.7:11211", key_format: "aliases:%s", backup: "static:nobody" },
 *   { openTable },
 * );
 * console.log(table.name);
 * ```
 */
export const MemcacheTable: MemcacheTableConstructor = class
  extends DriverTable {
  /** As in {@linkcode MemcacheTableConstructor}. */
  constructor(
    parameters: MemcacheTableParameters,
    options: MemcacheTableOptions = {},
  ) {
    requireOptionNames(options, optionNames);
    const given = {
      ...options,
      utf8: options.utf8 ?? true,
      onWarning: options.onWarning ?? ((line: string) => console.warn(line)),
    };
    const own = { ...parameters };
    const rules = rulesOf(given);
    super(name, new LazyDriver(() => openDriver(own, given)), rules);
    if (!options.fileValues) return;
    return new FileValuesTable(this, rules) as Table as DriverTable;
  }
};

/** A `connect` that encrypts so; never one that does not encrypt. */
function withTls(tls: TlsOptions, connect: Connect): Connect {
  return async (endpoint, options) => {
    if (!("port" in endpoint) || endpoint.tls === undefined) {
      throw new ConfigError(
        `${name}: there are tls options, and memcache = ` +
          `${formatEndpoint(endpoint)} is not encrypted: use tls:HOST:PORT`,
      );
    }
    const encrypted = { ...endpoint, tls: { ...endpoint.tls, ...tls } };
    return await connect(encrypted, options);
  };
}

// Async, so that what is wrong is a rejection of the first request.
async function openDriver(
  { tls, ...parameters }: MemcacheTableParameters,
  { openTable, ...given }: MemcacheTableOptions,
): Promise<FullDriver> {
  requireRuntime();
  const options = tls === undefined
    ? given
    : { ...given, connect: withTls(tls, given.connect ?? connectLazily) };
  options.signal?.throwIfAborted();
  const opening: Opening = {
    name,
    path: "{…}",
    options,
    rules: rulesOf(options),
    mail: new MailSystem({
      onWarning: options.onWarning!,
      readFile: () => Promise.reject(new ConfigError("no main.cf")),
    }),
    outer: [],
    backupOf: () => Promise.resolve(undefined),
    open: async (inner, innerOptions) => {
      if (openTable === undefined) {
        throw new ConfigError(
          `${name}: to open ${inner}, hand in { openTable }`,
        );
      }
      const table = await openTable(inner, innerOptions);
      return (table as Partial<FileValuesTable>).stored ?? table;
    },
  };
  const source = namedParameters(
    name,
    Object.entries(parameters).filter(([, value]) => value !== undefined),
    allParameterNames(),
  );
  return await openMemcacheDriver(opening, source);
}
