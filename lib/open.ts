import { isOfKind, kindOf, type OptionKind, requireKind } from "./arguments.ts";
import { MailSystem } from "./system/mail_system.ts";
import { ConfigError, shownText } from "./errors.ts";
import { isUtf8 } from "./bytes/text.ts";
import { requireRuntime } from "./system/runtime.ts";
import type { OpenOptions, Table } from "./table.ts";
import type { DriverTable } from "./tables/driver_table.ts";
import {
  backupName,
  openMemcache,
  openMemcacheAndBackup,
} from "./tables/memcache/open_memcache.ts";
import {
  deepestNest,
  innerOptions,
  type Opener,
  type Opening,
  openOptionKinds,
  rulesOf,
} from "./tables/opening.ts";

// Other types than memcache are loaded on demand: a command that looks up a key
// in a memcache table must start fast.
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
 * `kv:https://HOST/PATH`, each with `#NAMESPACE`; `kv:`), `proxy:` (proxymap(8)), `inline:`, `static:`,
 * `texthash:` and `fail:` (DATABASE_README of Postfix). Any other type is
 * opened by the `postmap` of the installed Postfix. The first request connects
 * to the server, not `openTable`.
 *
 * Throws {@linkcode ConfigError} when the name or the configuration is wrong,
 * {@linkcode ReadOnlyError} when `write` is set and the table cannot be written,
 * and a `TypeError` for an option that does not exist, or is not of its type.
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

/** What the command line has for its tables, besides options. */
export interface SharedOpening {
  /** The main.cf: tables that share it read it once, and warn of it once. */
  readonly mail?: MailSystem;
  /** As in {@linkcode Opening}. */
  readonly onNotUtf8?: () => void;
  /**
   * What is written will only be shown: with `write`, a table is opened for reading,
   * but need not exist yet.
   */
  readonly dryRun?: boolean;
}

/**
 * Opens a table as {@linkcode openTable} does, but with `fileValues` its values
 * are the stored base64, not decoded.
 */
export async function openStored(
  name: string,
  options: OpenOptions,
  shared: SharedOpening = {},
): Promise<DriverTable> {
  const caller = "openTable";
  requireKind(`${caller}: name`, name, "string");
  if (mayBeWrong(options)) {
    const { requireOptions } = await import("./tables/options.ts");
    requireOptions(caller, options, openOptionKinds);
  }
  requireRuntime();
  const { mail, resolved } = await prepare(options, shared.mail);
  return await openNamed(name, resolved, mail, {
    outer: [],
    count: { tables: 0 },
    onNotUtf8: shared.onNotUtf8,
    dryRun: shared.dryRun,
  });
}

/** Whether options need a closer look, for which code is loaded. */
function mayBeWrong(options: OpenOptions): boolean {
  if (kindOf(options) !== "object") return true;
  if (options.tls !== undefined || options.signal !== undefined) return true;
  const kinds: Readonly<Record<string, OptionKind>> = openOptionKinds;
  return Object.entries(options).some(([name, value]) =>
    value !== undefined &&
    !(Object.hasOwn(kinds, name) && isOfKind(value, kinds[name]))
  );
}

/** A table as two tables, each of which is closed by itself. */
export interface CacheAndBackup {
  /** The memcached part; absent unless it is a memcache table. */
  readonly cache?: Table;
  /** The backup of a memcache table, if any; of another type, the table itself. */
  readonly backup?: Table;
  /** Lists the table's keys in memcached; absent where it cannot recognize them. */
  readonly listOwnKeys?: (
    onKeys: (keys: readonly string[]) => Promise<void>,
  ) => Promise<void>;
}

/**
 * Opens the cache and the backup of a memcache table, or a table of another type
 * as the backup. The cache is writable, the backup only with `write`.
 */
export async function openCacheAndBackup(
  name: string,
  options: OpenOptions,
  { dryRun }: Pick<SharedOpening, "dryRun"> = {},
): Promise<CacheAndBackup> {
  const { mail, resolved } = await prepare(options);
  const nesting: Nesting = { outer: [], count: { tables: 0 }, dryRun };
  if (name.startsWith("memcache:")) {
    return await openMemcacheAndBackup(
      openingOf(name, resolved, mail, nesting),
    );
  }
  return { backup: await openNamed(name, resolved, mail, nesting) };
}

async function prepare(
  options: OpenOptions,
  shared?: MailSystem,
): Promise<{ mail: MailSystem; resolved: OpenOptions }> {
  options.signal?.throwIfAborted();
  const onWarning = options.onWarning ?? ((line) => console.warn(line));
  const mail = shared ?? new MailSystem({ ...options, onWarning });
  const utf8 = options.utf8 ?? await mail.smtputf8();
  return { mail, resolved: { ...options, utf8, onWarning } };
}

/** The place of a table among those that are opened together. */
interface Nesting {
  /** The tables that contain it, the outermost first. */
  readonly outer: readonly string[];
  /** How many tables were opened together so far. */
  readonly count: { tables: number };
  /** As in {@linkcode Opening}. */
  readonly onNotUtf8?: () => void;
  /** As in {@linkcode SharedOpening}. */
  readonly dryRun?: boolean;
}

// With 20 levels and two tables in each, there would be a million tables.
const maxTables = 1000;

// Types whose table names may have any bytes. The others pass the name to an
// interface that takes only UTF-8.
const typesWithByteNames = [
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
  nesting: Nesting,
): Promise<DriverTable> {
  const opening = openingOf(name, options, mail, nesting);
  const type = name.slice(0, name.indexOf(":"));
  if (!isUtf8(name) && !typesWithByteNames.includes(type)) {
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
  nesting: Nesting,
): Opening {
  const { outer, count, onNotUtf8, dryRun } = nesting;
  const colon = name.indexOf(":");
  const type = name.slice(0, Math.max(colon, 0));
  const path = name.slice(colon + 1);
  // "kv:" without a path is the platform's default database.
  if (type === "" || (path === "" && type !== "kv")) {
    // A file of parameters is what is given most often.
    const file = /^[./]/.test(name) ? name : `./${name}`;
    const hint = type === "" && name !== ""
      ? `: did you mean memcache:${file}?`
      : "";
    throw new ConfigError(
      `need type:name to open a table instead of "${shownText(name)}"` +
        shownText(hint),
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
  if (++count.tables > maxTables) {
    throw new ConfigError(
      `${shownText(outer[0])} names more than ${maxTables} tables`,
    );
  }
  return {
    name,
    path,
    options,
    rules: rulesOf(dryRun ? { ...options, write: false } : options),
    mail,
    outer,
    onNotUtf8,
    open: (inner, given) =>
      openNamed(inner, innerOptions(given), mail, {
        outer: [...outer, name],
        count,
        onNotUtf8,
        dryRun,
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
