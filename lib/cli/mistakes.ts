import { shellWords } from "../bytes/shell_words.ts";
import { nearestName } from "../bytes/nearest_name.ts";
import { tableTypes } from "../open.ts";
import type { CommandLine } from "./command_line.ts";
import { isOption, suggestOption, usageOf } from "./options.ts";
import { postmapOptions } from "./postmap_options.ts";
import { subcommands } from "./subcommands/subcommands.ts";

// Error messages for invalid command lines, with the command that was probably
// meant.

const actions = "-q KEY, -d KEY, -i, -s";
const exampleTable = "memcache:/etc/postfix/aliases.cf";

/** For a command line that begins with an unknown word. */
export function explainUnknownWord(args: readonly string[]): string {
  const [word, ...rest] = args;
  if (rest.some(isOption) && word.includes("/")) {
    return explainMisplacedOptions(args);
  }
  const unknown = `there is no subcommand "${word}": `;
  const known = [...Object.keys(subcommands), "help", "version"];
  const suggestion = nearestName(word, known);
  if (suggestion !== undefined) return `${unknown}did you mean ${suggestion}?`;
  if (word.includes("/")) {
    return `a table is type:name, such as ${exampleTable}, not ${word}: ` +
      `give one of ${actions} before it; try --help`;
  }
  const option = suggestOption(word, postmapOptions);
  if (option !== undefined) {
    return `${unknown}did you mean ${usageOf(option)} (${option.help})?`;
  }
  if (rest.length > 0 && rest.every(isTable)) {
    return `${unknown}to look it up as a key: ${command(["-q", ...args])}`;
  }
  return `${unknown}there are ${known.join(", ")}; try --help`;
}

/**
 * For a command line without -q, -d, -i and -s. `operands` are the arguments
 * after the options.
 */
export function explainMissingAction(
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
  if (rest.some(isOption)) return explainMisplacedOptions(args);
  if (table !== undefined && isTable(table)) {
    return explainTableWithoutAction(table, options);
  }
  if (options.length > 0 && options.every((option) => /^-h+$/.test(option))) {
    return 'nothing to do: -h is for the headers of a mail, with "-q -", as ' +
      "with postmap; for help: --help";
  }
  return `nothing to do: give one of ${actions}; try --help`;
}

// The types for which postmap makes a table from the source file of that name.
const typesMadeFromSource = ["btree", "cdb", "dbm", "hash", "lmdb", "sdbm"];

function explainTableWithoutAction(
  table: string,
  options: readonly string[],
): string {
  const colon = table.indexOf(":");
  const type = table.slice(0, colon);
  const path = table.slice(colon + 1);
  const suggestion = nearestName(type, tableTypes);
  if (suggestion !== undefined && suggestion !== type) {
    return `there is no table type "${type}": did you mean ${suggestion}:${path}?`;
  }
  const start = `nothing to do with ${table}: -q KEY looks a key up`;
  const fromSource = typesMadeFromSource.includes(type);
  if (!fromSource && !["kv", "memcache", "proxy"].includes(type)) {
    return `${start}, -s lists the table`;
  }
  return `${start}, -d KEY deletes one, -s lists the table; to store entries: ` +
    command(["-i", ...options, table]) +
    ` < ${fromSource ? shellWords(path) : "FILE"}`;
}

/** For a command line without a table. */
export function explainMissingTable(
  action: CommandLine["action"],
  key: string,
): string {
  const option = action === "lookup" ? "-q" : "-d";
  return isTable(key)
    ? `no table: ${option} takes a key first: ${command([option, "KEY", key])}`
    : `no table: name at least one, such as ${exampleTable}`;
}

/** For options that come after the tables. */
export function explainMisplacedOptions(args: readonly string[]): string {
  const { options, others } = separateOptions(args);
  return "options come before the tables: " +
    command([...options, ...others]);
}

const lettersWithArgument = postmapOptions
  .map(({ letter, argument }) => argument && letter).join("");

// A cluster of letters whose last one takes the next argument as its own.
const takesNextArgument = new RegExp(
  `^-[^-${lettersWithArgument}]*[${lettersWithArgument}]$`,
);

/** Separates options and their arguments from all other arguments. */
function separateOptions(
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
      if (takesNextArgument.test(argument)) {
        options.push(...args.slice(++at, at + 1));
      }
    }
  }
  return { options, others };
}

function isTable(argument: string): boolean {
  return /^[\w-]+:/.test(argument);
}

/** Formats a command for a shell. */
function command(args: readonly string[]): string {
  return shellWords("memcache-table", ...args);
}
