import { isByteWarning } from "../config/logical_lines.ts";
import { systemClock } from "../system/clock.ts";
import { MailSystem } from "../system/mail_system.ts";
import type { MemcacheParameters } from "../tables/memcache/parameters.ts";
import {
  ConfigError,
  NoAnswerError,
  ReadOnlyError,
  TemporaryError,
} from "../errors.ts";
import {
  answersBinary,
  askServer,
  figuresOf,
  type ReportingServer,
} from "../memcached/server_report.ts";
import { openTable } from "../open.ts";
import { formatEndpoint } from "../socket/endpoint.ts";
import { innerOptions, openOptionNames } from "../tables/opening.ts";
import { requireOptionNames } from "../tables/option_names.ts";
import type { Entry, OpenOptions, Table } from "../table.ts";
import { deepestNest } from "../tables/opening.ts";
import { inspectKv } from "../tables/kv/inspect_kv.ts";
import {
  findSharingTables,
  type KeySpaces,
  type MemcacheSource,
  readMemcacheSource,
  typeOf,
} from "./memcache_source.ts";
import { accessProblems } from "./access_checks.ts";
import {
  type CheckedParameter,
  keySpaceOf,
  type Problem,
  problem,
  readEach,
  unknownNames,
  valueProblems,
} from "./parameter_checks.ts";

/** Whether an action is possible on a table. */
export interface Ability {
  /** Whether it is possible. */
  readonly possible: boolean;
  /** Why not, or what to know about it. */
  readonly remark?: string;
}

/** The memcached of a table. */
export interface CheckedServer {
  /** Its address: `inet:HOST:PORT` or `unix:PATH`. */
  readonly endpoint: string;
  /** Whether it answers. */
  readonly answers: boolean;
  /** Its version; `null` if it does not report one. */
  readonly version: string | null;
  /** Milliseconds from a request to its reply, on an open connection. */
  readonly roundTrip: number | null;
  /** The longest entry that it stores, in bytes; `null` if it does not report it. */
  readonly itemSizeMax: number | null;
}

/**
 * The result of {@linkcode checkTable}. `memcache-table check -j` prints it as a
 * line of JSON:
 *
 * ```json
 * { "table": "memcache:/etc/postfix/aliases.cf", "type": "memcache",
 *   "good": false,
 *   "problems": [{ "severity": "error", "message": "…", "file": "…", "line": 3 }],
 *   "parameters": [{ "name": "ttl", "written": "ttl", "value": 60,
 *     "default": false, "file": "…", "line": 2 }],
 *   "server": { "endpoint": "inet:localhost:11211", "answers": true,
 *     "version": "1.6.18", "roundTrip": 0.1, "itemSizeMax": 1048576 },
 *   "lookup": { "possible": true },
 *   "write": { "possible": true },
 *   "sequence": { "possible": false, "remark": "it has no backup" },
 *   "backup": { "table": "hash:/etc/postfix/aliases", … } }
 * ```
 *
 * Only a `memcache:` table has `parameters`, `server` and `backup`, as far as its
 * configuration can be read.
 */
export interface TableCheck {
  /** The table's name as it was given. */
  readonly table: string;
  /** Its type; empty if the name has none. */
  readonly type: string;
  /** Whether neither the table nor its backup has an error. */
  readonly good: boolean;
  /** The database does not exist yet; the first write creates it. */
  readonly missing?: true;
  /** What should be looked at, in the order in which it was found. */
  readonly problems: readonly Problem[];
  /** The parameters as the table reads them. */
  readonly parameters?: readonly CheckedParameter[];
  /** The memcached. */
  readonly server?: CheckedServer;
  /** Whether keys can be looked up. */
  readonly lookup: Ability;
  /** Whether it can be opened for updates and deletes. */
  readonly write: Ability;
  /** Whether its entries can be listed. */
  readonly sequence: Ability;
  /** The result for the backup. */
  readonly backup?: TableCheck;
}

