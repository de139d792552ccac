import { MailSystem } from "../../system/mail_system.ts";
import { byteText, type Text, utf8Text } from "../../bytes/text.ts";
import type { OpenOptions } from "../../table.ts";
import { UsageError } from "../command_line.ts";
import type { HelpPage } from "../help_page.ts";
import { type Option, type ParsedArguments, parseOptions } from "../options.ts";
import {
  configDirectory,
  helpOption,
  utf8Options,
  verbose,
} from "../postmap_options.ts";
import { untilInterrupted } from "../interruption.ts";
import { Output, Report } from "../streams.ts";
import { terminal } from "../terminal.ts";

/** A subcommand. */
export interface Subcommand {
  /** Its help page, without the options. */
  readonly page: Omit<HelpPage, "options">;
  /** Its options, without those of all subcommands. */
  readonly options: readonly Option[];
  /** Runs it. Returns the exit status. */
  run(invocation: Invocation): Promise<number>;
}

/** The arguments and the environment of a subcommand. */
export interface Invocation {
  /** The arguments that are not options, mostly names of tables. */
  readonly operands: readonly string[];
  /** Whether an option was given. */
  readonly flag: (name: string) => boolean;
  /** The value of an option; `undefined` if it was not given. */
  readonly value: (name: string) => string | undefined;
  /** The values of an option that may be given more than once. */
  readonly values: (name: string) => readonly string[];
  /** The encoding of the tables. */
  readonly text: Text;
  /** Options for opening tables, without `write`. */
  readonly tableOptions: OpenOptions;
  /** Standard error. */
  readonly report: Report;
  /** Standard output; always UTF-8. */
  readonly output: Output;
}

/** `-j`, for subcommands that have it. */
export const json: Option = {
  letter: "j",
  help: "print JSON",
  words: ["json"],
};

/** The options of all subcommands. */
const commonOptions: readonly Option[] = [
  configDirectory,
  ...utf8Options,
  verbose,
  helpOption,
];

/** The help page of a subcommand. */
export function helpPageOf({ page, options }: Subcommand): HelpPage {
  return { ...page, options: [...options, ...commonOptions] };
}

/** Parses the arguments after the subcommand's name. */
export function parseArguments(
  { options }: Subcommand,
  args: readonly string[],
): ParsedArguments {
  return parseOptions(args, {
    options: [...options, ...commonOptions],
    anywhere: true,
  });
}

/** Runs a subcommand. Returns the exit status. */
export async function runSubcommand(
  subcommand: Subcommand,
  parsed: ParsedArguments,
): Promise<number> {
  const report = new Report(parsed.has("v"));
  const configDirectory = parsed.value("c");
  // Tables that read main.cf as well do not repeat its warnings.
  const told = new Set<string>();
  const mail = new MailSystem({
    configDirectory,
    onWarning: (message) => {
      told.add(message);
      report.warning(message);
    },
  });
  const utf8 = parsed.has("u")
    ? false
    : parsed.has("U")
    ? true
    : await mail.smtputf8();
  const text = utf8 ? utf8Text : byteText;
  return await subcommand.run({
    operands: parsed.operands,
    flag: (name) => parsed.has(name),
    value: (name) => parsed.value(name),
    values: (name) => parsed.values(name),
    text,
    tableOptions: {
      utf8,
      configDirectory,
      kvLibrary: terminal.kvLibrary,
      onWarning: (message) => {
        if (!told.has(message)) report.warning(message);
      },
      onDetail: report.detail,
    },
    report,
    output: new Output(utf8Text),
  });
}

/** Has SIGINT and SIGTERM end a subcommand as a failure does. */
export function interruptible(run: Subcommand["run"]): Subcommand["run"] {
  return (invocation) =>
    untilInterrupted((signal) =>
      run({
        ...invocation,
        tableOptions: { ...invocation.tableOptions, signal },
      })
    );
}

/** The only table of a command. Throws {@linkcode UsageError} if there is not one. */
export function oneTable(name: string, { operands }: Invocation): string {
  if (operands.length === 1) return operands[0];
  throw new UsageError(
    operands.length === 0
      ? `no table: name one, as in memcache-table ${name} memcache:/etc/postfix/cache.cf`
      : `${name} takes one table, not ${operands.length}: ${
        operands.join(" ")
      }`,
  );
}
