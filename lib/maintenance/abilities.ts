import { ConfigError } from "../errors.ts";
import { openTable } from "../open.ts";
import type { Entry, OpenOptions, Table } from "../table.ts";
import { inspectKv } from "../tables/kv/inspect_kv.ts";
import { describe, type Findings } from "./findings.ts";
import { typeOf } from "./memcache_source.ts";

/** Whether an action is possible on a table. */
export interface Ability {
  /** Whether it is possible. */
  readonly possible: boolean;
  /** Why not, or what to know about it. */
  readonly remark?: string;
}

/** What can be done with a table. */
export interface Abilities {
  /** Whether keys can be looked up. */
  readonly lookup: Ability;
  /** Whether it can be opened for updates and deletes. */
  readonly write: Ability;
  /** Whether its entries can be listed. */
  readonly sequence: Ability;
}

// A key that no table has: no mail system can have such an address.
export const probe = "memcache-table-check@example.invalid";

const closed: Ability = { possible: false, remark: "it cannot be opened" };
/** The abilities of a table that cannot be opened. */
export const notOpen: Abilities = {
  lookup: closed,
  write: closed,
  sequence: closed,
};

const notAsked: Ability = { possible: true, remark: "not tried" };
/** The abilities of a table that is not asked. */
export const untried: Abilities = {
  lookup: notAsked,
  write: notAsked,
  sequence: notAsked,
};

/** Tries lookups, listing and opening for writes. Closes the table. */
export async function tryTable(
  table: Table,
  options: OpenOptions,
  findings: Findings,
): Promise<Abilities & { missing?: true }> {
  const { name } = table;
  try {
    const known = await tryDatabase(name, options, findings) ??
      explainUntestable(name);
    if (known !== undefined) return known;
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

/** The lookups of a table that fail. */
export const failed: Ability = { possible: false, remark: "its lookups fail" };

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