/** Options of {@linkcode checkTable}. There is no `onWarning`: see `problems`. */
export interface CheckOptions
  extends Omit<OpenOptions, "write" | "onWarning" | "duplicates"> {
  /**
   * Names of other tables in use, besides those in main.cf. The check finds those
   * whose entries can be mixed up with entries of this table.
   *
   * @default {[]}
   */
  others?: readonly string[];
}

// A key that no table has: no mail system can have such an address.
const probe = "memcache-table-check@example.invalid";

/**
 * Checks whether a table works. Faults of the table are returned, not thrown.
 * Writes nothing, neither to memcached nor to the backup, and creates no database.
 *
 * For every table, it looks a key up and reads the first entry. It does not read
 * the first entry through `proxy:` if the type may not support that, because
 * Postfix's proxymap would exit. If other clients list the table through the same
 * proxymap, their listing starts again.
 *
 * For a `memcache:` table, it also reads the configuration, asks memcached for its
 * version, and checks the backup in the same way. It reports other tables whose
 * entries can be mixed up with those of this one: they use the same server, their
 * memcache keys begin and end with the same fixed text, and the two are not filled
 * from the same backup.
 *
 * Throws a `TypeError` for an option that does not exist, and the reason of
 * `signal` if that is aborted.
 *
 * Checks configurations against memcache_table(5).
 *
 * @example
 * ```ts
 * import { checkTable } from "@postmaps/memcache-table/maintenance";
 * import { assertEquals } from "@std/assert";
 *
 * const { good, problems } = await checkTable("memcache:{ ttl=soon }");
 * assertEquals(good, false);
 * assertEquals(problems[0].message, "ttl = soon: need a whole number without a unit");
 * ```
 */
export async function checkTable(
  name: string,
  options: CheckOptions = {},
): Promise<TableCheck> {
  if (typeof name !== "string") {
    throw new TypeError(`A table name must be a string: ${typeof name}`);
  }
  requireOptionNames(options, { ...openOptionNames, others: true });
  options.signal?.throwIfAborted();
  const checked = await check(name, options, { outer: [], spaces: new Map() });
  options.signal?.throwIfAborted();
  return printableText(checked);
}

/**
 * Copies a value, with U+FFFD for each byte that is not UTF-8, because many JSON
 * parsers reject lone surrogates.
 */
function printableText<T>(value: T): T {
  if (typeof value === "string") return value.toWellFormed() as T;
  if (Array.isArray(value)) return value.map(printableText) as T;
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value);
  return Object.fromEntries(
    entries.map(([name, inner]) => [name, printableText(inner)]),
  ) as T;
}

/** Collects problems, each only once. */
class Findings {
  readonly problems: Problem[] = [];
  #messages = new Set<string>();

  add = (found: Problem): void => {
    if (this.#messages.has(found.message)) return;
    this.#messages.add(found.message);
    this.problems.push(found);
  };

  warn = (message: string): void => {
    if (!isByteWarning(message)) {
      this.add({ severity: "warning", message });
      return;
    }
    const [, file, line] = /^(.*), line (\d+): /s.exec(message) ?? [];
    const place = file === undefined ? {} : { file, line: Number(line) };
    this.add({ severity: "error", message, ...place });
  };

  /** Adds an error of the table. Throws any other error. */
  fail(error: unknown): void {
    this.add({ severity: "error", ...describe(error) });
  }

  /** Returns the result, or `undefined` after adding an error of the table. */
  async attempt<T>(work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      this.fail(error);
      return undefined;
    }
  }

  get areGood(): boolean {
    return !this.problems.some(({ severity }) => severity === "error");
  }
}

function describe(
  error: unknown,
): { message: string; file?: string; line?: number } {
  if (error instanceof ConfigError) {
    const { message, file, line } = error;
    return {
      message,
      ...(file !== undefined && { file }),
      ...(line !== undefined && { line }),
    };
  }
  if (error instanceof TemporaryError || error instanceof ReadOnlyError) {
    return { message: error.message };
  }
  throw error;
}

/** What the check of a backup gets from the check of the table that names it. */
interface CheckContext {
  /** The tables that name it, the outermost first. */
  readonly outer: readonly string[];
  /** The key spaces of the tables in main.cf. */
  readonly spaces: KeySpaces;
}

