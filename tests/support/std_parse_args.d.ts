// Types of the part of @std/cli that the tests and tasks use: its npm copy has none.

/** Options of {@linkcode parseArgs}. */
export interface ParseOptions {
  /** Names of options without a value. */
  boolean?: readonly string[];
  /** Names of options with a value. */
  string?: readonly string[];
  /** Names of options that may be given more than once. */
  collect?: readonly string[];
  /** Called with each argument that is none of these. */
  unknown?: (argument: string) => unknown;
}

/** The parsed arguments. */
export interface Arguments {
  /** The arguments that are not options. */
  _: string[];
  /** The options by name. */
  [name: string]: boolean | string | string[] | undefined;
}

/** Parses command-line arguments. */
export function parseArgs(args: string[], options: ParseOptions): Arguments;
