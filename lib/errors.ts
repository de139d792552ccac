/**
 * A configuration that a person must change: a parameter, a table name, a
 * list, a file that is missing or cannot be read.
 *
 * The message names the table, and the file and line where there is one.
 *
 * @example Tell a configuration error from a failure that passes
 * ```ts
 * import { ConfigError, openTable } from "@postmaps/memcache-table";
 *
 * try {
 *   await openTable("memcache:{ ttl=soon }");
 * } catch (error) {
 *   if (!(error instanceof ConfigError)) throw error;
 *   console.log(error.message);
 * }
 * ```
 */
export class ConfigError extends Error {
  /** The name of the class, for logs. */
  override name = "ConfigError";
  /** The file to change, where there is one. */
  readonly file?: string;
  /** The line in that file, counted from 1, where there is one. */
  readonly line?: number;

  /** Makes an error whose message starts with the file and line, if any. */
  constructor(
    message: string,
    where: { file?: string; line?: number; cause?: unknown } = {},
  ) {
    const { file, line, cause } = where;
    const place = file === undefined
      ? ""
      : line === undefined
      ? `${file}: `
      : `${file}, line ${line}: `;
    super(place + message, cause === undefined ? undefined : { cause });
    this.file = file;
    this.line = line;
  }
}

/** A stored value that is not UTF-8 while UTF-8 support is on. */
export class NotUtf8Error extends ConfigError {
  /** The table that has it. */
  readonly table: string;
  /** What is stored. */
  readonly value: Uint8Array;

  /** Makes an error that says how to get at the value all the same. */
  constructor(table: string, key: string, value: Uint8Array) {
    super(
      `${table}: the value of key "${key}" is not UTF-8: ` +
        `store it as UTF-8, or turn UTF-8 support off`,
    );
    this.table = table;
    this.value = value;
  }
}

/**
 * A failure that may pass: the server is down, slow or speaks nonsense. The
 * same call can be made again later. Never used for "not found".
 */
export class TemporaryError extends Error {
  /** The name of the class, for logs. */
  override name = "TemporaryError";

  /** Makes an error; `cause` is what the network or the server did. */
  constructor(message: string, options: { cause?: unknown } = {}) {
    super(message, options);
  }
}

/** A server that cannot be reached, or is silent: whatever is asked now will fail. */
export class NoAnswerError extends TemporaryError {}

/** An update or delete of a table that cannot be written, or not so opened. */
export class ReadOnlyError extends Error {
  /** The name of the class, for logs. */
  override name = "ReadOnlyError";

  /** Makes an error whose message names the table and the cure. */
  constructor(message: string) {
    super(message);
  }
}

/**
 * What a runtime's error says, in one line: without what tells a person nothing,
 * a number at its end, and the stack that a native library adds.
 */
export function reasonOf(cause: unknown): string {
  return (cause instanceof Error ? cause.message : String(cause))
    .replace(/\n[^]*/, "").replace(/ \(os error \d+\)$/, "");
}

const longestShown = 100;

/** What a message shows of a text of any length. */
export function shownText(text: string): string {
  const shown = text.length > longestShown
    ? `${text.slice(0, longestShown)}…`
    : text;
  return shown.toWellFormed();
}
