// The part of @std/cli's parseArgs that the tests use: its npm copy has no types.

/** Options of {@linkcode parseArgs}. */
export interface ParseOptions {
  /** Names of options without a value. */
  boolean: readonly string[];
  /** Names of options with a value. */
  string: readonly string[];
  /** Names of options that may be given more than once. */
  collect: readonly string[];
}

/** The arguments, taken apart. */
export interface Arguments {
  /** What is no option. */
  _: string[];
  /** The options by name. */
  [name: string]: boolean | string[];
}

/** Takes command-line arguments apart. */
export function parseArgs(args: string[], options: ParseOptions): Arguments;
