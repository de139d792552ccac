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
import { openOptionNames } from "../tables/opening.ts";
import { requireOptionNames } from "../tables/option_names.ts";
import type { Entry, OpenOptions, Table } from "../table.ts";
import { deepestNest } from "../tables/opening.ts";
import { inspectKv } from "../tables/kv/inspect_kv.ts";
import {
  type MemcacheSource,
  readMemcacheSource,
  sharingTables,
  type Spaces,
  typeOf,
} from "./memcache_source.ts";
import { accessProblems } from "./access_checks.ts";
import {
  type CheckedParameter,
  type Problem,
  problem,
  readEach,
  spaceOf,
  unknownNames,
  valueProblems,
} from "./parameter_checks.ts";

/** Whether something can be done with a table. */
export interface Ability {
  /** Whether it can. */
  readonly possible: boolean;
  /** Why not, or what is to be known about it. */
  readonly remark?: string;
}

/** The memcached of a table. */
export interface CheckedServer {
  /** Where it is: `inet:HOST:PORT` or `unix:PATH`. */
  readonly endpoint: string;
  /** Whether it answers. */
  readonly answers: boolean;
  /** Its version, `null` when it does not tell. */
  readonly version: string | null;
  /** Milliseconds from a question to its answer, on an open connection. */
  readonly roundTrip: number | null;
  /** The longest entry that it stores, in bytes, `null` when it does not tell. */
  readonly itemSizeMax: number | null;
}

/**
 * What {@linkcode checkTable} found, and what `memcache-table check -j` prints
 * as a line of JSON:
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
 * `parameters` and `server` are there for `memcache:` tables that can be read
 * so far, `backup` for those that have one.
 */
export interface TableCheck {
  /** The table's name, as it was given. */
  readonly table: string;
  /** Its type, empty when the name has none. */
  readonly type: string;
  /** Whether there is no error, neither here nor with the backup. */
  readonly good: boolean;
  /** There is no database yet: it is created when it is first written. */
  readonly missing?: true;
  /** What a person should look at, in the order in which it was found. */
  readonly problems: readonly Problem[];
  /** The parameters as the table understood them. */
  readonly parameters?: readonly CheckedParameter[];
  /** The memcached. */
  readonly server?: CheckedServer;
  /** Whether keys can be looked up. */
  readonly lookup: Ability;
  /** Whether it can be opened to update and delete. */
  readonly write: Ability;
  /** Whether its entries can be listed. */
  readonly sequence: Ability;
  /** The same of the backup. */
  readonly backup?: TableCheck;
}

/** Options of {@linkcode checkTable}; `onWarning` is not called. */
export interface CheckOptions
  extends Omit<OpenOptions, "write" | "onWarning" | "duplicates"> {
  /**
   * Other tables that are in use, beside those in main.cf: is an entry of one
   * taken for an entry of another?
   */
  others?: readonly string[];
}

// No table has it, and of a mail system nobody can be called so.
const probe = "memcache-table-check@example.invalid";

/**
 * Looks whether a table works, and says what a person should know about it.
 * What is wrong is told, not thrown. Nothing is written, neither to memcached
 * nor to the backup, and no database is created.
 *
 * Of a `memcache:` table it reads the configuration as the table does, asks the
 * memcached for its version, and checks the backup in the same way; entries of
 * two tables can be mixed up when both are on one server, their memcache keys
 * begin and end with the same fixed text, and they are not filled by the same
 * backup. Of any table it looks a key up, and reads the first entry: not of a
 * `proxy:` table that may have none, for Postfix's proxymap would end then. One
 * that others are listing begins anew for them.
 *
 * Implements memcache_table(5), as far as a configuration can be judged.
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
 * A copy with U+FFFD for each byte that is not UTF-8: many readers of JSON refuse
 * lone surrogates.
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

/** What was found so far; nothing twice. */
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

  /** An error that a user of the table would have met; others are thrown. */
  fail(error: unknown): void {
    this.add({ severity: "error", ...describe(error) });
  }

  /** The result, or `undefined` with an error. */
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

/** What a check of a backup knows from the check of the table that names it. */
interface Around {
  /** The tables that name it, the outermost first. */
  readonly outer: readonly string[];
  /** The spaces of the tables in main.cf. */
  readonly spaces: Spaces;
}

