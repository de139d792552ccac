import type { Clock } from "./system/clock.ts";
import type { EventListener } from "./events.ts";
import type { Connect } from "./socket/socket.ts";
import type { KvDatabase, KvLibrary } from "./kv_database.ts";

/** One entry of a table. */
export interface Entry {
  /** The key, as the table keeps it. */
  readonly key: string;
  /** The value. */
  readonly value: string;
}

/** What became of a key of `lookupMany`. */
export interface LookupResult {
  /** The key, as it was given. */
  readonly key: string;
  /** Its value, or `undefined` when the table does not have it. */
  readonly value: string | undefined;
}

/** What became of a key of `deleteMany`. */
export interface DeleteResult {
  /** The key, as it was given. */
  readonly key: string;
  /** Whether it was there. */
  readonly deleted: boolean;
}

/** What became of an entry of `updateMany`. */
export interface UpdateResult {
  /** The key, as it was given. */
  readonly key: string;
  /** Whether it was stored; `false` when the table refused it. */
  readonly stored: boolean;
}

/** Options of a single request. */
export interface RequestOptions {
  /** Ends this request alone, with the reason of the signal. */
  signal?: AbortSignal;
}

/**
 * What every table type offers.
 *
 * "Not found" is `undefined`, a refusal is `false`, and a failure throws
 * {@linkcode TemporaryError}; they are never confused. Keys and values that
 * are not strings are a `TypeError`, and so is a value with a NUL.
 *
 * Close a table when it is no longer needed, or open it with `await using`.
 */
export interface Table extends AsyncIterable<Entry>, AsyncDisposable {
  /** The name that it was opened with, `type:name`. */
  readonly name: string;
  /** Whether `update` and `delete` may be called. */
  readonly writable: boolean;
  /** The value of a key, or `undefined` when the table does not have it. */
  lookup(key: string, options?: RequestOptions): Promise<string | undefined>;
  /**
   * Stores a value. `true` when stored, `false` when the table refused, with
   * a warning that says why. Throws {@linkcode ReadOnlyError} unless the
   * table was opened with `write`.
   */
  update(
    key: string,
    value: string,
    options?: RequestOptions,
  ): Promise<boolean>;
  /** Removes a key; `true` when it was there. */
  delete(key: string, options?: RequestOptions): Promise<boolean>;
  /**
   * Looks many keys up, many at a time, and tells of each in the order of the
   * input, found or not. Ends with an exception at the first key whose lookup
   * fails. Memory is bounded: at most 4096 keys are read ahead. A source that is
   * slow is answered as it goes.
   */
  lookupMany(
    keys: Iterable<string> | AsyncIterable<string>,
    options?: RequestOptions,
  ): AsyncIterableIterator<LookupResult>;
  /**
   * Stores many entries, in batches where the table can do that, and tells of
   * each in the order of the input. What is told of as stored is stored. Ends
   * with an exception at a failure; what was not told of by then may be stored
   * or not, and storing it again does no harm. At most 4096 entries are read
   * ahead.
   */
  updateMany(
    entries: Iterable<Entry> | AsyncIterable<Entry>,
    options?: RequestOptions,
  ): AsyncIterableIterator<UpdateResult>;
  /** Removes many keys, in the way in which `updateMany` stores entries. */
  deleteMany(
    keys: Iterable<string> | AsyncIterable<string>,
    options?: RequestOptions,
  ): AsyncIterableIterator<DeleteResult>;
  /** Starts a sequence over: its first entry, `undefined` when there is none. */
  first(): Promise<Entry | undefined>;
  /** The next entry of the sequence, `undefined` after the last. */
  next(): Promise<Entry | undefined>;
  /** Ends what is under way and frees all that is open. May be called twice. */
  close(): Promise<void>;
}

