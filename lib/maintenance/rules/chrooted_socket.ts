import type { Service } from "../../config/master_cf.ts";
import type { Endpoint } from "../../socket/socket.ts";
import { type Instance, orUndefined } from "../instances.ts";
import type { Use } from "../named_tables.ts";
import { type Problem, problem } from "../parameter_checks.ts";
import { localSocket, type UsedTable } from "./rule.ts";

/** The programs that look the tables of a parameter up; others may do so too. */
const readers: readonly [parameter: RegExp, program: string][] = [
  [/^virtual_alias_maps$/, "cleanup"],
  [/^(?:(?:sender|recipient)_)?canonical_maps$/, "cleanup"],
  [/^(?:sender|recipient)_bcc_maps$/, "cleanup"],
  [/^(?:transport|relocated)_maps$/, "trivial-rewrite"],
  [/^smtpd_\w+_restrictions$/, "smtpd"],
  [/^(?:smtpd_sender_login|relay_recipient|local_recipient)_maps$/, "smtpd"],
  [/^smtp_(?:generic|tls_policy|sasl_password)_maps$/, "smtp"],
  [/^address_verify_map$/, "verify"],
  [/^postscreen_cache_map$/, "postscreen"],
];

/**
 * Finds programs of Postfix that look a table up but do not find its UNIX-domain
 * socket, because they run in a chroot: the directory of the queue is their root.
 */
export async function chrootProblems(
  used: UsedTable,
  endpoint: Endpoint,
): Promise<Problem[]> {
  const socket = await localSocket(used, endpoint);
  if (socket === undefined) return [];
  const { path, files } = socket;
  const { source, uses } = used;
  const problems: Problem[] = [];
  for (const use of uses) {
    const service = readersOf(use).find(({ chroot }) => chroot === "y");
    const root = rootOf(use.instance);
    if (service === undefined || root === undefined) continue;
    if (files.look(root + path) !== "missing") continue;
    problems.push(problem(
      "error",
      `${
        source.written("memcache")
      } = unix:${path}: the service ${service.name} ` +
        `(${service.program}) of ${use.instance.configDirectory}/master.cf runs ` +
        `in a chroot, where that is ${root}${path}, which does not exist: name ` +
        `the table with proxy:, make the socket there, or set chroot to n`,
      source.setting("memcache"),
    ));
  }
  return problems;
}

/** The services that look a table up, as far as that is certain. */
function readersOf({ instance, namedBy, proxied }: Use): Service[] {
  const { parameter, service } = namedBy;
  const programs = proxied
    ? ["proxymap"]
    : readers.filter(([names]) => names.test(parameter)).map(([, name]) =>
      name
    );
  return (instance.services ?? []).filter((one) =>
    programs.includes(one.program) &&
    // What `-o` sets is for one service; others may have another value.
    (proxied || service === undefined
      ? !one.overrides.has(parameter)
      : service === `${one.name}/${one.type}`)
  );
}

function rootOf({ parameters }: Instance): string | undefined {
  return orUndefined(() => parameters.value("queue_directory"));
}
