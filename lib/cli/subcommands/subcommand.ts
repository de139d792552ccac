import { MailSystem } from "../../system/mail_system.ts";
import { byteText, type Text, utf8Text } from "../../bytes/text.ts";
import type { OpenOptions } from "../../table.ts";
import { UsageError } from "../command_line.ts";
import type { HelpPage } from "../help_page.ts";
import { type Option, type Parsed, parseOptions } from "../options.ts";
import {
  configDirectory,
  helpOption,
  utf8Options,
  verbose,
} from "../postmap_options.ts";
import { Output, Report } from "../streams.ts";
import { terminal } from "../terminal.ts";

/** A subcommand: what it takes, and what it does. */
export interface Subcommand {
  /** What `--help` says of it, beside the options. */
  readonly page: Omit<HelpPage, "options">;
  /** Its own options, beside those that all have. */
  readonly options: readonly Option[];
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
  /** The values of an option that may be given more than once. */
  readonly values: (name: string) => readonly string[];
  /** How strings stand for bytes. */
  readonly text: Text;
  /** Options for the tables that it opens; `write` is up to it. */
  readonly tableOptions: OpenOptions;
  /** Standard error. */
  readonly report: Report;
  /** Standard output; text for a person or a script, whatever tables hold. */
  readonly output: Output;
}

/** `-j`, of those that have it. */
export const json: Option = {
  letter: "j",
  help: "print JSON",
  words: ["json"],
};

/** Options of all subcommands. */
const commonOptions: readonly Option[] = [
  configDirectory,
  ...utf8Options,
  verbose,
  helpOption,
];

/** What `--help` says of a subcommand. */
export function pageOf({ page, options }: Subcommand): HelpPage {
  return { ...page, options: [...options, ...commonOptions] };
}

/** Takes the arguments after the subcommand's name apart. */
export function parseArguments(
  { options }: Subcommand,
  args: readonly string[],
): Parsed {
  return parseOptions(args, {
    options: [...options, ...commonOptions],
    anywhere: true,
  });
}

/** Does what a subcommand was called for, unless it was `--help`. */
export async function runSubcommand(
  subcommand: Subcommand,
  parsed: Parsed,
): Promise<number> {
  const report = new Report(parsed.has("v"));
  const configDirectory = parsed.value("c");
  const mail = new MailSystem({ configDirectory, onWarning: report.warning });
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
      connect: terminal.connect,
      kvLibrary: terminal.kvLibrary,
      onWarning: report.warning,
      onDetail: report.detail,
    },
    report,
    output: new Output(utf8Text),
  });
}

/** The one table that a subcommand takes. Throws {@linkcode UsageError}. */
export function oneTable(name: string, { operands }: Given): string {
  if (operands.length === 1) return operands[0];
  throw new UsageError(
    operands.length === 0
      ? `no table: name one, as in memcache-table ${name} memcache:/etc/postfix/cache.cf`
      : `${name} takes one table, not ${operands.length}: ${
        operands.join(" ")
      }`,
  );
}
