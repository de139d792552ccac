import { approvedTables, withoutProxy } from "../../config/table_names.ts";
import {
  type Instance,
  orUndefined,
  parametersOf,
  type ServiceParameters,
} from "../instances.ts";
import { isLookupParameter } from "../named_tables.ts";
import { type Problem, problem } from "../parameter_checks.ts";
import { cacheParameters } from "./daemon_caches.ts";
import type { UsedTable } from "./rule.ts";

type List = "proxy_read_maps" | "proxy_write_maps";

/**
 * Finds the lists of proxymap(8) that lack a `proxy:` backup. Which of the two lists
 * must have it depends on the use: a cache of postscreen(8) or verify(8) is written.
 *
 * Implements "backup" of memcache_table(5), note 2.
 */
export function proxiedBackupProblems(used: UsedTable): Problem[] {
  const { source, parameters: { backup } } = used;
  if (!backup.startsWith("proxy:")) return [];
  return missingLists(used).map(({ instance, lists }) => {
    const list = lists.join(" or ");
    return problem(
      "error",
      `${source.written("backup")} = ${backup}: it is not in ${list} of ` +
        `${instance.mainCf}, so Postfix's proxymap refuses it: add the whole ` +
        `name, ${backup}, to ${lists[0]}`,
      source.setting("backup"),
    );
  });
}

function missingLists(
  { uses, instances, parameters: { backup } }: UsedTable,
): { instance: Instance; lists: List[] }[] {
  const lacks = (instance: Instance, lists: List[]) =>
    lists.every((list) => !isApproved(backup, list, instance));
  const [first] = instances;
  if (first === undefined) return [];
  if (uses.length === 0) {
    // Whoever uses it may read or write.
    const lists: List[] = ["proxy_read_maps", "proxy_write_maps"];
    return lacks(first, lists) ? [{ instance: first, lists }] : [];
  }
  return instances.flatMap((instance) => {
    // Inside of proxymap, the backup is opened without asking it.
    const own = uses.filter((use) => use.instance === instance && !use.proxied)
      .map(({ namedBy }) => namedBy.parameter);
    const list = own.some(isCache)
      ? "proxy_write_maps"
      : own.some(isLookupParameter)
      ? "proxy_read_maps"
      : undefined;
    return list !== undefined && lacks(instance, [list])
      ? [{ instance, lists: [list] }]
      : [];
  });
}

function isCache(parameter: string): boolean {
  return (cacheParameters as readonly string[]).includes(parameter);
}

function isApproved(
  backup: string,
  list: List,
  instance: Instance,
): boolean {
  const service = list === "proxy_read_maps" ? "proxymap" : "proxywrite";
  const all = parametersOf(instance, "proxymap");
  const own = all.filter((parameters) => parameters.service?.name === service);
  const name = withoutProxy(backup);
  return (own.length > 0 ? own : [instance.parameters]).some((parameters) =>
    orUndefined(() => approves(parameters, list, name)) ?? true
  );
}

function approves(
  parameters: ServiceParameters,
  list: List,
  name: string,
): boolean {
  const lists = [parameters.value(list)];
  if (list === "proxy_read_maps") {
    const classes = parameters.value("smtpd_restriction_classes");
    for (const restriction of classes.split(/[, \t\r\n]+/)) {
      if (restriction !== "") lists.push(parameters.value(restriction));
    }
  }
  return lists.some((value) => [...approvedTables(value)].includes(name));
}
