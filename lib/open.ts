import { MailSystem } from "./system/mail_system.ts";
import { ConfigError, shownText } from "./errors.ts";
import { isUtf8 } from "./bytes/text.ts";
import { requireRuntime } from "./system/runtime.ts";
import type { OpenOptions, Table } from "./table.ts";
import type { DriverTable } from "./tables/driver_table.ts";
import {
  backupName,
  openMemcache,
  openMemcacheApart,
} from "./tables/memcache/open_memcache.ts";
import {
  deepestNest,
  type Opener,
  type Opening,
  openOptionNames,
  rulesOf,
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
  options: OpenOptions = {},
): Promise<Table> {
  const table = await openStored(name, options);
  if (!options.fileValues) return table;
  const { FileValuesTable } = await import("./tables/file_values_table.ts");
  const { text, onWarning } = table.rules;
  return new FileValuesTable(table, { text, onWarning });
}

/**
 * Opens a table as {@linkcode openTable} does, and leaves the base64 of
 * `fileValues` as it is stored.
 */
export async function openStored(
  name: string,
  options: OpenOptions,
): Promise<DriverTable> {
  if (typeof name !== "string") {
    throw new TypeError(`A table name must be a string: ${typeof name}`);
  }
  const isKnown = (option: string) => Object.hasOwn(openOptionNames, option);
  if (!Object.keys(options).every(isKnown)) {
    const { requireOptionNames } = await import("./tables/option_names.ts");
    requireOptionNames(options, openOptionNames);
  }
  requireRuntime();
  const { mail, given } = await prepare(options);
  return await openNamed(name, given, mail, {
    outer: [],
    count: { tables: 0 },
  });
}

/** A table whose cache, if it has one, is opened by itself. */
export interface Apart {
  /** What is in memcached alone; missing where the table is no memcache table. */
  readonly cache?: Table;
  /** What is behind it, or the table itself; missing where nothing is behind. */
  readonly backup?: Table;
  /** Lists what memcached has of a memcache table, where that can be known. */
  readonly listOwnKeys?: (
    onKeys: (keys: readonly string[]) => Promise<void>,
  ) => Promise<void>;
}

/**
 * Opens a memcache table as two, and any other as it is. Of the two the cache may
 * be written, the backup where `write` says so. Each is closed by itself.
 */
export async function openApart(
  name: string,
  options: OpenOptions,
): Promise<Apart> {
  const { mail, given } = await prepare(options);
  const nest: Nest = { outer: [], count: { tables: 0 } };
  if (name.startsWith("memcache:")) {
    return await openMemcacheApart(openingOf(name, given, mail, nest));
  }
  return { backup: await openNamed(name, given, mail, nest) };
}

async function prepare(
  options: OpenOptions,
): Promise<{ mail: MailSystem; given: OpenOptions }> {
  options.signal?.throwIfAborted();
  const onWarning = options.onWarning ?? ((line) => console.warn(line));
  const mail = new MailSystem({ ...options, onWarning });
  const utf8 = options.utf8 ?? await mail.smtputf8();
  return { mail, given: { ...options, utf8, onWarning } };
}

/** Where a table stands among those that are opened with it. */
interface Nest {
  /** The tables that name it, the outermost first. */
  readonly outer: readonly string[];
  /** How many there are by now, in all. */
  readonly count: { tables: number };
}

// If each of twenty nested tables named two, there would be a million.
const mostTables = 1000;

// The types whose names may have any bytes. Those of the others go through
// interfaces that take UTF-8 alone.
const ofAnyBytes = [
  "memcache",
  "texthash",
  "inline",
  "static",
  "fail",
  "proxy",
];

async function openNamed(
  name: string,
  options: OpenOptions,
  mail: MailSystem,
  nest: Nest,
): Promise<DriverTable> {
  const opening = openingOf(name, options, mail, nest);
  const type = name.slice(0, name.indexOf(":"));
  if (!isUtf8(name) && !ofAnyBytes.includes(type)) {
    throw new ConfigError(
      `${shownText(name)}: a table of this type must have a name in UTF-8`,
    );
  }
  if (Object.hasOwn(openers, type)) {
    const open = await openers[type]();
    return await open(opening);
  }
  const { openInstalled } = await import("./tables/postmap/open_postmap.ts");
  return await openInstalled(opening, type, tableTypes);
}

function openingOf(
  name: string,
  options: OpenOptions,
  mail: MailSystem,
  nest: Nest,
): Opening {
  const { outer, count } = nest;
  const colon = name.indexOf(":");
  const type = name.slice(0, Math.max(colon, 0));
  const path = name.slice(colon + 1);
  // kv: alone is the default database of the platform.
  if (type === "" || (path === "" && type !== "kv")) {
    throw new ConfigError(
      `need type:name to open a table instead of "${shownText(name)}"`,
    );
  }
  if (outer.includes(name)) {
    const circle = [...outer.slice(outer.indexOf(name)), name].map(shownText);
    throw new ConfigError(
      `${shownText(name)} uses itself: ${circle.join(" → ")}`,
    );
  }
  if (outer.length >= deepestNest) {
    throw new ConfigError(
      `${shownText(name)}: it is behind ${deepestNest} other tables, ` +
        "each of which names the next: that is too deep",
    );
  }
  if (++count.tables > mostTables) {
    throw new ConfigError(
      `${shownText(outer[0])} names more than ${mostTables} tables`,
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
      openNamed(inner, innerOptions, mail, {
        outer: [...outer, name],
        count,
      }),
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
