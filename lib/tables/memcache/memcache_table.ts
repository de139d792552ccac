import { requireKind } from "../../arguments.ts";
import { MailSystem } from "../../system/mail_system.ts";
import { ConfigError } from "../../errors.ts";
import { requireRuntime } from "../../system/runtime.ts";
import type { TlsOptions } from "../../socket/socket.ts";
import type { OpenOptions, Table } from "../../table.ts";
import { DriverTable } from "../driver_table.ts";
import { FileValuesTable } from "../file_values_table.ts";
import { type FullDriver, LazyDriver } from "../lazy_driver.ts";
import {
  innerOptions,
  type Opening,
  openOptionKinds,
  rulesOf,
} from "../opening.ts";
import { type OptionKinds, requireOptions, requireTls } from "../options.ts";
import { openMemcacheDriver } from "./open_memcache.ts";
import { namedParameters, withOptions } from "./parameter_source.ts";
import {
  type AccessParameters,
  allParameterNames,
  type MemcacheParameters,
} from "./parameters.ts";

/** Parameters of a {@linkcode MemcacheTable}. */
export type MemcacheTableParameters =
  & Partial<MemcacheParameters & AccessParameters>
  & {
    /**
     * How the connection to a server `tls:HOST:PORT` is encrypted. It wins over the
     * parameters `tls_…`, and the option `tls` over both.
     */
    tls?: TlsOptions;
  };

/** Options of {@linkcode MemcacheTable}. */
export interface MemcacheTableOptions extends OpenOptions {
  /** Opens the tables that `backup` and `domain` name. Required if they name any. */
  openTable?: (name: string, options: OpenOptions) => Promise<Table>;
}

const optionKinds: OptionKinds<MemcacheTableOptions> = {
  ...openOptionKinds,
  openTable: "function",
};

const name = "memcache:{…}";

/** A memcache table from an object of parameters. */
export interface MemcacheTable extends Table {
  /**
   * Checks the parameters, and opens the tables that they name. Without it, the
   * first request does that. Does not connect to memcached. Throws
   * {@linkcode ConfigError}.
   */
  open(): Promise<this>;
}

/** The constructor of {@linkcode MemcacheTable}. */
export interface MemcacheTableConstructor {
  /**
   * Does no I/O. Throws a `TypeError` for an option that does not exist or is not of
   * its type, and
   * {@linkcode ConfigError} on a Node that is too old.
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
 * Parameters have the names of memcache_table(5). If one is wrong, `open` or the
 * first request throws a {@linkcode ConfigError}.
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
    requireRuntime();
    const caller = "MemcacheTable";
    requireKind(`${caller}: parameters`, parameters, "object");
    requireOptions(caller, options, optionKinds);
    if (parameters.tls !== undefined) requireTls(parameters.tls);
    const tls = (parameters.tls ?? options.tls) &&
      { ...parameters.tls, ...options.tls };
    const resolved = {
      ...options,
      tls,
      utf8: options.utf8 ?? true,
      onWarning: options.onWarning ?? ((line: string) => console.warn(line)),
    };
    const { tls: _, ...copied } = parameters;
    const rules = rulesOf(resolved);
    super(name, new LazyDriver(() => openDriver(copied, resolved)), rules);
    if (!options.fileValues) return;
    return new FileValuesTable(this, rules) as Table as DriverTable;
  }
};

// Async, so that an error rejects the first request.
async function openDriver(
  parameters: Omit<MemcacheTableParameters, "tls">,
  { openTable, ...options }: MemcacheTableOptions,
): Promise<FullDriver> {
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
    open: async (inner, given) => {
      if (openTable === undefined) {
        throw new ConfigError(
          `${name}: to open ${inner}, hand in { openTable }`,
        );
      }
      const table = await openTable(inner, innerOptions(given));
      return (table as Partial<FileValuesTable>).stored ?? table;
    },
  };
  const source = namedParameters(
    name,
    Object.entries(parameters).filter(([, value]) => value !== undefined),
    allParameterNames(),
  );
  return await openMemcacheDriver(opening, withOptions(source, options));
}
