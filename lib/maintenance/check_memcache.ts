import { MailSystem } from "../system/mail_system.ts";
import { openTable } from "../open.ts";
import { type HostPlace, placeOfHost } from "../system/hosts.ts";
import { formatEndpoint } from "../socket/endpoint.ts";
import type { Endpoint } from "../socket/socket.ts";
import type { OpenOptions } from "../table.ts";
import { deepestNest } from "../tables/opening.ts";
import {
  type Abilities,
  type Ability,
  failed,
  notOpen,
  probe,
  untried,
} from "./abilities.ts";
import { accessProblems } from "./access_checks.ts";
import type { TableUse } from "./check_scope.ts";
import type { Findings } from "./findings.ts";
import {
  findBackup,
  findSharingTables,
  type MemcacheSource,
  readMemcacheSource,
} from "./memcache_source.ts";
import { isLookupParameter } from "./named_tables.ts";
import {
  keySpaceOf,
  problem,
  readEach,
  unknownNames,
  valueProblems,
} from "./parameter_checks.ts";
import { chrootProblems } from "./rules/chrooted_socket.ts";
import { daemonCacheProblems } from "./rules/daemon_caches.ts";
import { proxiedBackupProblems } from "./rules/proxied_backup.ts";
import type { UsedTable } from "./rules/rule.ts";
import { sensitiveProblems } from "./rules/sensitive_parameters.ts";
import { socketProblems } from "./rules/socket_access.ts";
import { type CheckedServer, checkServer } from "./server_checks.ts";
import type { TableCheck } from "./table_check.ts";

/** A memcache table that is checked. */
export interface CheckedMemcache {
  readonly name: string;
  /** The options, with a place for warnings. */
  readonly options: OpenOptions;
  /** The tables that name it as their backup, the outermost first. */
  readonly outer: readonly string[];
  /** What Postfix does with it. */
  readonly use: TableUse;
  /** Names of other tables in use. */
  readonly others: readonly string[];
  /** Whether nothing is asked. */
  readonly offline: boolean;
  /** Checks its backup. */
  readonly checkBackup: (
    name: string,
    outer: readonly string[],
  ) => Promise<TableCheck>;
}

/** Checks a memcache table, its server and its backup. */
export async function checkMemcache(
  { name, options, outer, use, others, offline, checkBackup }: CheckedMemcache,
  findings: Findings,
): Promise<TableCheck> {
  const namedBy = [...new Set(use.uses.map((one) => one.namedBy))];
  const head = {
    table: name,
    type: "memcache",
    ...(namedBy.length > 0 && { namedBy }),
  };
  const opened = await findings.attempt(async () => {
    const table = await openTable(name, options);
    await table.close();
    return true;
  });
  const mail = new MailSystem({ ...options, onWarning: findings.warn });
  const memcache = await findings.attempt(() =>
    readMemcacheSource(name, options, mail)
  );
  findings.addAll(sensitiveProblems(use));
  if (memcache === undefined) {
    const { problems } = findings;
    return { ...head, good: false, problems, ...notOpen };
  }
  for (const { message } of use.errors) {
    findings.warn(
      `${message}: not all that Postfix does with the table is checked`,
    );
  }
  const { source } = memcache;
  const { list, usable, errors } = readEach(source);
  for (const error of errors) findings.fail(error);
  findings.addAll(await unknownNames(source));
  findings.addAll(await valueProblems(source, usable, Date.now() / 1000));
  const used: UsedTable = { ...use, source, parameters: usable, options };
  findings.addAll(
    await daemonCacheProblems(
      used,
      (table, { configDirectory }) =>
        findBackup(table, { ...options, configDirectory }),
    ),
  );
  const endpoint = await findings.attempt(memcache.endpoint);
  if (endpoint !== undefined) {
    await findAccess(used, endpoint, offline, findings);
  }
  const server = endpoint && !offline
    ? await checkServer(name, endpoint, memcache, usable, options, findings)
    : undefined;
  const space = endpoint && keySpaceOf(name, formatEndpoint(endpoint), usable);
  if (space !== undefined) {
    const all = [...others, ...use.others];
    const sharing = await findSharingTables(space, all, options, use.spaces);
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
    : await checkBackup(usable.backup, within);
  // A proxymap that was asked has refused it already.
  if (!backup?.problems.some(({ message }) => /proxy_\w+_maps/.test(message))) {
    findings.addAll(proxiedBackupProblems(used));
  }
  const { problems, areGood } = findings;
  return {
    ...head,
    good: areGood && (backup?.good ?? true),
    problems,
    parameters: list,
    ...(server && { server }),
    ...(!opened ? notOpen : offline ? untried : abilities(server, backup)),
    ...(!found && { lookup: failed }),
    ...(backup && { backup }),
  };
}

/** Finds who else can reach the server, and whether Postfix can. */
async function findAccess(
  used: UsedTable,
  endpoint: Endpoint,
  offline: boolean,
  findings: Findings,
): Promise<void> {
  const { source, uses, options } = used;
  findings.addAll(
    await accessProblems({
      source,
      endpoint,
      // Without a resolver, no name is known.
      place: offline ? "unknown" : await placeOfPlainServer(endpoint, options),
      isNamed: uses.some(({ namedBy }) => isLookupParameter(namedBy.parameter)),
      mayLook: options.readFile === undefined,
    }),
  );
  findings.addAll(await socketProblems(used, endpoint));
  findings.addAll(await chrootProblems(used, endpoint));
}

/**
 * Where a server is to which nothing is encrypted on the way; `here` also for a
 * server that is reached by TLS or through a socket.
 */
async function placeOfPlainServer(
  endpoint: Endpoint,
  { clock }: OpenOptions,
): Promise<HostPlace> {
  return endpoint.transport === "tcp" && endpoint.tls === undefined
    ? await placeOfHost(endpoint.hostname, clock)
    : "here";
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