async function check(
  name: string,
  options: CheckOptions,
  context: CheckContext,
): Promise<TableCheck> {
  const findings = new Findings();
  const { others: _, ...tableOptions } = options;
  const quiet: OpenOptions = { ...tableOptions, onWarning: findings.warn };
  const type = typeOf(name);
  if (type === "memcache") {
    return await checkMemcache(name, quiet, options, findings, context);
  }
  const table = await findings.attempt(() => openTable(name, quiet));
  const abilities = table === undefined
    ? notOpen
    : await tryTable(table, quiet, findings);
  const { problems, areGood } = findings;
  return { table: name, type, good: areGood, problems, ...abilities };
}

type Abilities = Pick<TableCheck, "lookup" | "write" | "sequence">;

const closed: Ability = { possible: false, remark: "it cannot be opened" };
const notOpen: Abilities = { lookup: closed, write: closed, sequence: closed };

/** Tries lookups, listing and opening for writes. Closes the table. */
async function tryTable(
  table: Table,
  options: OpenOptions,
  findings: Findings,
): Promise<Abilities & { missing?: true }> {
  const { name } = table;
  try {
    const untried = await tryDatabase(name, options, findings) ??
      explainUntestable(name);
    if (untried !== undefined) return untried;
    const found = await findings.attempt(async () => {
      await table.lookup(probeKey(name));
      return true;
    });
    // In parallel, because postmap waits a second before it reports a failure. The
    // table is opened for writes only if it exists: otherwise that may create it.
    const [sequence, write] = await Promise.all([
      // If the database is locked, this would wait for the lock once more.
      !found && typeOf(name) === "kv"
        ? failed
        : isSafeToList(name)
        ? tryFirst(table)
        : notTried,
      found ? tryWrite(name, options) : failed,
    ]);
    return { lookup: found ? { possible: true } : failed, write, sequence };
  } finally {
    await table.close();
  }
}

const failed: Ability = { possible: false, remark: "its lookups fail" };

const notTried: Ability = {
  possible: false,
  remark: "not tried: where a type cannot be listed, Postfix's proxymap ends " +
    "when it is asked to, and that would hold up mail",
};

/** Whether reading the first entry does no harm. */
function isSafeToList(name: string): boolean {
  return !name.startsWith("proxy:") ||
    /^proxy:(?:hash|btree|lmdb|dbm|sdbm|texthash|inline):/.test(name);
}

/** The result for a table in which every lookup may store something. */
function explainUntestable(name: string): Abilities | undefined {
  if (!/^proxy:(?!memcache:).*memcache:/.test(name)) return undefined;
  const remark = "not tried: a lookup there might store what it finds";
  const untried: Ability = { possible: false, remark };
  return { lookup: untried, write: untried, sequence: untried };
}

// A memcache table behind another table may find any key in its backup, and would
// store it in memcached. It does not look up an empty key.
function probeKey(name: string): string {
  return name.includes("memcache:") ? "" : probe;
}

/** The result for a `kv:` table that must not be opened, because that creates it. */
async function tryDatabase(
  name: string,
  options: OpenOptions,
  findings: Findings,
): Promise<Abilities & { missing?: true } | undefined> {
  if (typeOf(name) !== "kv") return undefined;
  const seen = await inspectKv(name.slice("kv:".length), options);
  if (seen.kind === "untold") {
    // Only the runtime knows where the default database is.
    const remark = "not tried: asking for the default database may create it";
    const untried: Ability = { possible: true, remark };
    return { lookup: untried, write: { possible: true }, sequence: untried };
  }
  if (seen.kind === "database") {
    if (seen.doubt !== undefined) findings.warn(`${name}: ${seen.doubt}`);
    return undefined;
  }
  const { notWritten } = seen;
  if (notWritten !== undefined) {
    findings.fail(new ConfigError(`${name}: ${notWritten}`));
  }
  return {
    lookup: {
      possible: true,
      remark: "not there yet: it is created when it is first written",
    },
    write: notWritten === undefined
      ? { possible: true }
      : { possible: false, remark: notWritten },
    sequence: { possible: true, remark: "it has no entries" },
    missing: true,
  };
}

