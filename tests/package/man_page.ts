// Makes the manual page, memcache-table(1), of what `--help` knows.
import { tableTypeRows, version } from "../../lib/cli/help.ts";
import type { HelpPage } from "../../lib/cli/help_page.ts";
import type { Option } from "../../lib/cli/options.ts";
import { postmapOptions } from "../../lib/cli/postmap_options.ts";
import type { ReferencePage } from "../../lib/cli/reference/page.ts";
import { referencePages } from "../../lib/cli/reference/pages.ts";
import { helpPageOf } from "../../lib/cli/subcommands/subcommand.ts";
import { subcommands } from "../../lib/cli/subcommands/subcommands.ts";

const program = "memcache-table";

/** A text for roff: what it would take for a command is escaped. */
function plain(text: string): string {
  return text.replaceAll("\\", "\\e").replaceAll("-", "\\-")
    .replace(/^([.'])/gm, "\\&$1");
}

const bold = (text: string) => `\\fB${plain(text)}\\fR`;
const italic = (text: string) => `\\fI${plain(text)}\\fR`;

function heading(text: string): string {
  return `.SH "${plain(text.toUpperCase())}"`;
}

/** A term, and the text that explains it. */
function definition(term: string, text: string): string[] {
  return [".TP", term, text];
}

function optionLines(option: Option): string[] {
  const { letter, name, argument, help, detail } = option;
  const names = [
    ...(letter === undefined ? [] : [`-${letter}`]),
    ...(name === undefined ? [] : [`--${name}`]),
  ].map(bold).join(", ");
  const term = argument === undefined ? names : `${names} ${italic(argument)}`;
  const standard = option.default === undefined
    ? ""
    : ` The default is ${option.default}.`;
  const text = `${help}.${detail === undefined ? "" : ` ${detail}`}${standard}`;
  // A name, such as inet:HOST, stays as it is.
  const isWord = /^[a-z]+ /.test(text);
  return definition(
    term,
    plain(isWord ? text[0].toUpperCase() + text.slice(1) : text),
  );
}

function code(lines: readonly string[]): string[] {
  return [".PP", ".RS 4", ".nf", ...lines.map(plain), ".fi", ".RE"];
}

/** The options of a subcommand that other subcommands do not have. */
function subcommandLines(name: string, page: HelpPage): string[] {
  const { usage, about, options, notes = [], examples, exitStatus } = page;
  const common = new Set(postmapOptions.map(({ letter }) => letter));
  const own = options.filter(({ letter, name }) =>
    name !== "help" && (letter === undefined || !common.has(letter))
  );
  return [
    `.SS "${plain(`${program} ${name}`)}"`,
    ...usage.flatMap((line) => [".PP", bold(`${program} ${line}`)]),
    ".PP",
    plain(about),
    ...own.flatMap(optionLines),
    ...(notes.length > 0 ? code(notes) : []),
    ...code(examples),
    ".PP",
    plain(`Exit status: ${exitStatus}`),
  ];
}

function referenceLines(page: ReferencePage): string[] {
  const { title, intro, terms = [], facts = [] } = page;
  return [
    heading(title),
    ...intro.flatMap((text) => [".PP", plain(text)]),
    ...terms.flatMap(([term, text]) => definition(bold(term), plain(text))),
    ...facts.flatMap((text) => [".IP \\(bu 3", plain(text)]),
  ];
}

/** The manual page, as roff. */
export async function manPage(): Promise<string> {
  const pages = await Promise.all(
    Object.entries(subcommands).map(async ([name, { load }]) =>
      subcommandLines(name, helpPageOf(await load()))
    ),
  );
  const lines = [
    `.TH MEMCACHE\\-TABLE 1 "" "${program} ${plain(version)}"`,
    // Long words make wide gaps where lines have the same length.
    ".ad l",
    ".nh",
    heading("Name"),
    `${plain(program)} \\- read and write tables of Postfix, and serve them`,
    heading("Synopsis"),
    `${bold(program)} [${italic("options")}] ${italic("type:name")} ...`,
    ".br",
    `${bold(program)} ${italic("SUBCOMMAND")} ...`,
    ".br",
    `${bold(program)} ${bold("help")} [${italic("SUBJECT")}]`,
    heading("Description"),
    plain(
      "Looks up, stores, deletes and lists keys in tables of Postfix, as " +
        "postmap(1) does, with the same options. It also writes to tables of " +
        "memcache_table(5), keeps a persistent backup of them, and serves any " +
        "table to Postfix.",
    ),
    heading("Options"),
    ...postmapOptions.flatMap(optionLines),
    heading("Subcommands"),
    ".PP",
    plain(
      "Each takes the options -c, -u, -U and -v as well. An option may stand " +
        "anywhere behind the name of the subcommand.",
    ),
    ...pages.flat(),
    heading("Tables"),
    ...tableTypeRows.flatMap(([term, text]) =>
      definition(bold(term), plain(text))
    ),
    ...Object.values(referencePages).flatMap(referenceLines),
    heading("Exit status"),
    plain("0 found or done, 1 not found or failed."),
    heading("Environment"),
    ...definition(
      bold("MAIL_CONFIG"),
      plain("The directory of main.cf, unless -c names one."),
    ),
    ...definition(
      bold("DENO_KV_ACCESS_TOKEN"),
      plain("The access token of kv:https://HOST/PATH tables."),
    ),
    ...definition(
      bold("CREDENTIALS_DIRECTORY"),
      plain("Where password_file = credential:NAME finds its file."),
    ),
    heading("Examples"),
    ...code([
      `${program} -q alice@example.com memcache:/etc/postfix/aliases.cf`,
      `${program} -q - memcache:/etc/postfix/aliases.cf < keys`,
      `${program} sync memcache:/etc/postfix/aliases.cf < aliases`,
    ]),
    heading("See also"),
    plain(
      "postmap(1), memcache_table(5), socketmap_table(5), postconf(5), memcached(1)",
    ),
  ];
  return lines.join("\n") + "\n";
}
