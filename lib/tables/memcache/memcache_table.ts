import { MailSystem } from "../../system/mail_system.ts";
import type { MemcacheParameters } from "./parameters.ts";
import { ConfigError } from "../../errors.ts";
import { requireRuntime } from "../../system/runtime.ts";
import type {
  Deleted,
  Entry,
  Found,
  RequestOptions,
  Table,
  TableOptions,
  Updated,
} from "../../table.ts";
import { LazyIterator } from "../lazy_iterator.ts";
import { openMemcacheTable } from "./open_memcache.ts";
import { namedParameters } from "./parameter_source.ts";
import { type Opening, rulesOf, tableOptionNames } from "../opening.ts";
import { requireOptionNames } from "../option_names.ts";

/** Options of {@linkcode MemcacheTable}. */
export interface MemcacheTableOptions extends TableOptions {
  /** Opens the tables that `backup` and `domain` name, if they name any. */
  openTable?: (name: string, options: TableOptions) => Promise<Table>;
}

const optionNames: Readonly<Record<keyof MemcacheTableOptions, true>> = {
  ...tableOptionNames,
  openTable: true,
};

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
export class MemcacheTable implements Table {
  /** As in {@linkcode Table}. */
  readonly name = "memcache:{…}";
  /** As in {@linkcode Table}. */
  readonly writable: boolean;
  #parameters: Partial<MemcacheParameters>;
  #options: MemcacheTableOptions;
  #opening: Promise<Table> | undefined;

  /** Opens nothing yet. Throws a `TypeError` for an option that does not exist. */
  constructor(
    parameters: Partial<MemcacheParameters>,
    options: MemcacheTableOptions = {},
  ) {
    requireOptionNames(options, optionNames);
    this.#parameters = { ...parameters };
    this.#options = { ...options };
    this.writable = options.write ?? false;
  }

  /** Reads the parameters now, and opens what they name. Connects to nothing. */
  async open(): Promise<this> {
    await this.#table();
    return this;
  }

  /** As in {@linkcode Table}. */
  async lookup(
    key: string,
    options?: RequestOptions,
  ): Promise<string | undefined> {
    return await (await this.#table()).lookup(key, options);
  }

  /** As in {@linkcode Table}. */
  async update(
    key: string,
    value: string,
    options?: RequestOptions,
  ): Promise<boolean> {
    return await (await this.#table()).update(key, value, options);
  }

  /** As in {@linkcode Table}. */
  async delete(key: string, options?: RequestOptions): Promise<boolean> {
    return await (await this.#table()).delete(key, options);
  }

  /** As in {@linkcode Table}. */
  lookupMany(
    keys: Iterable<string> | AsyncIterable<string>,
    options?: RequestOptions,
  ): AsyncIterableIterator<Found> {
    return new LazyIterator(async () =>
      (await this.#table()).lookupMany(keys, options)
    );
  }

  /** As in {@linkcode Table}. */
  updateMany(
    entries: Iterable<Entry> | AsyncIterable<Entry>,
    options?: RequestOptions,
  ): AsyncIterableIterator<Updated> {
    return new LazyIterator(async () =>
      (await this.#table()).updateMany(entries, options)
    );
  }

  /** As in {@linkcode Table}. */
  deleteMany(
    keys: Iterable<string> | AsyncIterable<string>,
    options?: RequestOptions,
  ): AsyncIterableIterator<Deleted> {
    return new LazyIterator(async () =>
      (await this.#table()).deleteMany(keys, options)
    );
  }

  /** As in {@linkcode Table}. */
  async first(): Promise<Entry | undefined> {
    return await (await this.#table()).first();
  }

  /** As in {@linkcode Table}. */
  async next(): Promise<Entry | undefined> {
    return await (await this.#table()).next();
  }

  /** As in {@linkcode Table}. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Entry> {
    yield* await this.#table();
  }

  /** As in {@linkcode Table}. */
  async close(): Promise<void> {
    const table = await this.#opening?.catch(() => undefined);
    await table?.close();
  }

  /** As in {@linkcode Table}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #table(): Promise<Table> {
    return this.#opening ??= this.#openTable();
  }

  async #openTable(): Promise<Table> {
    requireRuntime();
    const { name } = this;
    const { openTable, ...options } = this.#options;
    const utf8 = options.utf8 ?? true;
    const onWarning = options.onWarning ?? ((line) => console.warn(line));
    const fileValues = options.fileValues
      ? (await import("../file_values_table.ts")).FileValuesTable
      : undefined;
    const given = { ...options, utf8, onWarning };
    const rules = rulesOf(given);
    const opening: Opening = {
      name,
      path: "{…}",
      options: given,
      rules,
      mail: new MailSystem({
        onWarning,
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
        return fileValues?.stored(table) ?? table;
      },
    };
    const source = namedParameters(
      name,
      Object.entries(this.#parameters)
        .filter(([, value]) => value !== undefined),
    );
    const table = await openMemcacheTable(opening, source);
    return fileValues === undefined
      ? table
      : new fileValues(table, { text: rules.text, onWarning });
  }
}
