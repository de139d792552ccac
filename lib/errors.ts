const codesKey = Symbol.for("@postmaps/memcache-table/codes");

/**
 * What all errors of this package have in common: a `code` that stays the same
 * from release to release, and an `instanceof` that goes by the code. Two copies
 * of the package in one program recognise each other's errors.
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
  /** Says which kind of error it is. */
  readonly code: string;

  /** Makes an error; `cause` is the error behind it, where there is one. */
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

  /** Whether a value is an error of this class, of whatever copy of the package. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    // A class that a program derives from one of these has no code of its own.
    if (!Object.hasOwn(this, "code")) return super[Symbol.hasInstance](value);
    const codes = (value as { [codesKey]?: string[] } | null)?.[codesKey];
    return codes?.includes(this.code) ?? false;
  }
}

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
export class ConfigError extends TableError {
  /** The code of the errors of this class. */
  static override readonly code: string = "CONFIG";
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

/** A stored value that is not UTF-8 while UTF-8 support is on. */
export class NotUtf8Error extends ConfigError {
  /** The code of the errors of this class. */
  static override readonly code: string = "NOT_UTF8";
  /** The name of the class, for logs. */
  override name = "NotUtf8Error";
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
export class TemporaryError extends TableError {
  /** The code of the errors of this class. */
  static override readonly code: string = "TEMPORARY";
  /** The name of the class, for logs. */
  override name = "TemporaryError";
}

/** A server that cannot be reached, or is silent: whatever is asked now will fail. */
export class NoAnswerError extends TemporaryError {
  /** The code of the errors of this class. */
  static override readonly code: string = "NO_ANSWER";
  /** The name of the class, for logs. */
  override name = "NoAnswerError";
}

/** An update or delete of a table that cannot be written, or not so opened. */
export class ReadOnlyError extends TableError {
  /** The code of the errors of this class. */
  static override readonly code: string = "READ_ONLY";
  /** The name of the class, for logs. */
  override name = "ReadOnlyError";
}

/** A request of a table that was closed: the program has a mistake. */
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