async function tryFirst(table: Table): Promise<Ability> {
  let first: Entry | undefined;
  try {
    first = await table.first();
  } catch (error) {
    return { possible: false, remark: describe(error).message };
  }
  return first === undefined
    ? { possible: true, remark: "it has no entries" }
    : { possible: true };
}

async function tryWrite(name: string, options: OpenOptions): Promise<Ability> {
  // It can be opened for writes, but then refuses them.
  if (typeOf(name) === "static") {
    return { possible: false, remark: `${name} is read-only` };
  }
  if (typeOf(name) === "kv") {
    const path = name.slice("kv:".length);
    const { notWritten } = await inspectKv(path, options);
    if (notWritten !== undefined) {
      return { possible: false, remark: notWritten };
    }
  }
  try {
    const table = await openTable(name, { ...options, write: true });
    try {
      // Postfix says only at the first request whether writing is allowed.
      if (name.startsWith("proxy:")) await table.lookup(probeKey(name));
    } finally {
      await table.close();
    }
    return { possible: true };
  } catch (error) {
    return { possible: false, remark: describe(error).message };
  }
}

async function checkMemcache(
  name: string,
  quiet: OpenOptions,
  options: CheckOptions,
  findings: Findings,
  { outer, spaces }: CheckContext,
): Promise<TableCheck> {
  const opened = await findings.attempt(async () => {
    const table = await openTable(name, quiet);
    await table.close();
    return true;
  });
  const mail = new MailSystem({ ...quiet, onWarning: findings.warn });
  const memcache = await findings.attempt(() =>
    readMemcacheSource(name, quiet, mail)
  );
  if (memcache === undefined) {
    const { problems } = findings;
    return { table: name, type: "memcache", good: false, problems, ...notOpen };
  }
  const { source } = memcache;
  const { list, usable, errors } = readEach(source);
  for (const error of errors) findings.fail(error);
  for (const found of await unknownNames(source)) findings.add(found);
  const now = Date.now() / 1000;
  for (const found of await valueProblems(source, usable, now)) {
    findings.add(found);
  }
  const server = await checkServer(name, memcache, usable, quiet, findings);
  if (server !== undefined) {
    const space = keySpaceOf(name, server.endpoint, usable);
    const others = options.others ?? [];
    const sharing = space === undefined
      ? []
      : await findSharingTables(space, others, quiet, spaces);
    if (sharing.length > 0) {
      findings.add(problem(
        "warning",
        `entries can be mixed up with those of ${sharing.join(", ")}: ` +
          "the same server, and memcache keys that look the same; " +
          adviceFor(name, source.written("key_format"), usable.key_format),
        source.setting("key_format"),
      ));
    }
  }
  const found = opened && server?.answers
    ? await findings.attempt(() => lookUpWithoutBackup(memcache))
    : true;
  // A table that contains itself was already reported when it was opened.
  const within = [...outer, name];
  const backup = usable.backup === "" || within.includes(usable.backup) ||
      within.length > deepestNest
    ? undefined
    : await check(usable.backup, innerOptions(options), {
      outer: within,
      spaces,
    });
  const { problems, areGood } = findings;
  return {
    table: name,
    type: "memcache",
    good: areGood && (backup?.good ?? true),
    problems,
    parameters: list,
    ...(server && { server }),
    ...(opened ? abilities(server, backup) : notOpen),
    ...(!found && { lookup: failed }),
    ...(backup && { backup }),
  };
}

/** Tests what a lookup does before it uses the backup: domain list and memcached. */
async function lookUpWithoutBackup(memcache: MemcacheSource): Promise<true> {
  const table = await memcache.openWithoutBackup();
  try {
    await table.lookup(probe);
  } finally {
    await table.close();
  }
  return true;
}

/** Suggests a key_format that other tables are unlikely to have. */
function adviceFor(name: string, written: string, format: string): string {
  // Only the end of the name, because the expression takes quadratic time.
  const word = /([a-z0-9_-]+)(?:\.[a-z0-9]*)?$/i.exec(name.slice(-100))?.[1] ??
    "aliases";
  return format.startsWith(`${word}:`)
    ? "give the others another key_format"
    : `set ${written} = ${word}:${format}`;
}

