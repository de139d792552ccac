import type { Ability } from "../../maintenance/abilities.ts";
import { checkTable } from "../../maintenance/check.ts";
import type { NamedBy } from "../../maintenance/named_tables.ts";
import type { TableCheck } from "../../maintenance/table_check.ts";
import type {
  CheckedParameter,
  Problem,
} from "../../maintenance/parameter_checks.ts";
import { UsageError } from "../command_line.ts";
import { printable } from "../streams.ts";
import { type Invocation, json, type Subcommand } from "./subcommand.ts";

/** `check`: checks whether tables work. */
export const check: Subcommand = {
  page: {
    usage: ["check [options] type:name ... | --all"],
    about:
      "Says how tables are understood, and whether they work; writes nothing. " +
      "Reports wrong parameters, faults of server and backup, tables that can mix up " +
      "entries, and uses in main.cf and master.cf that memcache_table(5) warns of.",
    notes: [
      "With -j, each table is one line, a JSON object:",
      "  { table, type, good, missing, problems, parameters, server, backup,",
      "    lookup, write, sequence: { possible, remark },",
      "    namedBy: [{ parameter, service, file, line }] }",
      '  problems    [{ severity: "error" | "warning" | "note", message, file, line }]',
      "  parameters  [{ name, written, value, default, file, line }]",
      "  server      { endpoint, answers, version, roundTrip, itemSizeMax }",
    ],
    examples: ["memcache-table check memcache:/etc/postfix/aliases.cf"],
    exitStatus: "0 no errors, perhaps warnings; 1 errors.",
  },
  options: [
    json,
    {
      name: "all",
      help: "every memcache table that main.cf or master.cf names",
    },
    {
      name: "offline",
      help: "ask no server and no table: check only what is written",
      words: ["no-connect", "dry-run", "static"],
    },
  ],
  run: async (invocation) => {
    const { operands, flag, output, tableOptions } = invocation;
    let printed = 0;
    const print = async (checked: TableCheck) => {
      const space = printed++ === 0 ? "" : "\n";
      await output.write(
        flag("j") ? JSON.stringify(checked) + "\n" : space + format(checked),
      );
      await output.flush();
    };
    if (flag("all")) return await checkAll(invocation, print);
    if (operands.length === 0) {
      throw new UsageError(
        "no table: name at least one, such as memcache:/etc/postfix/aliases.cf, " +
          "or use --all for those that main.cf names",
      );
    }
    let status = 0;
    const names = operands.map(withoutServedName);
    const offline = flag("offline");
    for (const name of names) {
      const options = { ...tableOptions, others: names, offline };
      const checked = await checkTable(name, options);
      if (!checked.good) status = 1;
      await print(checked);
    }
    return status;
  },
};

/** A table of `serve`, NAME=type:name, without its NAME. */
function withoutServedName(operand: string): string {
  return /^[^:={}/]+=([^:={}/]+:.*)$/s.exec(operand)?.[1] ?? operand;
}

async function checkAll(
  { operands, flag, output, tableOptions, report }: Invocation,
  print: (checked: TableCheck) => Promise<void>,
): Promise<number> {
  if (operands.length > 0) {
    throw new UsageError(
      `--all takes no table: check ${operands[0]} without --all`,
    );
  }
  const { onWarning: _, ...options } = tableOptions;
  const { checkAllTables } = await import("../../maintenance/check_all.ts");
  const { good, files, problems, tables } = await checkAllTables({
    ...options,
    offline: flag("offline"),
    onTable: print,
  });
  const lines = problems.map(({ severity, message }) =>
    `${severity}: ${message}`
  );
  if (tables.length === 0) {
    lines.push(`no memcache table is named in ${files.join(", ")}`);
  }
  if (flag("j")) lines.forEach((line) => report.note(line));
  else if (lines.length > 0) {
    const space = tables.length === 0 ? "" : "\n";
    const text = lines.map((line) => `${printable(line)}\n`).join("");
    await output.write(space + text);
    await output.flush();
  }
  return good ? 0 : 1;
}

/** Formats the result for a person. */
function format(checked: TableCheck): string {
  const lines = [checked.table];
  if (checked.namedBy !== undefined) {
    lines.push("", ...checked.namedBy.map(formatUse));
  }
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

function formatUse({ parameter, service, file, line }: NamedBy): string {
  const whole = service === undefined ? parameter : `${service}/${parameter}`;
  return `  named by ${whole}, ${file}, line ${line}`;
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
    // Where the backup cannot be opened, the table tells it, perhaps with its line.
    const isTold = problems.some(({ message }) =>
      message === found.message || message.endsWith(`: ${found.message}`)
    );
    if (!isTold) problems.push(found);
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