/** Options of a table. All that comes from outside can be handed in. */
export interface TableOptions {
  /**
   * Allow `update` and `delete`. Opening fails when the table, or its backup,
   * can never be written.
   *
   * @default {false}
   */
  write?: boolean;
  /**
   * Fold keys to lower case before anything else is done with them: full
   * Unicode case folding, ASCII letters only when `utf8` is off.
   *
   * @default {true}
   */
  fold?: boolean;
  /**
   * Keys and values are UTF-8. When off, they are byte strings: one character
   * for one byte, U+0000 to U+00FF, any byte allowed.
   *
   * By default `smtputf8_enable` of main.cf decides, as it does for Postfix;
   * on, where no main.cf can be read.
   */
  utf8?: boolean;
  /**
   * The directory of main.cf. By default the environment's `MAIL_CONFIG`,
   * else `/etc/postfix`.
   */
  configDirectory?: string;
  /**
   * What becomes of a value where there is one already: `replace` takes the
   * new one, `ignore` keeps the old one silently, `warn` with a warning. By
   * default an update of `kv:` replaces, and a source file, `texthash:`, warns.
   */
  duplicates?: "warn" | "replace" | "ignore";
  /**
   * Called with the key of each update that is refused and the reason, and whether
   * a rule of the table refused it or the server; by default that is a warning.
   */
  onRefusal?: (key: string, reason: string, by: "rules" | "server") => void;
  /** Closes the table, and ends all its requests, when aborted. */
  signal?: AbortSignal;
  /** Called with each warning, one line; by default warnings go to `console.warn`. */
  onWarning?: (message: string) => void;
  /** Called with a line when a failure that was warned of is over. */
  onRecovery?: (message: string) => void;
  /** Called with each detail that only a verbose log wants. */
  onDetail?: (message: string) => void;
  /**
   * Called with what goes on in a memcache table: hits, misses, answers of the
   * backup, retries, connections, time-outs, and how long it took. Of a table
   * that nobody listens to, nothing is counted. An exception of the listener is
   * a warning.
   */
  onEvent?: EventListener;
  /** Opens sockets; by default the runtime's own adapter. */
  connect?: Connect;
  /** Reads a file, whole; by default the runtime's own. */
  readFile?: (path: string) => Promise<Uint8Array>;
  /**
   * Opens KV databases, `undefined` for the default one; by default Deno's.
   * Without `create` the database is only read: it may answer `undefined` when
   * there is none, and is asked again by the next request.
   */
  openKv?: (
    path: string | undefined,
    options: { create: boolean },
  ) => Promise<KvDatabase | undefined>;
  /**
   * Loads what opens the files of KV databases where the runtime has nothing of
   * its own: `@deno/kv` on Node and Bun. The table makes, checks and watches the
   * files as it does with Deno's; what `openKv` opens is its own affair.
   */
  kvLibrary?: (
    path: string | undefined,
  ) => KvLibrary | Promise<KvLibrary>;
  /** The time, for pauses and time-outs. */
  clock?: Clock;
}

/**
 * Options of {@linkcode openTable}: those of every table, and some that only a
 * command line like postmap(1) or a Postfix daemon needs.
 */
export interface OpenOptions extends TableOptions {
  /**
   * Values are the content of files, which the table keeps as base64, as
   * `postmap -F` and Postfix's tls_server_sni_maps have it. A lookup gives, and
   * an update takes, the content: UTF-8 text, or a byte string when `utf8` is
   * off; it may have null bytes. The values of `inline:`, `static:`,
   * `texthash:`, `regexp:`, `pcre:` and `cidr:` name files, separated by comma
   * or white space; with the last three content ends at a null byte. A
   * value that is no base64 is a {@linkcode ConfigError} of the lookup, and left out
   * of a sequence with a warning.
   *
   * @default {false}
   */
  fileValues?: boolean;
  /**
   * Refuse tables that others may write, as Postfix does where a table decides
   * over commands, files or users.
   *
   * @default {false}
   */
  securitySensitive?: boolean;
  /**
   * The table is the cache of a Postfix daemon, postscreen(8) or verify(8), which
   * keeps it locked for itself. `proxy:` then shares the daemon's own handle of
   * it, where another one would wait for that lock forever, and Postfix with it.
   *
   * By default it is one when `postscreen_cache_map` or `address_verify_map` of
   * main.cf names the table, or the memcache table that it is the backup of.
   */
  daemonCache?: boolean;
  /**
   * Called with the key of each update that kept what was there; by default
   * `duplicates` decides whether it is a warning.
   */
  onDuplicate?: (key: string) => void;
  /**
   * Called with the path of each file that the table depends on, before it is
   * read: its own, main.cf, source files, files of domain lists. Whoever wants to
   * follow changes opens the table again when one of them has changed; the
   * database of a `kv:` table and the files of the installed Postfix's types are
   * not among them.
   */
  onFile?: (path: string) => void;
}
