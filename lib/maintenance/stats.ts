import { requireKind } from "../arguments.ts";
import { MailSystem } from "../system/mail_system.ts";
import { ConfigError, TemporaryError } from "../errors.ts";
import { askServer, figuresOf } from "../memcached/server_report.ts";
import { formatEndpoint } from "../socket/endpoint.ts";
import { openOptionKinds } from "../tables/opening.ts";
import { requireOptions } from "../tables/options.ts";
import type { OpenOptions } from "../table.ts";
import { readMemcacheSource, typeOf } from "./memcache_source.ts";
import { readEach } from "./parameter_checks.ts";

/**
 * Statistics of a memcached; `memcache-table stats -j` prints them as a line of
 * JSON. Counters start when the server starts. They are for the whole server,
 * because memcached does not know which entry belongs to which table. A value is
 * `null` if the server does not report it.
 */
export interface ServerStats {
  /** The table's name as it was given. */
  readonly table: string;
  /** Its memcached: `inet:HOST:PORT`, `tls:HOST:PORT` or `unix:PATH`. */
  readonly server: string;
  /** The version of memcached. */
  readonly version: string | null;
  /** Seconds since it was started. */
  readonly uptime: number | null;
  /** Lookups that found something. */
  readonly hits: number | null;
  /** Lookups that found nothing. */
  readonly misses: number | null;
  /** The part of lookups that were hits, 0 to 1; `null` before the first lookup. */
  readonly hitRatio: number | null;
  /** Updates. */
  readonly sets: number | null;
  /** Number of entries now. */
  readonly items: number | null;
  /** Bytes that the entries take now. */
  readonly bytes: number | null;
  /** Bytes that the entries may take. */
  readonly limitBytes: number | null;
  /** Entries that were removed for lack of memory before they expired. */
  readonly evictions: number | null;
  /** Number of connections now, including the one for this request. */
  readonly connections: number | null;
  /** Number of connections that the server allows. */
  readonly maxConnections: number | null;
}

/** Options of {@linkcode readStats}. */
export type StatsOptions = Pick<
  OpenOptions,
  | "clock"
  | "configDirectory"
  | "connect"
  | "onWarning"
  | "readFile"
  | "signal"
  | "utf8"
>;

/**
 * Reads the statistics of a `memcache:` table's memcached, over a new connection.
 * Throws {@linkcode ConfigError} for other types and for an invalid configuration,
 * {@linkcode TemporaryError} if the server fails.
 *
 * @example
 * ```ts ignore
 * import { readStats } from "@postmaps/memcache-table/maintenance";
 *
 * const { hits, misses } = await readStats("memcache:/etc/postfix/aliases.cf");
 * console.log(`${hits} hits, ${misses} misses`);
 * ```
 *
 * @example Other tables have no statistics
 * ```ts
 * import { readStats } from "@postmaps/memcache-table/maintenance";
 * import { assertRejects } from "@std/assert";
 *
 * await assertRejects(() => readStats("inline:{a=b}"));
 * ```
 */
export async function readStats(
  name: string,
  options: StatsOptions = {},
): Promise<ServerStats> {
  return await (await statsReader(name, options))();
}

/** Reads the configuration. Returns a function that reads the statistics. */
export async function statsReader(
  name: string,
  options: StatsOptions,
): Promise<() => Promise<ServerStats>> {
  requireKind("readStats: name", name, "string");
  requireOptions("readStats", options, openOptionKinds);
  options.signal?.throwIfAborted();
  if (typeOf(name) !== "memcache") {
    const at = name.search(/memcache:./);
    const inner = at < 0 ? undefined : name.slice(at);
    throw new ConfigError(
      `${name} has no statistics: only a memcached keeps them, ` +
        (inner === undefined
          ? "so name a memcache: table, such as memcache:/path/file"
          : `so name ${inner} itself`),
    );
  }
  const onWarning = options.onWarning ?? ((line) => console.warn(line));
  const resolved = { ...options, onWarning };
  const mail = new MailSystem(resolved);
  const memcache = await readMemcacheSource(name, resolved, mail);
  const { usable, errors } = readEach(memcache.source);
  if (errors.length > 0) throw errors[0];
  const { clock, signal } = options;
  const endpoint = await memcache.endpoint();
  const server = {
    table: name,
    endpoint,
    connect: await memcache.connect(endpoint),
    timeout: usable.timeout * 1000,
    clock,
    signal,
  };
  return async () => {
    const lines = await askServer(server, (ask) => ask("stats"));
    const place = formatEndpoint(server.endpoint);
    if (lines.length === 0) {
      throw new TemporaryError(
        `${name}: memcached at ${place} has no statistics: is it a proxy?`,
      );
    }
    return { table: name, server: place, ...select(figuresOf(lines)) };
  };
}

function select(
  figures: ReadonlyMap<string, string>,
): Omit<ServerStats, "table" | "server"> {
  const number = (name: string) => {
    const figure = figures.get(name) ?? "";
    return /^\d+$/.test(figure) ? Number(figure) : null;
  };
  const hits = number("get_hits");
  const misses = number("get_misses");
  const lookups = (hits ?? 0) + (misses ?? 0);
  return {
    version: figures.get("version") ?? null,
    uptime: number("uptime"),
    hits,
    misses,
    hitRatio: hits === null || misses === null || lookups === 0
      ? null
      : hits / lookups,
    sets: number("cmd_set"),
    items: number("curr_items"),
    bytes: number("bytes"),
    limitBytes: number("limit_maxbytes"),
    evictions: number("evictions"),
    connections: number("curr_connections"),
    maxConnections: number("max_connections"),
  };
}
