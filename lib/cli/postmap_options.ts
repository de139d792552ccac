import type { Option } from "./options.ts";

/** `-c`, for all commands. */
export const configDirectory: Option = {
  letter: "c",
  argument: "DIR",
  help: "the directory of main.cf",
  detail: "By default the environment variable MAIL_CONFIG, or /etc/postfix.",
  words: ["config", "config-directory", "config-dir"],
};

/** `-u` and `-U`, for all commands. */
export const utf8Options: readonly Option[] = [
  {
    letter: "u",
    help: "UTF-8 support off",
    detail:
      "Keys and values may be any bytes. By default smtputf8_enable of main.cf " +
      "decides, but with -b and -h UTF-8 support is off.",
    words: ["no-utf8"],
  },
  {
    letter: "U",
    help: "UTF-8 support on",
    detail: "Keys and values that are not UTF-8 are refused.",
    words: ["utf8"],
  },
];

/** `-v`, for all commands. */
export const verbose: Option = {
  letter: "v",
  help: "print details",
  detail:
    "Details go to standard error. Giving it more than once is allowed, as in " +
    "postmap, but changes nothing.",
  words: ["verbose", "debug"],
};

/** `--help`, for all commands. */
export const helpOption: Option = {
  name: "help",
  help: "print help",
  words: ["?", "h", "usage"],
};

/** `-f`, for commands that look keys up. */
export const noFolding: Option = {
  letter: "f",
  help: "do not fold keys",
  detail: "Keys are used as they are, not converted to lower case.",
  words: ["no-fold", "fold", "case"],
};

const ofMails =
  "with -q -: keys are lines of a mail: body, headers, MIME headers";
const noEffect = "options of postmap that have no effect here";

/** The options of postmap, `--help` and `--version`. */
export const postmapOptions: readonly Option[] = [
  {
    letter: "q",
    argument: "KEY",
    help: 'look up KEY; with "-", keys from standard input, one per line',
    detail:
      "Prints the value of KEY in the first table that has it. With -q -, prints " +
      "KEY<TAB>VALUE for each key that is found, in the order of the keys. The " +
      "exit status is 0 if a key was found, otherwise 1.",
    words: ["query", "lookup", "look-up", "get", "find", "search"],
  },
  {
    letter: "d",
    argument: "KEY",
    help: 'delete KEY from all tables; with "-", keys from standard input',
    detail: "The exit status is 0 if a table had a key, otherwise 1.",
    words: ["delete", "remove", "unset", "rm", "del"],
  },
  {
    letter: "i",
    help: 'store entries from standard input: lines of the form "key value"',
    detail:
      "A line that begins with white space continues the previous line. A line " +
      "that begins with # is a comment. A key in double quotes may contain white " +
      "space. A line that cannot be stored is skipped with a warning; then the " +
      "exit status is 1.",
    words: ["insert", "import", "load", "store", "add", "set", "put", "update"],
  },
  {
    letter: "s",
    help: "list the table: one line KEY<TAB>VALUE for each entry",
    detail: "For a memcache table, this lists its backup.",
    words: ["list", "sequence", "dump", "show", "print", "export"],
  },
  {
    letter: "j",
    help: "print JSON",
    detail: 'With -q and -s, each entry is one line {"key": "value"}.',
    words: ["json"],
  },
  noFolding,
  configDirectory,
  verbose,
  {
    letter: "r",
    help: "replace existing entries",
    detail:
      "With -i, for tables that do not replace entries by default, such as kv: " +
      "and hash:. Without -r and -w such a table keeps the old value, with a " +
      "warning.",
    words: ["replace", "overwrite"],
  },
  {
    letter: "w",
    help: "keep existing entries",
    detail: "As without -r, but without a warning.",
    words: ["keep", "ignore-duplicates"],
  },
  ...utf8Options,
  {
    letter: "F",
    help: "values are files",
    detail:
      "The table stores the content of files as base64. Lookups print the " +
      "content. With -i, and in inline:, static:, texthash:, regexp:, pcre: and " +
      "cidr: tables, a value is a list of file names.",
    words: ["files", "file-values"],
  },
  {
    letter: "b",
    help: ofMails,
    detail:
      "Standard input is a mail. Each line of its body is a key. With -m, " +
      "headers of attachments do not belong to the body. UTF-8 support is off, " +
      "unless -U is given.",
    words: ["body"],
  },
  {
    letter: "h",
    help: ofMails,
    detail:
      "Standard input is a mail. Each header is a key, including the lines that " +
      "continue it. With -m, headers of attachments are keys too. UTF-8 support " +
      "is off, unless -U is given.",
    words: ["header", "headers"],
  },
  {
    letter: "m",
    help: ofMails,
    detail:
      "With -b or -h: headers of attachments and of attached mails are treated " +
      "as headers, not as lines of the body.",
    words: ["mime"],
  },
  { letter: "N", help: noEffect },
  { letter: "n", help: noEffect },
  { letter: "o", help: noEffect },
  { letter: "p", help: noEffect },
  helpOption,
  {
    letter: "V",
    name: "version",
    help: "print the version",
  },
];
