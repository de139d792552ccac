import type { Option } from "./options.ts";

/** The directory of main.cf, an option of everything. */
export const configDirectory: Option = {
  letter: "c",
  argument: "DIR",
  help: "the directory of main.cf",
  detail: "Without it the environment's MAIL_CONFIG, else /etc/postfix.",
  words: ["config", "config-directory", "config-dir"],
};

/** UTF-8 support, options of everything. */
export const utf8Options: readonly Option[] = [
  {
    letter: "u",
    help: "UTF-8 support off",
    detail:
      "Keys and values are any bytes. Without -u and -U, smtputf8_enable " +
      "of main.cf decides; with -b and -h UTF-8 support is off.",
    words: ["no-utf8"],
  },
  {
    letter: "U",
    help: "UTF-8 support on",
    detail: "Keys and values that are not UTF-8 are refused.",
    words: ["utf8"],
  },
];

/** Details on standard error, an option of everything. */
export const verbose: Option = {
  letter: "v",
  help: "say what is done",
  detail:
    "Details go to standard error. May be given more than once, as with " +
    "postmap; once is enough.",
  words: ["verbose", "debug"],
};

/** `--help`, an option of everything. */
export const helpOption: Option = {
  name: "help",
  help: "say how it is used",
  words: ["?", "h", "usage"],
};

/** Keys as they are written, an option of what looks up. */
export const noFolding: Option = {
  letter: "f",
  help: "do not fold keys",
  detail: "Keys are taken as they are written, not in lower case.",
  words: ["no-fold", "fold", "case"],
};

const ofMails =
  "with -q -: keys are lines of a mail: body, headers, MIME headers";
const noEffect = "postmap has them; here they have no effect";

/** postmap's options, and how to get help. */
export const postmapOptions: readonly Option[] = [
  {
    letter: "q",
    argument: "KEY",
    help: 'look KEY up; with "-" the keys of standard input, one a line',
    detail:
      "Prints the value in the first table that has the key. For the keys " +
      "of standard input it prints KEY<TAB>VALUE, in their order, for those that " +
      "are found. The exit status is 0 when a key was found, else 1.",
    words: ["query", "lookup", "look-up", "get", "find", "search"],
  },
  {
    letter: "d",
    argument: "KEY",
    help: 'delete KEY from every table; with "-" the keys of standard input',
    detail: "The exit status is 0 when a table had a key, else 1.",
    words: ["delete", "remove", "unset", "rm", "del"],
  },
  {
    letter: "i",
    help: 'store the lines of standard input, "key value", in the table',
    detail:
      "A line that begins with white space continues the one before, and " +
      "one that begins with # is a comment. A key in double quotes may hold " +
      "white space. A line that cannot be stored is left out with a warning; " +
      "then the exit status is 1.",
    words: ["insert", "import", "load", "store", "add", "set", "put", "update"],
  },
  {
    letter: "s",
    help: "list the table: KEY<TAB>VALUE, a line for each entry",
    detail: "A memcache table lists its backup.",
    words: ["list", "sequence", "dump", "show", "print", "export"],
  },
  {
    letter: "j",
    help: "print JSON",
    detail: 'With -q and -s each entry is a line {"key": "value"}.',
    words: ["json"],
  },
  noFolding,
  configDirectory,
  verbose,
  {
    letter: "r",
    help: "replace what exists",
    detail:
      "With -i into a table that keeps what it has, such as kv: or hash:, " +
      "a new value replaces the old one. Without -r and -w the old one is kept, " +
      "with a warning.",
    words: ["replace", "overwrite"],
  },
  {
    letter: "w",
    help: "keep what exists",
    detail: "As without -r, but no warning says what was kept.",
    words: ["keep", "ignore-duplicates"],
  },
  ...utf8Options,
  {
    letter: "F",
    help: "values are files",
    detail:
      "The table keeps the content of files as base64. Lookups print the " +
      "content. What is stored with -i, and the values of inline:, static:, " +
      "texthash:, regexp:, pcre: and cidr:, are names of files.",
    words: ["files", "file-values"],
  },
  {
    letter: "b",
    help: ofMails,
    detail: "Standard input is a mail. Each line of its body is a key, up to " +
      "the end of the mail. With -m the headers of attachments are not body. " +
      "UTF-8 support is off, unless with -U.",
    words: ["body"],
  },
  {
    letter: "h",
    help: ofMails,
    detail:
      "With -q -: standard input is a mail. Each of its headers is a key, " +
      "together with the lines that continue it. With -m the headers of " +
      "attachments are keys too. UTF-8 support is off, unless with -U.",
    words: ["header", "headers"],
  },
  {
    letter: "m",
    help: ofMails,
    detail:
      "With -q - and -b or -h: attachments and attached mails are looked " +
      "into.",
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
