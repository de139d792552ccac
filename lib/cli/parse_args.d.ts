// The part of @std/cli's parseArgs that the command line uses: its npm copy has
// no types of its own.

/** Options of {@linkcode parseArgs}. */
export interface ParseOptions {
  /** Names of options without a value. */
  boolean: readonly string[];
  /** Names of options with a value. */
  string: readonly string[];
  /** Names of options that may be given more than once. */
  collect: readonly string[];
  /** Called with each argument that is not named above. */
  unknown: (argument: string) => void;
  /** Keep what follows `--` apart. */
  "--"?: true;
}

/** The arguments, taken apart. */
export interface Arguments {
  /** What follows `--`, where that is kept apart. */
  "--": string[];
  /** What is no option. */
  _: string[];
  /** The options by name. */
  [name: string]: boolean | string[] | boolean[];
}

/** Takes command-line arguments apart. */
export function parseArgs(args: string[], options: ParseOptions): Arguments;
