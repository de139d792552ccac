import {
  accessNames,
  type MemcacheParameters,
  type ParameterSource,
  readAccess,
  readParameters,
  shownValue,
} from "./parameters.ts";
import { systemClock } from "../../system/clock.ts";
import { ConfigError, reasonOf, shownText } from "../../errors.ts";
import type { EventListener } from "../../events.ts";
import type { ConnectionEvent } from "../../memcached/connection_event.ts";
import type { Digest } from "./key_digest.ts";
import { type KeyFormat, parseKeyFormat } from "./key_format.ts";
import { type KeyFilter, KeyRules } from "./key_rules.ts";
import { byteText, configByteString, utf8Text } from "../../bytes/text.ts";
import { MemcacheClient } from "../../memcached/client.ts";
import type { ReportingServer } from "../../memcached/server_report.ts";
import { connectLazily } from "../../socket/connect.ts";
import {
  formatEndpoint,
  parseServer,
  resolveService,
} from "../../socket/endpoint.ts";
import type { Connect, Endpoint } from "../../socket/socket.ts";
import type { Table } from "../../table.ts";
import {
  atParameter,
  findParameters,
  type ParameterContext,
} from "./parameter_source.ts";
import type { MemcacheParts } from "./cache.ts";
import { MemcacheDriver } from "./memcache_driver.ts";
import type { ListOwnKeys } from "./own_keys.ts";
import { type Opening, orConfigError, readText } from "../opening.ts";
import { DriverTable, refusalHandler } from "../driver_table.ts";
import type { FullDriver } from "../lazy_driver.ts";

/** Opens `memcache:` tables. */
export async function openMemcache(opening: Opening): Promise<DriverTable> {
  return await openMemcacheTable(opening, await findParameters(opening));
}

/**
 * The backup of a memcache table, as its configuration names it; `undefined` for
 * other types. It is `undefined` also where the configuration is invalid: opening
 * that table reports the error.
 */
export async function backupName(
  { name, path, options, rules, mail }: ParameterContext,
): Promise<string | undefined> {
  if (!name.startsWith("memcache:")) return undefined;
  const quiet = { ...rules, onWarning: () => {} };
  try {
    const source = await findParameters(
      { name, path, options, rules: quiet, mail },
    );
    return source.setting("backup")?.value;
  } catch (error) {
    if (error instanceof ConfigError) return undefined;
    throw error;
  }
}

/** Opens a memcache table whose parameters come from `source`. */
export async function openMemcacheTable(
  opening: Opening,
  source: ParameterSource,
): Promise<DriverTable> {
  const driver = await openMemcacheDriver(opening, source);
  return new DriverTable(opening.name, driver, opening.rules);
}

/** Opens the driver of a memcache table, and the tables that it names. */
export async function openMemcacheDriver(
  opening: Opening,
  source: ParameterSource,
): Promise<FullDriver> {
  const { name, options } = opening;
  const { parts, opened, onEvent } = await openParts(opening, source);
  const driver = new MemcacheDriver({ ...parts, owned: opened });
  if (onEvent === undefined) return driver;
  return await closingOnFailure(opened, async () => {
    const { ObservedDriver } = await import("./observed_driver.ts");
    const clock = options.clock ?? systemClock;
    return new ObservedDriver(driver, { table: name, onEvent, clock });
  });
}

/** The two parts of a memcache table; each is closed by itself. */
export interface MemcacheAndBackup {
  /** The parameters of the memcache table. */
  readonly parameters: MemcacheParameters;
  /**
   * The entries in memcached, without the backup; always writable. Keys are not
   * folded: they are used as the backup has them. A key that cannot be stored is a
   * refusal, and a detail instead of a warning.
   */
  readonly cache: Table;
  /** The backup, if there is one; writable with `write`. */
  readonly backup: Table | undefined;
  /** Lists the table's keys in memcached; absent where it cannot recognize them. */
  readonly listOwnKeys: ListOwnKeys | undefined;
}

/** Opens the cache and the backup of a memcache table as two tables. */
export async function openMemcacheAndBackup(
  opening: Opening,
): Promise<MemcacheAndBackup> {
  const { name, options, rules } = opening;
  const source = await findParameters(opening);
  const { parts, opened, server, format } = await openParts(
    opening,
    source,
    true,
  );
  const { parameters, backup } = parts;
  const { ownKeysOf } = await import("./own_keys.ts");
  const hasDigest = parameters.key_digest !== "";
  const listOwnKeys = ownKeysOf(server, {
    format,
    hasDigest,
    fold: rules.fold,
    text: rules.text,
  });
  const onDetail = (message: string) => options.onDetail?.(message);
  const driver = new MemcacheDriver({
    ...parts,
    backup: undefined,
    owned: opened.filter((table) => table !== backup),
    onWarning: onDetail,
    refuse: options.onRefusal ??
      refusalHandler(name, { ...rules, onWarning: onDetail }),
  });
  const cache = await closingOnFailure(
    opened,
    () => new DriverTable(name, driver, { ...rules, write: true, fold: false }),
  );
  return { parameters, cache, backup, listOwnKeys };
}

