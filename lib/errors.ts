const codesKey = Symbol.for("@postmaps/memcache-table/codes");

/**
 * The base class of all errors of this package. Their `code` does not change between
 * releases. `instanceof` compares codes, so it also works for the errors of another
 * copy of this package in the same program.
 *
 * @example Tell errors by their code
 * ```ts
 * import { openTable, TableError } from "@postmaps/memcache-table";
 * import { assertEquals } from "@std/assert";
 *
 * try {
 *   await openTable("memcache:{ ttl=soon }");
 * } catch (error) {
 *   if (!(error instanceof TableError)) throw error;
 *   assertEquals(error.code, "CONFIG");
 * }
 * ```
 */
export abstract class TableError extends Error {
  /** The code of the errors of this class. */
  static readonly code: string = "TABLE";
  /** The name of the class, for logs. */
  override name = "TableError";
  /** The kind of error, such as `CONFIG`. */
  readonly code: string;

  /** Makes an error; `cause` is the error that led to it, if any. */
  constructor(message: string, options: { cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : options);
    this.code = new.target.code;
    const codes: string[] = [];
    for (
      let Class = new.target as typeof TableError;
      "code" in Class;
      Class = Object.getPrototypeOf(Class)
    ) codes.push(Class.code);
    Object.defineProperty(this, codesKey, { value: codes });
  }

  /** Whether a value is an error of this class, from any copy of this package. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    // A subclass that a program defines has no code of its own.
    if (!Object.hasOwn(this, "code")) return super[Symbol.hasInstance](value);
    const codes = (value as { [codesKey]?: string[] } | null)?.[codesKey];
    return codes?.includes(this.code) ?? false;
  }
}

/**
 * A mistake in the configuration, which somebody must correct: in a parameter, a
 * table name or a list, or a file that is missing or unreadable.
 *
 * The message names the table, and the file and line if there is one.
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
export class ConfigError extends TableError {
  /** The code of the errors of this class. */
  static override readonly code: string = "CONFIG";
  /** The name of the class, for logs. */
  override name = "ConfigError";
  /** The file to change, if any. */
  readonly file?: string;
  /** The line in that file, counted from 1, if known. */
  readonly line?: number;

  /** Makes an error whose message starts with the file and line, if any. */
  constructor(
    message: string,
    where: { file?: string; line?: number; cause?: unknown } = {},
  ) {
    const { file, line } = where;
    const place = file === undefined
      ? ""
      : line === undefined
      ? `${file}: `
      : `${file}, line ${line}: `;
    super(place + message, where);
    this.file = file;
    this.line = line;
  }
}

/** A stored value is not UTF-8, although UTF-8 support is on. */
export class NotUtf8Error extends ConfigError {
  /** The code of the errors of this class. */
  static override readonly code: string = "NOT_UTF8";
  /** The name of the class, for logs. */
  override name = "NotUtf8Error";
  /** The name of the table. */
  readonly table: string;
  /** The stored bytes. */
  readonly value: Uint8Array;

  /** Makes an error that names the table, the key and the cure. */
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
 * A failure that may pass: the server is down or slow, or gives an invalid reply. The
 * same call may succeed later. "Not found" is not an error.
 */
export class TemporaryError extends TableError {
  /** The code of the errors of this class. */
  static override readonly code: string = "TEMPORARY";
  /** The name of the class, for logs. */
  override name = "TemporaryError";
}

/** The server is unreachable or silent, so other requests will fail now, too. */
export class NoAnswerError extends TemporaryError {
  /** The code of the errors of this class. */
  static override readonly code: string = "NO_ANSWER";
  /** The name of the class, for logs. */
  override name = "NoAnswerError";
}

/** An update or delete of a table that is read-only, or was opened without `write`. */
export class ReadOnlyError extends TableError {
  /** The code of the errors of this class. */
  static override readonly code: string = "READ_ONLY";
  /** The name of the class, for logs. */
  override name = "ReadOnlyError";
}

/** A request to a closed table, which is a mistake in the program. */
export class ClosedError extends TableError {
  /** The code of the errors of this class. */
  static override readonly code: string = "CLOSED";
  /** The name of the class, for logs. */
  override name = "ClosedError";

  /** Makes an error that names the table. */
  constructor(table: string) {
    super(`${table}: the table is closed`);
  }
}

/**
 * The first line of a runtime's error message, without the stack that native
 * libraries add, and without the error number.
 */
export function reasonOf(cause: unknown): string {
  return (cause instanceof Error ? cause.message : String(cause))
    .replace(/\n[^]*/, "").replace(/ \(os error \d+\)$/, "");
}

/** The words for the end of an outage that lasted `milliseconds`. */
export function recoveryMessage(
  milliseconds: number,
  failures: number,
): string {
  return `answers again: it failed for ${Math.round(milliseconds / 1000)} s, ` +
    `${failures} ${failures === 1 ? "request" : "requests"}`;
}

const longestShown = 100;

/** A text for a message: its first 100 characters. */
export function shownText(text: string): string {
  const shown = text.length > longestShown
    ? `${text.slice(0, longestShown)}…`
    : text;
  return shown.toWellFormed();
}
