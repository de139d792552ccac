// @ts-types="../parse_args.d.ts"
import { parseArgs } from "@std/cli/parse-args";
import { MailSystem } from "../../system/mail_system.ts";
import { byteText, type Text, utf8Text } from "../../bytes/text.ts";
import type { TableOptions } from "../../table.ts";
import { UsageError } from "../command_line.ts";
import { describe } from "../help.ts";
import { Output, Report } from "../streams.ts";
import { terminal } from "../terminal.ts";

/** A subcommand: what it takes, and what it does. */
export interface Subcommand {
  /** What `--help` prints. */
  readonly help: string;
  /** Options without a value, beside `-v`, `-u`, `-U` and `--help`. */
  readonly flags: readonly string[];
  /** Options with a value, beside `-c`; each may be given once. */
  readonly values: readonly string[];
  /** Does it. Returns the exit status. */
  run(given: Given): Promise<number>;
}

/** What a subcommand was given to work with. */
export interface Given {
  /** What is no option: the names of tables, mostly. */
  readonly operands: readonly string[];
  /** Whether an option without a value was given. */
  readonly flag: (name: string) => boolean;
  /** The value of an option, `undefined` when it was not given. */
  readonly value: (name: string) => string | undefined;
  /** How strings stand for bytes. */
  readonly text: Text;
  /** Options for the tables that it opens; `write` is up to it. */
  readonly tableOptions: TableOptions;
  /** Standard error. */
  readonly report: Report;
  /** Standard output; text for a person or a script, whatever tables hold. */
  readonly output: Output;
}

const commonFlags = ["v", "u", "U", "help"];
const commonValues = ["c"];

/** Takes the arguments after the subcommand's name, and does it. */
export async function runSubcommand(
  subcommand: Subcommand,
  args: readonly string[],
): Promise<number> {
  const flags = [...commonFlags, ...subcommand.flags];
  const values = [...commonValues, ...subcommand.values];
  const parsed = parseArgs([...args], {
    boolean: flags,
    string: ["_", ...values],
    collect: values,
    unknown: (option) => {
      if (!option.startsWith("-") || option === "-") return;
      throw new UsageError(`unknown option ${option}; try --help`);
    },
  });
  const flag = (name: string) => parsed[name] === true;
  const value = (name: string) => {
    const all = parsed[name] as string[];
    const written = `${name.length === 1 ? "-" : "--"}${name}`;
    if (all.length > 1) throw new UsageError(`give ${written} only once`);
    if (all[0] === "") throw new UsageError(`${written} needs a value`);
    return all[0];
  };
  if (flag("help")) return await describe(subcommand.help);
  const report = new Report(flag("v"));
  const configDirectory = value("c");
  const mail = new MailSystem({ configDirectory, onWarning: report.warning });
  const utf8 = flag("u") ? false : flag("U") ? true : await mail.smtputf8();
  const text = utf8 ? utf8Text : byteText;
  return await subcommand.run({
    operands: parsed._,
    flag,
    value,
    text,
    tableOptions: {
      utf8,
      configDirectory,
      connect: terminal.connect,
      kvLibrary: terminal.kvLibrary,
      onWarning: report.warning,
      onDetail: report.detail,
    },
    report,
    output: new Output(utf8Text),
  });
}
