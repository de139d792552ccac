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

/**
 * How deep tables may nest. Each may stand in the text of the one before, which is
 * then read once for each level.
 */
export const deepestNest = 20;

/** What an opener of a table type is given. */
export interface Opening {
  /** The whole name, `type:name`. */
  readonly name: string;
  /** The name without its type. */
  readonly path: string;
  /** The options that the caller gave. */
  readonly options: OpenOptions;
  /** What all types have in common. */
  readonly rules: TableRules;
  /** The Postfix on this machine. */
  readonly mail: MailSystem;
  /** The tables that name this one, the outermost first. */
  readonly outer: readonly string[];
  /** Opens a table that this one names. */
  readonly open: (name: string, options: OpenOptions) => Promise<Table>;
  /** The backup that a memcache table has by its configuration, if it has one. */
  readonly backupOf: (name: string) => Promise<string | undefined>;
}

/** The names of all options that every table may be made with. */
export const tableOptionNames: Readonly<Record<keyof TableOptions, true>> = {
  write: true,
  fold: true,
  utf8: true,
  configDirectory: true,
  duplicates: true,
  onRefusal: true,
  signal: true,
  onWarning: true,
  onDetail: true,
  onRecovery: true,
  onEvent: true,
  connect: true,
  readFile: true,
  openKv: true,
  kvLibrary: true,
  clock: true,
};

/** The names of all options that a table may be opened with by its name. */
export const openOptionNames: Readonly<Record<keyof OpenOptions, true>> = {
  ...tableOptionNames,
  fileValues: true,
  securitySensitive: true,
  daemonCache: true,
  onDuplicate: true,
  onFile: true,
};

/** The rules of a table that is opened with these options. */
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

/** The bytes of a file that a table names. `path` is a `configText`. */
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

/** The `configText` of a configuration file that a table names. */
export async function readText(
  options: OpenOptions,
  path: string,
): Promise<string> {
  return configText(await readBytes(options, path));
}

/** Runs `parse`, and turns its RangeError into a ConfigError of `where`. */
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
 * A `configText` as keys and values are written: as its bytes, where they are
 * byte strings.
 */
export function configuredText(text: Text, configured: string): string {
  return text.utf8 ? configured : configByteString(configured);
}

/** The reverse: what a key or a value of a table is as a `configText`. */
export function asConfigText(text: Text, string: string): string {
  return text.utf8 ? string : configText(text.encode(string));
}

/** What is done about an update that kept what was there. */
export function duplicateWarning(
  { name, options, rules }: Opening,
): (key: string) => void {
  return options.onDuplicate ?? ((key) => {
    if (options.duplicates === "ignore") return;
    rules.onWarning(`${name}: key "${key}" exists: keeping what it has`);
  });
}
