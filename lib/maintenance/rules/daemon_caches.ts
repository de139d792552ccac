import type { Setting } from "../../config/main_cf.ts";
import { tableNames, withoutProxy } from "../../config/table_names.ts";
import { parseTime } from "../../config/time.ts";
import { ConfigError } from "../../errors.ts";
import {
  longestRelativeTtl,
  type Problem,
  problem,
} from "../parameter_checks.ts";
import {
  type Instance,
  orUndefined,
  parametersOf,
  type ServiceParameters,
} from "../instances.ts";
import { settingsThatName } from "../named_tables.ts";
import { postfixDefaults } from "../postfix_defaults.ts";
import { postscreenRules } from "../postfix_caches.ts";
import type { UsedTable } from "./rule.ts";

/** A daemon of Postfix that keeps what it learns in a table. */
interface CachingDaemon {
  readonly program: string;
  /** The parameter that names the table. */
  readonly cache: "postscreen_cache_map" | "address_verify_map";
  /** The parameter that says how often the table is cleaned; 0 is never. */
  readonly interval: string;
  /** The parameters that say how long results are kept, by whether they matter now. */
  lifetimes(
    parameters: ServiceParameters,
  ): Promise<{ parameter: string; isUsed: boolean }[]>;
}

// In the order of the tests in postscreenRules().
const postscreenLifetimes = [
  "postscreen_greet_ttl",
  "postscreen_dnsbl_max_ttl",
  "postscreen_pipelining_ttl",
  "postscreen_non_smtp_command_ttl",
  "postscreen_bare_newline_ttl",
];

const daemons: readonly CachingDaemon[] = [
  {
    program: "postscreen",
    cache: "postscreen_cache_map",
    interval: "postscreen_cache_cleanup_interval",
    lifetimes: async (parameters) => {
      const { enabled } = await postscreenRules(parameters);
      return postscreenLifetimes.map((parameter, test) => ({
        parameter,
        isUsed: enabled[test],
      }));
    },
  },
  {
    program: "verify",
    cache: "address_verify_map",
    interval: "address_verify_cache_cleanup_interval",
    lifetimes: () =>
      Promise.resolve([
        { parameter: "address_verify_positive_expire_time", isUsed: true },
        { parameter: "address_verify_negative_expire_time", isUsed: true },
      ]),
  },
];

/** The parameters that name the cache of a daemon. */
export const cacheParameters = daemons.map(({ cache }) => cache);

/** Finds the backup of a memcache table that an instance names. */
export type FindBackup = (
  table: string,
  instance: Instance,
) => Promise<string | undefined>;

/**
 * Finds what is wrong with a memcache table as the cache of postscreen(8) or
 * verify(8): who removes old entries, and how long memcached keeps them.
 *
 * Implements "backup", note 1, and "ttl", note 1, of memcache_table(5).
 */
export async function daemonCacheProblems(
  used: UsedTable,
  findBackup: FindBackup,
): Promise<Problem[]> {
  const problems: Problem[] = [];
  for (const daemon of daemons) {
    const { cache, program } = daemon;
    const instances = instancesThatRun(used.instances, program);
    const uses = settingsThatName(used.table, cache, instances, program);
    if (uses.length === 0) continue;
    if (used.parameters.backup !== "") {
      const shared = { ...used, instances };
      problems.push(...await sharedCleanup(daemon, shared, findBackup));
      continue;
    }
    for (const { parameters } of uses) {
      try {
        problems.push(...cleanupWithoutBackup(daemon, used, parameters));
        problems.push(...await lifetime(daemon, used, parameters));
      } catch (error) {
        if (!(error instanceof ConfigError)) {
          throw error;
        }
        const { message, file, line } = error;
        problems.push({
          severity: "error",
          message,
          ...(file !== undefined && { file }),
          ...(line !== undefined && { line }),
        });
      }
    }
  }
  return problems;
}

/**
 * The instances whose master.cf has a program, or could not be read. If none has it,
 * all: then it is main.cf that will matter once the program is there.
 */
function instancesThatRun(
  instances: readonly Instance[],
  program: string,
): readonly Instance[] {
  const runs = ({ services }: Instance) =>
    services?.some((service) => service.program === program);
  return instances.some(runs)
    ? instances.filter((instance) => runs(instance) !== false)
    : instances;
}

/** A time of main.cf, as it is written and in seconds. */
interface Time {
  readonly parameter: string;
  readonly written: string;
  readonly seconds: number;
  /** Where it is set; `undefined` for a default. */
  readonly setting: Setting | undefined;
}

