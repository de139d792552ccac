import type { Ability } from "../../maintenance/abilities.ts";
import { checkTable } from "../../maintenance/check.ts";
import type { TableCheck } from "../../maintenance/table_check.ts";
import type {
  CheckedParameter,
  Problem,
} from "../../maintenance/parameter_checks.ts";
import { UsageError } from "../command_line.ts";
import { printable } from "../streams.ts";
import { json, type Subcommand } from "./subcommand.ts";

/** `check`: checks whether tables work. */
export const check: Subcommand = {
  page: {
    usage: ["check [options] type:name ..."],
    about:
      "Checks whether each table works: prints its parameters, and reports " +
      "unknown parameters, values that cannot work, and faults of the server and " +
      "the backup. Also finds tables, among those given and those in main.cf, " +
      "that share a server and can mix up their entries. Writes and creates " +
      "nothing. An error means that the table does not work as intended; a " +
      "warning, that you should look at it.",
    notes: [
      "With -j, each table is one line, a JSON object:",
      "  { table, type, good, missing, problems, parameters, server, lookup,",
      "    write, sequence, backup }",
      '  problems    [{ severity: "error" | "warning", message, file, line }]',
      "  parameters  [{ name, written, value, default, file, line }]",
      "  server      { endpoint, answers, version, roundTrip, itemSizeMax }",
      "  lookup, write, sequence  { possible, remark };  backup: as the table",
    ],
    examples: ["memcache-table check memcache:/etc/postfix/aliases.cf"],
    exitStatus: "0 no errors, perhaps warnings; 1 errors.",
  },
  options: [json],
  run: async ({ operands, flag, output, tableOptions }) => {
    if (operands.length === 0) {
      throw new UsageError(
        "no table: name at least one, such as memcache:/etc/postfix/aliases.cf",
      );
    }
    let status = 0;
    for (const [at, name] of operands.entries()) {
      const options = { ...tableOptions, others: operands };
      const checked = await checkTable(name, options);
      if (!checked.good) status = 1;
      const space = at === 0 ? "" : "\n";
      await output.write(
        flag("j") ? JSON.stringify(checked) + "\n" : space + format(checked),
      );
      await output.flush();
    }
    return status;
  },
};

/** Formats the result for a person. */
function format(checked: TableCheck): string {
  const lines = [checked.table];
  if (checked.parameters !== undefined) {
    lines.push("", ...parameterLines(checked.table, checked.parameters));
  }
  lines.push("", ...abilityLines(checked, "  "), "");
  const problems = allProblems(checked);
  for (const { severity, message } of problems) {
    lines.push(`  ${severity}: ${message}`);
  }
  if (problems.length > 0) lines.push("");
  lines.push(`  ${verdict(checked, problems)}`);
  return lines.map((line) => printable(line) + "\n").join("");
}

function parameterLines(
  table: string,
  parameters: readonly CheckedParameter[],
): string[] {
  const width = (texts: string[], most: number) =>
    Math.min(most, Math.max(...texts.map((text) => text.length)));
  const names = width(parameters.map(({ written }) => written), 60);
  const values = width(parameters.map(({ value }) => `${value}`), 40);
  return parameters.map((parameter) =>
    [
      "",
      parameter.written.padEnd(names),
      `${parameter.value}`.padEnd(values),
      origin(table, parameter),
    ].join("  ").trimEnd()
  );
}

function origin(table: string, parameter: CheckedParameter): string {
  const { file, line } = parameter;
  if (parameter.default) return "default";
  if (file === undefined) return "set";
  return table === `memcache:${file}`
    ? `line ${line}`
    : `${file}, line ${line}`;
}

function* abilityLines(checked: TableCheck, indent: string): Generator<string> {
  const { server, lookup, write, sequence, backup } = checked;
  if (server !== undefined) {
    const { endpoint, answers, version, roundTrip } = server;
    const kind = version === null ? "version unknown" : `memcached ${version}`;
    yield `${indent}server  ${endpoint}: ` +
      (answers
        ? `${kind}, answers in ${roundTrip?.toFixed(1)} ms`
        : "no answer");
  }
  yield `${indent}lookup  ${formatAbility(lookup)}`;
  yield `${indent}update  ${formatAbility(write)}`;
  yield `${indent}list    ${formatAbility(sequence)}`;
  if (backup !== undefined) {
    yield `${indent}backup  ${backup.table}`;
    yield* abilityLines(backup, `${indent}  `);
  }
}

function formatAbility({ possible, remark }: Ability): string {
  const answer = possible ? "yes" : "no";
  return remark === undefined ? answer : `${answer}: ${remark}`;
}

/** The problems of the table and its backup, errors first. */
function allProblems(checked: TableCheck): Problem[] {
  const problems = [...checked.problems];
  const ofBackup = checked.backup === undefined
    ? []
    : allProblems(checked.backup);
  for (const found of ofBackup) {
    if (!problems.some(({ message }) => message === found.message)) {
      problems.push(found);
    }
  }
  const rank = { error: 0, warning: 1, note: 2 };
  return problems.sort((one, other) =>
    rank[one.severity] - rank[other.severity]
  );
}

function verdict(checked: TableCheck, problems: readonly Problem[]): string {
  const counts = (["error", "warning", "note"] as const).map((severity) => {
    const count = problems.filter((one) => one.severity === severity).length;
    return count === 0 ? [] : [`${count} ${severity}${count === 1 ? "" : "s"}`];
  }).flat();
  const missing = missingDatabase(checked);
  const word = !checked.good
    ? "not good"
    : missing === undefined
    ? "good"
    : `no such database yet: ${missing}`;
  return [word, ...counts].join(", ");
}

/** The table that has no database yet: this one or a backup. */
function missingDatabase(checked: TableCheck): string | undefined {
  if (checked.missing) return checked.table;
  return checked.backup && missingDatabase(checked.backup);
}