function abilities(
  server: CheckedServer | undefined,
  backup: TableCheck | undefined,
): Abilities {
  const answers = server?.answers ?? false;
  const silent: Ability = { possible: false, remark: "its server fails" };
  const alone = "the backup alone, for the server fails";
  if (backup === undefined) {
    const able = answers ? { possible: true } : silent;
    const sequence = {
      possible: false,
      remark: "it has no backup, and memcached cannot be listed",
    };
    return { lookup: able, write: able, sequence };
  }
  const { lookup, write, sequence } = backup;
  const byBackup = (ability: Ability): Ability =>
    ability.possible && !answers ? { possible: true, remark: alone } : ability;
  return {
    lookup: byBackup(
      lookup.possible
        ? { possible: true }
        : { possible: false, remark: "its backup fails" },
    ),
    write: byBackup(write),
    sequence,
  };
}

async function checkServer(
  name: string,
  { source, endpoint, connect: findConnect }: MemcacheSource,
  parameters: MemcacheParameters,
  { clock, signal, readFile }: OpenOptions,
  findings: Findings,
): Promise<CheckedServer | undefined> {
  const place = await findings.attempt(endpoint);
  if (place === undefined) return undefined;
  const mayLook = readFile === undefined;
  for (const found of await accessProblems(source, place, mayLook)) {
    findings.add(found);
  }
  const connect = await findings.attempt(findConnect);
  if (connect === undefined) return undefined;
  const timeout = parameters.timeout * 1000;
  const server = {
    table: name,
    endpoint: place,
    connect,
    timeout,
    clock,
    signal,
  };
  const answer = await askVersion(server, findings);
  const itemSizeMax = answer?.version ? await askItemSize(server) : null;
  const { data_size_limit } = parameters;
  if (itemSizeMax !== null && data_size_limit > itemSizeMax) {
    findings.add(problem(
      "warning",
      `${source.written("data_size_limit")} = ${data_size_limit}: ` +
        `the server stores at most ${itemSizeMax} bytes (its -I), key included`,
      source.setting("data_size_limit"),
    ));
  }
  return {
    endpoint: formatEndpoint(place),
    answers: answer !== undefined,
    version: answer?.version ?? null,
    roundTrip: answer?.roundTrip ?? null,
    itemSizeMax,
  };
}

/** Asks for the version. A proxy may answer only lookups: then it is `null`. */
async function askVersion(
  server: ReportingServer,
  findings: Findings,
): Promise<{ version: string | null; roundTrip: number } | undefined> {
  const clock = server.clock ?? systemClock;
  const timed = (question: "version" | `get ${string}`) =>
    askServer(server, async (ask) => {
      const start = clock.now();
      const [line] = await ask(question);
      const roundTrip = Math.round((clock.now() - start) * 1000) / 1000;
      return { line, roundTrip };
    });
  try {
    const { line, roundTrip } = await timed("version");
    return { version: line.slice("VERSION ".length), roundTrip };
  } catch (error) {
    const { message } = describe(error);
    try {
      const mayRetry = error instanceof TemporaryError &&
        !(error instanceof NoAnswerError);
      if (!mayRetry) throw error;
      const { roundTrip } = await timed(`get ${probe}`);
      findings.warn(message);
      return { version: null, roundTrip };
    } catch {
      findings.fail(error);
      if (await answersBinary(server)) {
        findings.fail(
          new TemporaryError(
            "it answers the binary protocol alone, as memcached -S (SASL) does, " +
              "which memcached gives up: start it with -Y FILE instead of -S, " +
              "and set user and password",
          ),
        );
      }
      return undefined;
    }
  }
}

async function askItemSize(server: ReportingServer): Promise<number | null> {
  try {
    const lines = await askServer(server, (ask) => ask("stats settings"));
    const size = figuresOf(lines).get("item_size_max") ?? "";
    return /^\d+$/.test(size) ? Number(size) : null;
  } catch (error) {
    // The size is only used for a warning, so a server need not report it.
    describe(error);
    return null;
  }
}
