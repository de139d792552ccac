import { nearestName } from "../bytes/nearest_name.ts";
import { tableTypes } from "../open.ts";
import type { CommandLine } from "./command_line.ts";
import { isOption, optionMeant, usageOf } from "./options.ts";
import { postmapOptions } from "./postmap_options.ts";
import { subcommands } from "./subcommands/subcommands.ts";

// Command lines that make no sense as they stand, and what was surely meant.

const actions = "-q KEY, -d KEY, -i, -s";
const exampleTable = "memcache:/etc/postfix/aliases.cf";

/** What is wrong with a command line that begins with a word that is no subcommand. */
export function whatWord(args: readonly string[]): string {
  const [word, ...rest] = args;
  if (rest.some(isOption) && word.includes("/")) return optionsFirst(args);
  const unknown = `there is no subcommand "${word}": `;
  const known = [...Object.keys(subcommands), "help", "version"];
  const meant = nearestName(word, known);
  if (meant !== undefined) return `${unknown}did you mean ${meant}?`;
  if (word.includes("/")) {
    return `a table is type:name, such as ${exampleTable}, not ${word}: ` +
      `give one of ${actions} before it; try --help`;
  }
  const option = optionMeant(word, postmapOptions);
  if (option !== undefined) {
    return `${unknown}did you mean ${usageOf(option)} (${option.help})?`;
  }
  if (rest.length > 0 && rest.every(isTable)) {
    return `${unknown}to look it up as a key: ${command(["-q", ...args])}`;
  }
  return `${unknown}there are ${known.join(", ")}; try --help`;
}

/**
 * What is wrong with a command line of postmap's kind that says nothing of what to
 * do: its arguments, and those of them that are no options.
 */
export function whatToDo(
  args: readonly string[],
  operands: readonly string[],
): string {
  const options = args.slice(0, args.length - operands.length);
  const [table, ...rest] = operands;
  const word = operands.find((operand) => Object.hasOwn(subcommands, operand));
  if (word !== undefined) {
    const others = args.filter((argument) => argument !== word);
    return `a subcommand comes first: ${command([word, ...others])}`;
  }
  if (rest.some(isOption)) return optionsFirst(args);
  if (table !== undefined && isTable(table)) {
    return whatWithTable(table, options);
  }
  if (options.length > 0 && options.every((option) => /^-h+$/.test(option))) {
    return 'nothing to do: -h is for the headers of a mail, with "-q -", as ' +
      "with postmap; for help: --help";
  }
  return `nothing to do: give one of ${actions}; try --help`;
}

// The types of which postmap makes a table from the source file of its name.
const madeFromSource = ["btree", "cdb", "dbm", "hash", "lmdb", "sdbm"];

function whatWithTable(table: string, options: readonly string[]): string {
  const colon = table.indexOf(":");
  const type = table.slice(0, colon);
  const path = table.slice(colon + 1);
  const meant = nearestName(type, tableTypes);
  if (meant !== undefined && meant !== type) {
    return `there is no table type "${type}": did you mean ${meant}:${path}?`;
  }
  const start = `nothing to do with ${table}: -q KEY looks a key up`;
  const fromSource = madeFromSource.includes(type);
  if (!fromSource && !["kv", "memcache", "proxy"].includes(type)) {
    return `${start}, -s lists the table`;
  }
  return `${start}, -d KEY deletes one, -s lists the table; to store entries: ` +
    `${command(["-i", ...options, table])} < ${fromSource ? path : "FILE"}`;
}

/** What is wrong with a command line that names no table. */
export function noTable(action: CommandLine["action"], key: string): string {
  const option = action === "lookup" ? "-q" : "-d";
  return isTable(key)
    ? `no table: ${option} takes a key first: ${command([option, "KEY", key])}`
    : `no table: name at least one, such as ${exampleTable}`;
}

/** What is wrong with options that stand behind the tables. */
export function optionsFirst(args: readonly string[]): string {
  const { options, others } = sorted(args);
  return "options come before the tables: " +
    command([...options, ...others]);
}

const lettersWithArgument = postmapOptions
  .map(({ letter, argument }) => argument && letter).join("");

// The first letter that takes an argument is the last of its cluster.
const takesNext = new RegExp(
  `^-[^-${lettersWithArgument}]*[${lettersWithArgument}]$`,
);

/** Options with their arguments, and all others, each in their order. */
function sorted(
  args: readonly string[],
): { options: string[]; others: string[] } {
  const options: string[] = [];
  const others: string[] = [];
  for (let at = 0; at < args.length; at++) {
    const argument = args[at];
    if (argument === "--") continue;
    if (!isOption(argument)) others.push(argument);
    else {
      options.push(argument);
      if (takesNext.test(argument)) options.push(...args.slice(++at, at + 1));
    }
  }
  return { options, others };
}

function isTable(argument: string): boolean {
  return /^[\w-]+:/.test(argument);
}

/** A command to type, in words of a shell. */
function command(args: readonly string[]): string {
  const words = args.map((argument) =>
    /^[\w@%+=:,./-]+$/.test(argument)
      ? argument
      : `'${argument.replaceAll("'", "'\\''")}'`
  );
  return ["memcache-table", ...words].join(" ");
}
