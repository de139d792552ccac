import type { MessageQuery } from "./message/message_keys.ts";

/** A command line that makes no sense; the message says why, and the cure. */
export class UsageError extends Error {
  override name = "UsageError";
}

/** What the command line asks for. */
export interface CommandLine {
  /** The one thing to do. */
  readonly action: "lookup" | "delete" | "load" | "list" | "help" | "version";
  /** The key of a lookup or delete; `-` for standard input. */
  readonly key: string;
  /** The tables, `type:name`. */
  readonly tables: readonly string[];
  /** `-f`: keys are not folded. */
  readonly fold: boolean;
  /** `-b`, `-h`, `-m`: which lines of the message on standard input are keys. */
  readonly message: MessageQuery | undefined;
  /**
   * `-u` is false, and so are `-b` and `-h`; `-U` is true; else the mail system
   * decides.
   */
  readonly utf8: boolean | undefined;
  /** `-j`: output is JSON. */
  readonly json: boolean;
  /** `-F`: values are base64 of the content of files. */
  readonly fileValues: boolean;
  /** `-r` and `-w`: what happens to entries that exist. */
  readonly duplicates: "warn" | "replace" | "ignore";
  /** `-c`: the directory of main.cf. */
  readonly configDirectory: string | undefined;
  /** How often `-v` was given. */
  readonly verbose: number;
}

/**
 * The command line `-q KEY TABLE…`, the most common of all; `undefined` for any
 * other. It needs no parser, and a parser takes a tenth of the time that such a
 * command has.
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
