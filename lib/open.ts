import { MailSystem } from "./system/mail_system.ts";
import { ConfigError } from "./errors.ts";
import { byteText, utf8Text } from "./bytes/text.ts";
import { requireRuntime } from "./system/runtime.ts";
import type { Table, TableOptions } from "./table.ts";
import {
  backupName,
  openMemcache,
  openMemcacheApart,
} from "./tables/memcache/open_memcache.ts";
import {
  type Opener,
  type Opening,
  rulesOf,
  tableOptionNames,
} from "./tables/opening.ts";

// The other types are loaded when one of their tables is opened: a command that
// asks a memcache table waits for nothing else.
const openers: Record<string, () => Opener | Promise<Opener>> = {
  memcache: () => openMemcache,
  kv: async () => (await import("./tables/kv/open_kv.ts")).openKvTable,
  proxy: async () => (await import("./tables/proxy/open_proxy.ts")).openProxy,
  inline: async () => (await import("./tables/inline.ts")).openInline,
  static: async () => (await import("./tables/static.ts")).openStatic,
  texthash: async () => (await import("./tables/texthash.ts")).openTexthash,
  fail: async () => (await import("./tables/fail.ts")).openFail,
};

/** The table types that {@linkcode openTable} knows. */
export const tableTypes: readonly string[] = /* @__PURE__ */ Object.keys(
  openers,
);

/**
 * Opens a table, `type:name`.
 *
 * Types: `memcache:` (memcache_table(5): a file, `memcache:/path/file`;
 * parameters of main.cf, `memcache:name`; or inline,
 * `memcache:{ name=value, … }`), `kv:` (Deno KV: `kv:PATH`,
 * `kv:PATH#NAMESPACE`, `kv:`), `proxy:` (proxymap(8)), `inline:`, `static:`,
 * `texthash:` and `fail:` (DATABASE_README of Postfix). Any other type is
 * opened by the `postmap` of the installed Postfix. Connects to nothing yet.
 *
 * Throws {@linkcode ConfigError} when a person must change something,
 * {@linkcode ReadOnlyError} when `write` is asked of a table that cannot be
 * written, and a `TypeError` for an option that does not exist.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { openTable } from "@postmaps/memcache-table";
 *
 * await using table = await openTable("inline:{alice=wonderland}");
 * assertEquals(await table.lookup("Alice"), "wonderland");
 * assertEquals(await table.lookup("bob"), undefined);
 * ```
 */
export async function openTable(
  name: string,
  options: TableOptions = {},
): Promise<Table> {
  if (typeof name !== "string") {
    throw new TypeError(`A table name must be a string: ${typeof name}`);
  }
  const isKnown = (option: string) => Object.hasOwn(tableOptionNames, option);
  if (!Object.keys(options).every(isKnown)) {
    const { requireOptionNames } = await import("./tables/option_names.ts");
    requireOptionNames(options, tableOptionNames);
  }
  requireRuntime();
  const { mail, given } = await prepare(options);
  const table = await openNamed(name, given, mail, []);
  if (!options.fileValues) return table;
  const { FileValuesTable } = await import("./tables/file_values_table.ts");
  const text = given.utf8 ? utf8Text : byteText;
  return new FileValuesTable(table, { text, onWarning: given.onWarning! });
}

/** A table whose cache, if it has one, is opened by itself. */
export interface Apart {
  /** What is in memcached alone; missing where the table is no memcache table. */
  readonly cache?: Table;
  /** What is behind it, or the table itself; missing where nothing is behind. */
  readonly backup?: Table;
}

/**
 * Opens a memcache table as two, and any other as it is. Of the two the cache may
 * be written, the backup where `write` says so. Each is closed by itself.
 */
export async function openApart(
  name: string,
  options: TableOptions,
): Promise<Apart> {
  const { mail, given } = await prepare(options);
  if (name.startsWith("memcache:")) {
    return await openMemcacheApart(openingOf(name, given, mail, []));
  }
  return { backup: await openNamed(name, given, mail, []) };
}

async function prepare(
  options: TableOptions,
): Promise<{ mail: MailSystem; given: TableOptions }> {
  options.signal?.throwIfAborted();
  const onWarning = options.onWarning ?? ((line) => console.warn(line));
  const mail = new MailSystem({ ...options, onWarning });
  const utf8 = options.utf8 ?? await mail.smtputf8();
  return { mail, given: { ...options, utf8, onWarning } };
}

async function openNamed(
  name: string,
  options: TableOptions,
  mail: MailSystem,
  outer: readonly string[],
): Promise<Table> {
  const opening = openingOf(name, options, mail, outer);
  const type = name.slice(0, name.indexOf(":"));
  if (Object.hasOwn(openers, type)) {
    const open = await openers[type]();
    return await open(opening);
  }
  const { openInstalled } = await import("./tables/postmap/open_postmap.ts");
  return await openInstalled(opening, type, tableTypes);
}

function openingOf(
  name: string,
  options: TableOptions,
  mail: MailSystem,
  outer: readonly string[],
): Opening {
  const colon = name.indexOf(":");
  const type = name.slice(0, Math.max(colon, 0));
  const path = name.slice(colon + 1);
  // kv: alone is the default database of the platform.
  if (type === "" || (path === "" && type !== "kv")) {
    throw new ConfigError(
      `need type:name to open a table instead of "${name}"`,
    );
  }
  if (outer.includes(name)) {
    throw new ConfigError(
      `${name} uses itself: ${[...outer, name].join(" → ")}`,
    );
  }
  return {
    name,
    path,
    options,
    rules: rulesOf(options),
    mail,
    outer,
    open: (inner, innerOptions) =>
      openNamed(inner, innerOptions, mail, [...outer, name]),
    backupOf: (other) =>
      backupName({
        name: other,
        path: other.slice(other.indexOf(":") + 1),
        options,
        rules: rulesOf(options),
        mail,
      }),
  };
}
