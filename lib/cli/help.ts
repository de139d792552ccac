import { utf8Text } from "../bytes/text.ts";
import { nearestName } from "../bytes/nearest_name.ts";
import { commit } from "./commit.ts";
import { UsageError } from "./command_line.ts";
import {
  formatOption,
  formatPage,
  formatReference,
  inColumns,
} from "./help_page.ts";
import { spelling, suggestOption } from "./options.ts";
import { postmapOptions } from "./postmap_options.ts";
import { referencePages } from "./reference/pages.ts";
import { Output } from "./streams.ts";
import { helpPageOf } from "./subcommands/subcommand.ts";
import { subcommands } from "./subcommands/subcommands.ts";

/** The version of the module. A test checks that deno.json has the same. */
export const version = "0.1.0";

/** What `--version` prints. */
export const versionLine = `memcache-table ${version}${
  commit === undefined ? "" : ` (${commit})`
}\n`;

/** The help page without a subject. */
function mainPage(): string {
  const rows = Object.entries(subcommands).map(
    ([name, { summary }]) => [name, summary] as const,
  );
  return formatPage({
    usage: ["[options] type:name ... | SUBCOMMAND ... | help [SUBJECT]"],
    about: "Reads and writes Postfix tables. " +
      'SUBJECT: a subcommand, an option, or "topics".',
    options: postmapOptions,
    notes: inColumns(rows),
    examples: [
      "memcache-table -q alice@example.com memcache:/etc/postfix/aliases.cf",
    ],
    exitStatus: "0 found or done, 1 not found or failed.",
  });
}

/** The table types, each with what follows the colon, and their explanation. */
export const tableTypeRows = [
  ["memcache:/path/file", "a file with the parameters of memcache_table(5)"],
  ["memcache:name", "parameters name_memcache, name_ttl, ... of main.cf"],
  ["memcache:{ ttl=60 }", "the parameters themselves"],
  [
    "kv:/path/file",
    "a table in a Deno KV database, created when needed",
  ],
  ["kv:https://HOST/PATH", "the same on another machine, with an access token"],
  ["kv:/path#NAME", "one of several tables in the same database"],
  ["kv:", "the default database of the platform"],
  ["inline:{k=v, ...}", "the entries themselves; read-only"],
  ["static:value", "one value for every key; read-only"],
  ["texthash:/path/file", "a source file of postmap; read-only"],
  ["proxy:type:name", "a table behind Postfix's proxymap(8)"],
  ["fail:reason", "always fails; for tests"],
  ["hash:/path ...", "any type of the installed Postfix (postconf -m)"],
] as const;

function tablesPage(): string {
  return [
    "Tables are named type:name.",
    "",
    ...inColumns(tableTypeRows),
    "",
    "The parameters of a memcache table: memcache-table help parameters. Its backup",
    "and its domain list may be tables of any type.",
    "",
    '  memcache-table -q alice "memcache:{ key_format = a:%s, backup = kv:/tmp/a }"',
    "",
  ].join("\n");
}

function topicsPage(): string {
  return [
    "There is help on each subcommand, on each option, and on these topics:",
    "",
    ...inColumns([
      ["tables", "the types of tables, and how a table is named"],
      ...Object.entries(referencePages).map(([name, { summary }]) =>
        [name, summary] as const
      ),
    ]),
    "",
    "  memcache-table help parameters",
    "",
  ].join("\n");
}

/**
 * The help text on a subject, or the main page if none is given. Throws
 * {@linkcode UsageError} for a subject that does not exist.
 */
export async function helpOn(subjects: readonly string[]): Promise<string> {
  // "--help TABLE": the main page says what can be done with a table.
  const [subject, ...more] = subjects.filter((name) => !name.includes(":"));
  if (more.length > 0) {
    throw new UsageError(`help takes one subject, not ${more.length + 1}`);
  }
  if (subject === undefined || subject === "help") return mainPage();
  if (subject === "tables") return tablesPage();
  if (subject === "topics") return topicsPage();
  if (Object.hasOwn(referencePages, subject)) {
    return formatReference(referencePages[subject]);
  }
  if (Object.hasOwn(subcommands, subject)) {
    return formatPage(helpPageOf(await subcommands[subject].load()));
  }
  const option = postmapOptions.find(({ letter, name }) =>
    subject === `-${letter}` || subject === `--${name}` || subject === name
  );
  if (option !== undefined) return formatOption(option);
  const known = [
    "topics",
    "tables",
    ...Object.keys(referencePages),
    ...Object.keys(subcommands),
  ];
  const near = suggestOption(subject, postmapOptions);
  const suggestion = nearestName(subject, known) ?? (near && spelling(near));
  throw new UsageError(
    `there is no help on "${subject}": ` +
      (suggestion === undefined
        ? `there is some on ${known.join(", ")}, and on each option`
        : `did you mean ${suggestion}?`),
  );
}

/** Prints a text of `--help` or `--version`. Returns the exit status. */
export async function printText(text: string): Promise<number> {
  const output = new Output(utf8Text);
  await output.write(text);
  await output.flush();
  return 0;
}
