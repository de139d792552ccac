import type { MessageQuery } from "./message/message_keys.ts";

/** An invalid command line. The message says what is wrong and how to fix it. */
export class UsageError extends Error {
  override name = "UsageError";
}

/** A parsed command line. */
export interface CommandLine {
  /** What to do. */
  readonly action: "lookup" | "delete" | "load" | "list" | "help" | "version";
  /** The key of a lookup or delete; `-` for standard input. */
  readonly key: string;
  /** The names of the tables, `type:name`. */
  readonly tables: readonly string[];
  /** `-f`: keys are not folded. */
  readonly fold: boolean;
  /** `-b`, `-h`, `-m`: which lines of the message on standard input are keys. */
  readonly message: MessageQuery | undefined;
  /**
   * `-U`: true. `-u`, `-b` or `-h`: false. Otherwise `undefined`: main.cf decides.
   */
  readonly utf8: boolean | undefined;
  /** `-j`: the output is JSON. */
  readonly json: boolean;
  /** `-F`: the table stores the content of files as base64. */
  readonly fileValues: boolean;
  /** `-r` and `-w`: what to do with a key that exists already. */
  readonly duplicates: "warn" | "replace" | "ignore";
  /** `-c`: the directory of main.cf. */
  readonly configDirectory: string | undefined;
  /** How often `-v` was given. */
  readonly verbose: number;
}

/** Whether a command looks up the one key that it names. */
export function isSingleLookup({ action, key }: CommandLine): boolean {
  return action === "lookup" && key !== "-";
}

/**
 * Parses the most common command line, `-q KEY TABLE…`. Returns `undefined` for
 * any other one. Loading the full parser would take a tenth of the time of such
 * a command.
 */
export function plainLookup(args: readonly string[]): CommandLine | undefined {
  const [option, key, ...tables] = args;
  if (option !== "-q" || tables.length === 0) return undefined;
  for (const table of tables) {
    if (table.startsWith("-")) return undefined;
  }
  return {
    action: "lookup",
    key,
    tables,
    message: undefined,
    fold: true,
    utf8: undefined,
    json: false,
    fileValues: false,
    duplicates: "warn",
    configDirectory: undefined,
    verbose: 0,
  };
}