/** Runs `step`; closes the opened tables if it fails. */
async function closingOnFailure<T>(
  opened: readonly Table[],
  step: () => T | Promise<T>,
): Promise<T> {
  try {
    return await step();
  } catch (error) {
    for (const table of opened) await table.close();
    throw error;
  }
}

/**
 * Opens the parts of a memcache table. `opened` are the tables that it names: the
 * backup, and those of its domain list.
 */
async function openParts(
  opening: Opening,
  source: ParameterSource,
  skipsLongKeys = false,
): Promise<{
  parts: Omit<MemcacheParts, "owned">;
  opened: readonly Table[];
  onEvent: EventListener | undefined;
  server: ReportingServer;
  format: KeyFormat;
}> {
  const { name, options, rules } = opening;
  if (options.securitySensitive) {
    throw new ConfigError(
      `${name} cannot hold what decides over commands, files or users: ` +
        `whoever reaches the memcached could write it`,
    );
  }
  const parameters = readParameters(source);
  for (const [parameter, value] of Object.entries(parameters)) {
    options.onDetail?.(`${name}: ${parameter} = ${value}`);
  }
  const access = readAccess(source);
  for (const parameter of accessNames) {
    const shown = shownValue(parameter, access[parameter]);
    if (source.setting(parameter) !== undefined) {
      options.onDetail?.(`${name}: ${parameter} = ${shown}`);
    }
  }
  const found = await findEndpoint(opening, source, parameters);
  const server: ReportingServer = {
    table: name,
    endpoint: found.endpoint,
    connect: await withAccess(
      connectTo(opening, found, parameters.backup !== ""),
      opening,
      source,
      found.endpoint,
      parameters.backup !== "",
    ),
    timeout: parameters.timeout * 1000,
    clock: options.clock,
    signal: options.signal,
  };
  const format = readKeyFormat(opening, source, parameters);
  const digest = await readDigest(opening, source, parameters);
  const backup = parameters.backup === "" ? undefined : await atParameter(
    name,
    source,
    "backup",
    () => opening.open(parameters.backup, options),
  );
  const opened: Table[] = backup === undefined ? [] : [backup];
  const { exclude, knowDomains } = await closingOnFailure(
    opened,
    () =>
      atParameter(
        name,
        source,
        "domain",
        () => readDomains(opening, parameters, opened),
      ),
  );
  const { text } = rules;
  const keys = new KeyRules({ exclude, format, digest, text, skipsLongKeys });
  const onEvent = guardedListener(opening);
  const observe = observer(opening, found.endpoint, onEvent);
  const client = new MemcacheClient({
    ...server,
    maxTry: parameters.max_try,
    retryPause: parameters.retry_pause * 1000,
    lineSizeLimit: parameters.line_size_limit,
    dataSizeLimit: parameters.data_size_limit,
    loadMergeGets: async () =>
      (await import("../../memcached/merged_gets.ts")).mergeGets,
    connections: parameters.connections,
    loadMoreConnections: async () =>
      (await import("../../memcached/more_connections.ts")).MoreConnections,
    onDetail: options.onDetail,
    onWarning: rules.onWarning,
    observe,
  });
  const parts = {
    name,
    parameters,
    keys,
    knowDomains,
    client,
    backup,
    clock: options.clock ?? systemClock,
    onWarning: rules.onWarning,
    refuse: refusalHandler(name, rules),
    onDetail: options.onDetail,
    onRecovery: options.onRecovery,
    observe,
  };
  return { parts, opened, onEvent, server, format };
}

/**
 * Protects requests from the listener `onEvent`: it runs after the request, so it
 * may use the table, and an error that it throws becomes a warning.
 */
function guardedListener(
  { name, options: { onEvent }, rules }: Opening,
): EventListener | undefined {
  const notify: EventListener = (event) => {
    try {
      onEvent!(event);
    } catch (error) {
      rules.onWarning(`${name}: onEvent failed: ${reasonOf(error)}`);
    }
  };
  return onEvent && ((event) => queueMicrotask(() => notify(event)));
}

/** Reports connections to `onDetail` and `onEvent`; `undefined` without either. */
function observer(
  { name, options: { onDetail } }: Opening,
  endpoint: Endpoint,
  onEvent: EventListener | undefined,
): ((event: ConnectionEvent) => void) | undefined {
  if (onDetail === undefined && onEvent === undefined) return undefined;
  const place = formatEndpoint(endpoint);
  return (event) => {
    onEvent?.({ ...event, table: name, endpoint: place });
    if (event.kind === "connect") onDetail?.(`${name}: connected to ${place}`);
    else if (event.kind === "disconnect") {
      onDetail?.(`${name}: disconnected: ${event.reason}`);
    }
  };
}