async function check(
  name: string,
  options: CheckOptions,
  around: Around,
): Promise<TableCheck> {
  const findings = new Findings();
  const { others: _, ...tableOptions } = options;
  const quiet: OpenOptions = { ...tableOptions, onWarning: findings.warn };
  const type = typeOf(name);
  if (type === "memcache") {
    return await checkMemcache(name, quiet, options, findings, around);
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

/** Looks up, lists, and opens to write, a table that is open; closes it. */
async function tryTable(
  table: Table,
  options: OpenOptions,
  findings: Findings,
): Promise<Abilities & { missing?: true }> {
  const { name } = table;
  try {
    const untried = await tryDatabase(name, options, findings) ??
      unaskable(name);
    if (untried !== undefined) return untried;
    const found = await findings.attempt(async () => {
      await table.lookup(probeKey(name));
      return true;
    });
    // At once, for postmap waits a second before it says that it cannot. To
    // write to what is not there may create it.
    const [sequence, write] = await Promise.all([
      // A database that is locked would be waited for once more.
      !found && typeOf(name) === "kv"
        ? failed
        : mayList(name)
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

/** Whether to ask for the first entry does no harm. */
function mayList(name: string): boolean {
  return !name.startsWith("proxy:") ||
    /^proxy:(?:hash|btree|lmdb|dbm|sdbm|texthash|inline):/.test(name);
}

/** What is to be said of a table for which there is no harmless key. */
function unaskable(name: string): Abilities | undefined {
  if (!/^proxy:(?!memcache:).*memcache:/.test(name)) return undefined;
  const remark = "not tried: a lookup there might store what it finds";
  const untried: Ability = { possible: false, remark };
  return { lookup: untried, write: untried, sequence: untried };
}

// A memcache table behind another one stores what its backup finds, and that can
// be anything; an empty key is no key to it.
function probeKey(name: string): string {
  return name.includes("memcache:") ? "" : probe;
}

/** What is to be said of a `kv:` table before it is asked, for that may create it. */
async function tryDatabase(
  name: string,
  options: OpenOptions,
  findings: Findings,
): Promise<Abilities & { missing?: true } | undefined> {
  if (typeOf(name) !== "kv") return undefined;
  const seen = await inspectKv(name.slice("kv:".length), options);
  if (seen.kind === "untold") {
    // Where it is, only its runtime knows.
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
  // It can be opened, but refuses what is written.
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
      // Only when it is asked does Postfix say whether that is allowed.
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
  { outer, spaces }: Around,
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
    const space = spaceOf(name, server.endpoint, usable);
    const others = options.others ?? [];
    const sharing = space === undefined
      ? []
      : await sharingTables(space, others, quiet, spaces);
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
    ? await findings.attempt(() => lookUpAlone(memcache))
    : true;
  // One that names a table in which it stands was told of when it was opened.
  const within = [...outer, name];
  const backup = usable.backup === "" || within.includes(usable.backup) ||
      within.length > deepestNest
    ? undefined
    : await check(usable.backup, options, { outer: within, spaces });
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

/** A lookup with all that comes before the backup: the domain list, the client. */
async function lookUpAlone(memcache: MemcacheSource): Promise<true> {
  const table = await memcache.openAlone();
  try {
    await table.lookup(probe);
  } finally {
    await table.close();
  }
  return true;
}

/** A key_format that no other table is likely to have, if this is not it. */
function adviceFor(name: string, written: string, format: string): string {
  // Only the end: on a long name the expression would take quadratic time.
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
  const told = await askVersion(server, findings);
  const itemSizeMax = told?.version ? await askItemSize(server) : null;
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
    answers: told !== undefined,
    version: told?.version ?? null,
    roundTrip: told?.roundTrip ?? null,
    itemSizeMax,
  };
}

/** The version; without it where only lookups are answered, as by a proxy. */
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
      const again = error instanceof TemporaryError &&
        !(error instanceof NoAnswerError);
      if (!again) throw error;
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
    // It is asked for a warning alone: who does not tell has said enough.
    describe(error);
    return null;
  }
}