/** Reads a time. Throws {@linkcode ConfigError} for what is none. */
function timeOf(
  parameters: ServiceParameters,
  parameter: string,
  least: 0 | 1,
): Time {
  const setting = parameters.setting(parameter);
  const written = setting?.value ?? parameters.value(parameter);
  const unit = postfixDefaults[parameter].at(-1) as "s" | "h" | "d";
  const seconds = parseTime(written, unit, least);
  if (seconds === undefined) {
    throw new ConfigError(
      `${parameter} = ${written}: need a time such as 12h, with s, m, h, d or w`,
      setting,
    );
  }
  return { parameter, written, seconds, setting };
}

function shown({ parameter, written, setting }: Time): string {
  return `${parameter} = ${written}${
    setting === undefined ? " (the default)" : ""
  }`;
}

function cleanupWithoutBackup(
  { cache, interval }: CachingDaemon,
  { table }: UsedTable,
  parameters: ServiceParameters,
): Problem[] {
  const time = timeOf(parameters, interval, 0);
  if (time.seconds === 0) return [];
  return [problem(
    "error",
    `${
      shown(time)
    }: ${cache} is ${table}, which has no backup, and memcached ` +
      `cannot be listed, so it cannot be cleaned: set ${interval} = 0`,
    time.setting ?? parameters.setting(cache),
  )];
}

async function lifetime(
  { cache, lifetimes }: CachingDaemon,
  { source, parameters: { ttl } }: UsedTable,
  parameters: ServiceParameters,
): Promise<Problem[]> {
  // Another check tells of a negative one; 0 is no limit.
  if (ttl <= 0) return [];
  const times = (await lifetimes(parameters)).map(({ parameter, isUsed }) => ({
    isUsed,
    // Of a newer Postfix's parameters, an older one knows nothing.
    time: timeOf(parameters, parameter, 1),
  }));
  for (const isUsed of [true, false]) {
    const relevant = times.filter((time) => time.isUsed || !isUsed)
      .map(({ time }) => time).sort((one, other) =>
        other.seconds - one.seconds
      );
    const [longest] = relevant;
    if (longest === undefined) continue;
    const isLongest = longest.seconds > longestRelativeTtl;
    // Above that, memcached takes it for a date, of which another check tells.
    if (ttl > longestRelativeTtl ? !isLongest : ttl >= longest.seconds) {
      continue;
    }
    const written = source.written("ttl");
    const setting = source.setting("ttl");
    const cure = isLongest
      ? `set ${written} = 0, which is no limit, for above ${longestRelativeTtl} ` +
        "(30 days) memcached takes it for a date, or shorten " +
        longest.parameter
      : `set ${written} = ${longest.seconds}`;
    return [problem(
      isUsed ? "error" : "warning",
      `${written} = ${ttl}${setting === undefined ? " (the default)" : ""}: ` +
        `as ${cache} without a backup, the table must keep entries as long as ` +
        `${shown(longest)}, ${longest.seconds} seconds` +
        (isUsed ? "" : ", though that test is off now") + `: ${cure}`,
      setting,
    )];
  }
  return [];
}

/** Finds the instances that clean the same backup. */
async function sharedCleanup(
  { cache, interval, program }: CachingDaemon,
  { table, instances, parameters: { backup } }: UsedTable,
  findBackup: FindBackup,
): Promise<Problem[]> {
  const shared = withoutProxy(backup);
  const cleaning: { instance: Instance; time: Time }[] = [];
  for (const instance of instances) {
    for (const parameters of parametersOf(instance, program)) {
      const value = orUndefined(() => parameters.value(cache)) ?? "";
      const [named] = tableNames("memcache", value);
      const own = named === undefined
        ? value
        : named.name === table
        ? backup
        : await findBackup(named.name, instance) ?? "";
      if (withoutProxy(own) !== shared) continue;
      const time = orUndefined(() => timeOf(parameters, interval, 0));
      if (time === undefined || time.seconds === 0) continue;
      cleaning.push({ instance, time });
      break;
    }
  }
  if (cleaning.length < 2) return [];
  const places = cleaning.map(({ instance }) => instance.mainCf);
  return cleaning.slice(1).map(({ instance, time }) =>
    problem(
      "error",
      `${shown(time)} in ${instance.mainCf}: ${cleaning.length} instances ` +
        `(${
          places.join(", ")
        }) clean ${backup}, the backup that they share as ` +
        `${cache}, but only one may: set ${interval} = 0 in all others`,
      time.setting,
    )
  );
}