function readKeyFormat(
  { name }: Opening,
  source: ParameterSource,
  { key_format }: MemcacheParameters,
): KeyFormat {
  return orConfigError(
    `${name}: ${source.written("key_format")}`,
    source.setting("key_format") ?? {},
    () => parseKeyFormat(configByteString(key_format), shownText(key_format)),
  );
}

/** The address of a server, and why it cannot be used, if so. */
export interface FoundEndpoint {
  /** The address; with port 0 where the port is unknown. */
  readonly endpoint: Endpoint;
  /** The error if its port is a service name that this machine does not know. */
  readonly unknownService?: ConfigError;
}

/** Finds the server of a table. Throws {@linkcode ConfigError}. */
export async function findEndpoint(
  { name, options }: Pick<Opening, "name" | "options">,
  source: ParameterSource,
  parameters: MemcacheParameters,
): Promise<FoundEndpoint> {
  const where = source.setting("memcache") ?? {};
  const what = `${name}: ${source.written("memcache")} = ${
    shownText(parameters.memcache)
  }`;
  const endpoint = orConfigError(
    what,
    where,
    () => parseServer(parameters.memcache),
  );
  if (!("service" in endpoint)) return { endpoint };
  const services = await readText(options, "/etc/services");
  try {
    return { endpoint: resolveService(endpoint, services) };
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    const message = `${what}: ${cause.message}`;
    const unknownService = new ConfigError(message, { ...where, cause });
    // inet:HOST, without a port.
    if (!/:.*:/.test(parameters.memcache)) throw unknownService;
    const { service: _, ...place } = endpoint;
    return { endpoint: { ...place, port: 0 }, unknownService };
  }
}

/**
 * What opens sockets to a server. As in Postfix, an unknown service name is a
 * configuration error only without a backup. With one, connecting fails and the
 * backup answers.
 */
function connectTo(
  { options }: Opening,
  { unknownService }: FoundEndpoint,
  hasBackup: boolean,
): Connect {
  if (unknownService === undefined) return options.connect ?? connectLazily;
  if (!hasBackup) throw unknownService;
  return () => Promise.reject(unknownService.cause);
}

/**
 * Adds the TLS and the log-in that the parameters and the options of a table ask for.
 * Throws {@linkcode ConfigError} where they cannot be used.
 */
export async function withAccess(
  connect: Connect,
  opening: Pick<Opening, "name" | "options">,
  source: ParameterSource,
  endpoint: Endpoint,
  hasBackup: boolean,
): Promise<Connect> {
  const access = readAccess(source);
  if (endpoint.transport === "tcp" && endpoint.tls !== undefined) {
    const { encrypting } = await import("./tls.ts");
    connect = await encrypting(connect, opening, source, access, hasBackup);
  } else if (opening.options.tls !== undefined) {
    throw new ConfigError(
      `${opening.name}: there is the option tls, and ` +
        `${source.written("memcache")} = ${formatEndpoint(endpoint)} is not ` +
        "encrypted: use tls:HOST:PORT",
      source.setting("memcache"),
    );
  }
  const { user, password, password_file } = access;
  if (user === "" && password === "" && password_file === "") return connect;
  const { loggingIn } = await import("./log_in.ts");
  return await loggingIn(connect, opening, source, access, hasBackup);
}

async function readDigest(
  { name }: Opening,
  source: ParameterSource,
  { key_digest }: MemcacheParameters,
): Promise<Digest | undefined> {
  if (key_digest === "") return undefined;
  const { loadDigest } = await import("./key_digest.ts");
  const digest = await loadDigest(key_digest).catch((error) => error);
  return orConfigError(
    `${name}: ${source.written("key_digest")}`,
    source.setting("key_digest") ?? {},
    () => {
      if (digest instanceof Error) throw digest;
      return digest;
    },
  );
}

/** Reads the domain list, if there is one. Adds its tables to `opened`. */
async function readDomains(
  { options, rules, mail, open }: Opening,
  { domain }: MemcacheParameters,
  opened: Table[],
): Promise<Pick<MemcacheParts, "knowDomains"> & { exclude?: KeyFilter }> {
  if (domain === "") return {};
  // As in Postfix, the list has the encoding of the mail system, even where the
  // table is opened without UTF-8.
  const utf8 = rules.text.utf8 || await mail.smtputf8();
  const { DomainList, domainsOfBatch, outsideOf } = await import(
    "./domain_list.ts"
  );
  const domains = await DomainList.read(domain, {
    text: utf8 ? utf8Text : byteText,
    readText: (path) => readText(options, path),
    onWarning: rules.onWarning,
    openTable: async (inner) => {
      const table = await open(inner, {
        ...options,
        utf8,
        write: false,
        fold: false,
        fileValues: false,
        daemonCache: false,
      });
      opened.push(table);
      return table;
    },
  });
  return { exclude: outsideOf(domains), knowDomains: domainsOfBatch(domains) };
}
