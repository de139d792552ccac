import type { MailSystem } from "../system/mail_system.ts";
import { ConfigError } from "../errors.ts";
import { readFile } from "../system/files.ts";
import {
  byteText,
  configByteString,
  configText,
  isUtf8,
  type Text,
  utf8Text,
} from "../bytes/text.ts";
import type { OpenOptions, Table, TableOptions } from "../table.ts";
import type { DriverTable, TableRules } from "./driver_table.ts";
import type { OptionKinds } from "./options.ts";

/**
 * How many tables may contain one another. The limit bounds the work: the text of
 * a table that is nested n levels deep is parsed n times.
 */
export const deepestNest = 20;

/** A request to open a table: the parameter of an {@linkcode Opener}. */
export interface Opening {
  /** The whole name, `type:name`. */
  readonly name: string;
  /** The name without its type. */
  readonly path: string;
  /** The options that the caller gave. */
  readonly options: OpenOptions;
  /** The rules that all types share. */
  readonly rules: TableRules;
  /** The Postfix on this machine. */
  readonly mail: MailSystem;
  /** The tables that contain this one, the outermost first. */
  readonly outer: readonly string[];
  /**
   * Called before a line of a source file is ignored because it is not UTF-8. Whoever
   * only assumes that UTF-8 support is on can throw an error then.
   */
  readonly onNotUtf8?: () => void;
  /** Opens a table that this one contains. */
  readonly open: (name: string, options: OpenOptions) => Promise<Table>;
  /** The configured backup of a memcache table; `undefined` without one. */
  readonly backupOf: (name: string) => Promise<string | undefined>;
}

/** The options that all tables have. */
export const tableOptionKinds: OptionKinds<TableOptions> = {
  write: "boolean",
  fold: "boolean",
  utf8: "boolean",
  configDirectory: "string",
  duplicates: ["warn", "replace", "ignore"],
  onRefusal: "function",
  signal: "object",
  onWarning: "function",
  onDetail: "function",
  onRecovery: "function",
  onEvent: "function",
  user: "string",
  password: "string",
  tls: "object",
  connect: "function",
  readFile: "function",
  openKv: "function",
  kvLibrary: "function",
  clock: "object",
};

/** The options of `openTable`. */
export const openOptionKinds: OptionKinds<OpenOptions> =
  // A bundler can drop an unused call, but not an unused spread.
  /* @__PURE__ */ (() => ({
    ...tableOptionKinds,
    fileValues: "boolean",
    securitySensitive: "boolean",
    daemonCache: "boolean",
    onDuplicate: "function",
    onFile: "function",
  }))();

/**
 * The options for a table that another table names. The secrets of a server are for
 * no other server.
 */
export function innerOptions<Options extends Partial<OpenOptions>>(
  { user: _user, password: _password, tls: _tls, ...options }: Options,
): Omit<Options, "user" | "password" | "tls"> {
  return options;
}

/** The rules that follow from these options. */
export function rulesOf(options: OpenOptions): TableRules {
  return {
    text: options.utf8 === false ? byteText : utf8Text,
    fold: options.fold ?? true,
    write: options.write ?? false,
    onWarning: options.onWarning!,
    onRefusal: options.onRefusal,
    signal: options.signal,
  };
}

/** Opens the tables of one type. */
export type Opener = (opening: Opening) => Promise<DriverTable>;

/**
 * Reads a file that a table names; `path` is a `configText`. Throws
 * {@linkcode ConfigError} when that fails.
 */
export async function readBytes(
  options: OpenOptions,
  path: string,
): Promise<Uint8Array> {
  if (options.readFile !== undefined && !isUtf8(path)) {
    throw new ConfigError(
      "its name is not UTF-8, and the readFile option takes names that are",
      { file: path },
    );
  }
  options.onFile?.(path);
  try {
    return await (options.readFile ?? readFile)(path);
  } catch (cause) {
    if (cause instanceof ConfigError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigError(`cannot be read: ${reason}`, { file: path, cause });
  }
}

/** Reads a configuration file as a `configText`. Throws as {@linkcode readBytes}. */
export async function readText(
  options: OpenOptions,
  path: string,
): Promise<string> {
  return configText(await readBytes(options, path));
}

/** Runs `parse`, and turns a RangeError into a ConfigError with the place. */
export function orConfigError<T>(
  name: string,
  where: { file?: string; line?: number },
  parse: () => T,
): T {
  try {
    return parse();
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new ConfigError(`${name}: ${cause.message}`, where);
  }
}

/**
 * Converts a `configText` to a key or value: to a byte string where UTF-8 is off.
 */
export function configuredText(text: Text, configured: string): string {
  return text.utf8 ? configured : configByteString(configured);
}

/** Converts a key or value to a `configText`. */
export function asConfigText(text: Text, string: string): string {
  return text.utf8 ? string : configText(text.encode(string));
}

/**
 * The handler of updates that kept the existing entry: `onDuplicate`, or a
 * warning.
 */
export function duplicateHandler(
  { name, options, rules }: Opening,
): (key: string) => void {
  return options.onDuplicate ?? ((key) => {
    if (options.duplicates === "ignore") return;
    rules.onWarning(`${name}: key "${key}" exists: keeping what it has`);
  });
}
