import { type Problem, problem } from "../parameter_checks.ts";
import { type Instance, orUndefined } from "../instances.ts";
import { settingsThatName } from "../named_tables.ts";
import type { UsedTable } from "./rule.ts";

/** Parameters that Postfix reads with rights that a memcached must not decide over. */
interface SensitiveParameters {
  /** What each of them decides. */
  readonly decides: Readonly<Record<string, string>>;
  /** The program that reads them so; absent where every program does. */
  readonly program?: string;
  /** The parameter that names the transport whose program that is, by default. */
  readonly transport?: string;
}

const sensitive: readonly SensitiveParameters[] = [
  {
    decides: {
      alias_maps: "which commands are run and which files are written",
      mailbox_command_maps: "which commands are run",
    },
    program: "local",
    transport: "local_transport",
  },
  {
    decides: {
      virtual_mailbox_maps: "which files are written",
      virtual_uid_maps: "with whose rights files are written",
      virtual_gid_maps: "with whose rights files are written",
    },
    program: "virtual",
    transport: "virtual_transport",
  },
  {
    decides: {
      alias_database: "which commands are run and which files are written",
    },
  },
];

/**
 * Finds security-sensitive parameters that name a memcache table, also through other
 * tables. Postfix refuses that.
 *
 * Implements "SECURITY" of memcache_table(5).
 */
export function sensitiveProblems(
  { table, instances }: Pick<UsedTable, "table" | "instances">,
): Problem[] {
  return sensitive.flatMap(({ decides, program, transport }) =>
    Object.entries(decides).flatMap(([parameter, what]) =>
      settingsThatName(table, parameter, instances, program).map((
        { instance, setting },
      ) => {
        const isUsed = program === undefined || transport === undefined ||
          isDeliveredBy(instance, program, transport);
        return problem(
          isUsed ? "error" : "warning",
          `${parameter} must not have ${table}: ` +
            (isUsed
              ? refusal(parameter)
              : `Postfix's ${program}(8) refuses memcache tables there, though ` +
                `${transport} = ${
                  valueOf(instance, transport)
                } delivers without it`) +
            `; ${parameter} decides ${what}, and whoever reaches the memcached ` +
            "can write the table, without a log-in: use one that only root can " +
            "write, such as hash: or lmdb:",
          setting,
        );
      })
    )
  );
}

function refusal(parameter: string): string {
  return parameter === "alias_database"
    ? "newaliases cannot make such a table"
    : "Postfix refuses memcache tables there, so mail is deferred";
}

/** Whether a transport is served by a program. */
function isDeliveredBy(
  instance: Instance,
  program: string,
  transport: string,
): boolean {
  const [name] = valueOf(instance, transport).split(":");
  const service = instance.services?.find((service) =>
    service.name === name && service.type === "unix"
  );
  return (service?.program ?? name) === program;
}

function valueOf({ parameters }: Instance, name: string): string {
  return orUndefined(() => parameters.value(name)) ?? "";
}
