import type { Clock } from "./system/clock.ts";
import type { EventListener } from "./events.ts";
import type { Connect, TlsOptions } from "./socket/socket.ts";
import type { KvDatabase, KvLibrary } from "./kv_database.ts";

/** One entry of a table. */
export interface Entry {
  /** The key, as the table keeps it. */
  readonly key: string;
  /** The value. */
  readonly value: string;
}

/** The result for a key of `lookupMany`. */
export interface LookupResult {
  /** The key, as the caller passed it. */
  readonly key: string;
  /** Its value; `undefined` if it was not found. */
  readonly value: string | undefined;
}

/** The result for a key of `deleteMany`. */
export interface DeleteResult {
  /** The key, as the caller passed it. */
  readonly key: string;
  /** Whether it existed. */
  readonly deleted: boolean;
}

/** The result for an entry of `updateMany`. */
export interface UpdateResult {
  /** The key, as the caller passed it. */
  readonly key: string;
  /** Whether it was stored; `false` when the table refused it. */
  readonly stored: boolean;
}

/** Options of a single request. */
export interface RequestOptions {
  /**
   * Ends this request, with the reason of the signal, but not the others. A write that
   * a database or postmap(1) has begun is awaited all the same.
   */
  signal?: AbortSignal;
}

/**
 * A lookup table of any type.
 *
 * "Not found" is `undefined`, a refusal is `false`, and a failure throws
 * {@linkcode TemporaryError}. Keys and values that are not strings, and values with
 * a NUL, throw a `TypeError`. A closed table throws {@linkcode ClosedError}.
 *
 * Close a table when it is no longer needed, or open it with `await using`.
 */
export interface Table extends AsyncIterable<Entry>, AsyncDisposable {
  /** The name that it was opened with, `type:name`. */
  readonly name: string;
  /** Whether `update` and `delete` are allowed. */
  readonly writable: boolean;
  /** Returns the value of a key; `undefined` if it is not found. */
  lookup(key: string, options?: RequestOptions): Promise<string | undefined>;
  /**
   * Stores a value. Returns `false` if the table refuses it, with a warning that
   * says why. Throws {@linkcode ReadOnlyError} unless the table was opened with
   * `write`.
   */
  update(
    key: string,
    value: string,
    options?: RequestOptions,
  ): Promise<boolean>;
  /**
   * Removes a key. Returns `false` if it did not exist. Throws
   * {@linkcode ReadOnlyError} unless the table was opened with `write`.
   */
  delete(key: string, options?: RequestOptions): Promise<boolean>;
  /**
   * Looks up many keys, in batches, and yields a result for each, in the order of the
   * input. Throws at the first key whose lookup fails. Reads at most 5120 keys
   * ahead. With a slow source, results do not wait for a full batch.
   */
  lookupMany(
    keys: Iterable<string> | AsyncIterable<string>,
    options?: RequestOptions,
  ): AsyncIterableIterator<LookupResult>;
  /**
   * Stores many entries, in batches if the table supports that, and yields a result
   * for each, in the order of the input. Throws at the first failure: entries
   * without a result may be stored or not, and it is safe to store them again. Reads
   * at most 5120 entries ahead.
   */
  updateMany(
    entries: Iterable<Entry> | AsyncIterable<Entry>,
    options?: RequestOptions,
  ): AsyncIterableIterator<UpdateResult>;
  /** Removes many keys. Results, failures and limits are as for `updateMany`. */
  deleteMany(
    keys: Iterable<string> | AsyncIterable<string>,
    options?: RequestOptions,
  ): AsyncIterableIterator<DeleteResult>;
  /** Starts a new sequence; returns its first entry, `undefined` if there is none. */
  first(): Promise<Entry | undefined>;
  /** Returns the next entry of the sequence, `undefined` after the last. */
  next(): Promise<Entry | undefined>;
  /** Ends all requests, and closes all connections and files. May be called twice. */
  close(): Promise<void>;
}

/** Options of a table. */
export interface TableOptions {
  /**
   * Allow `update` and `delete`. Opening the table fails if its type, or that of its
   * backup, is read-only.
   *
   * @default {false}
   */
  write?: boolean;
  /**
   * Fold keys to lower case first: with full Unicode case folding, or only ASCII
   * letters if `utf8` is off.
   *
   * @default {true}
   */
  fold?: boolean;
  /**
   * Keys and values are UTF-8. If off, they are byte strings, with one character,
   * U+0000 to U+00FF, for each byte.
   *
   * @default {true} or `smtputf8_enable` of main.cf, if main.cf can be read
   */
  utf8?: boolean;
  /**
   * The directory of main.cf.
   *
   * @default {"/etc/postfix"} or the environment variable `MAIL_CONFIG`
   */
  configDirectory?: string;
  /**
   * What happens to a key that already has a value: `replace` stores the new value,
   * `ignore` keeps the old one, `warn` keeps the old one with a warning.
   *
   * @default {"replace"} for updates of `kv:`, `"warn"` in the file of `texthash:`
   */
  duplicates?: "warn" | "replace" | "ignore";
  /**
   * Called with each refused update: its key, the reason, and who refused it, a rule
   * of the table or the server.
   *
   * @default {onWarning}
   */
  onRefusal?: (key: string, reason: string, by: "rules" | "server") => void;
  /** Closes the table, and ends all its requests, when aborted. */
  signal?: AbortSignal;
  /**
   * Called with each warning, which is one line.
   *
   * @default {console.warn}
   */
  onWarning?: (message: string) => void;
  /**
   * Called when memcached answers again after an outage during which the backup
   * answered. The message is one line, with the length of the outage and the number
   * of requests that failed.
   */
  onRecovery?: (message: string) => void;
  /** Called with each message for a verbose log. */
  onDetail?: (message: string) => void;
  /**
   * Called with the events of a memcache table: hits, misses, answers of the backup,
   * retries, connections, time-outs and outages, with their duration. If the listener
   * throws, that is a warning.
   */
  onEvent?: EventListener;
  /**
   * The user who logs in to the memcached of the named table. It wins over the
   * parameter `user`.
   *
   * With `user`, `password` and `tls` a program or a Worker takes its secrets from its
   * environment, and the rest from the file of the table. They are for the server of
   * the named `memcache:` table alone: its backup and the tables of its domain list
   * get none of them, and tables of other types ignore them.
   */
  user?: string;
  /**
   * The password of that user, one line. It wins over the parameters `password` and
   * `password_file`.
   */
  password?: string;
  /**
   * How the connection to the memcached `tls:HOST:PORT` of the named table is
   * encrypted. `caCerts` wins over the parameter `tls_CAfile`, `cert` and `key` over
   * `tls_cert_file` and `tls_key_file`, `serverName` over `tls_server_name`, `verify`
   * over `tls_verify_cert`. With a server that is not `tls:`, opening the table throws
   * {@linkcode ConfigError}.
   */
  tls?: TlsOptions;
  /**
   * Opens sockets.
   *
   * @default {connectDeno} or `connectNode`, depending on the runtime
   */
  connect?: Connect;
  /**
   * Reads a whole file.
   *
   * @default {Deno.readFile} or its equivalent in Node and Bun
   */
  readFile?: (path: string) => Promise<Uint8Array>;
  /**
   * Opens the KV database at a path or URL, or the default one. Without `create` the
   * database is only read; then the function may return `undefined` if there is no
   * database, and the next request calls it again.
   *
   * @default {Deno.openKv}
   */
  openKv?: (
    path: string | undefined,
    options: { create: boolean },
  ) => Promise<KvDatabase | undefined>;
  /**
   * Loads the library that opens KV databases, in files and over the network, in a
   * runtime without one of its own: `@deno/kv` on Node and Bun. The table makes,
   * checks and watches files as on Deno; it does not do so for databases from `openKv`.
   *
   * @example On Node and Bun
   * ```ts ignore
   * import { makeLimitedV8Serializer, openKv } from "@deno/kv";
   * import { openTable } from "@postmaps/memcache-table";
   *
   * await using table = await openTable("kv:/tmp/aliases.kv", {
   *   write: true,
   *   kvLibrary: () => ({
   *     openKv: (path) => openKv(path, makeLimitedV8Serializer()),
   *   }),
   * });
   * ```
   */
  kvLibrary?: (
    path: string | undefined,
  ) => KvLibrary | Promise<KvLibrary>;
  /**
   * The time, for retry pauses and time-outs.
   *
   * @default {systemClock}
   */
  clock?: Clock;
}

/**
 * Options of {@linkcode openTable}: those of every table, and some that only a
 * command line like postmap(1) or a Postfix daemon needs.
 */
export interface OpenOptions extends TableOptions {
  /**
   * The table stores the content of files, as base64, like `postmap -F` and
   * tls_server_sni_maps of Postfix. Lookups return the content and updates take it:
   * UTF-8 text, or a byte string if `utf8` is off, with any null bytes.
   *
   * Values of `inline:`, `static:`, `texthash:`, `regexp:`, `pcre:` and `cidr:` are
   * file names, separated by commas or white space; for the last three, the content
   * ends at a null byte. A value that is not base64 makes the lookup throw a
   * {@linkcode ConfigError}; a sequence skips it with a warning.
   *
   * @default {false}
   */
  fileValues?: boolean;
  /**
   * Refuse tables that other users can write, as Postfix does for tables that
   * control commands, files or users.
   *
   * @default {false}
   */
  securitySensitive?: boolean;
  /**
   * The table is the cache of a Postfix daemon, postscreen(8) or verify(8), which
   * keeps it locked. `proxy:` then shares the daemon's own handle of the table. With
   * another handle, the proxy would wait for the lock forever, and Postfix with it.
   *
   * By default this is on if `postscreen_cache_map` or `address_verify_map` of
   * main.cf names the table, or a memcache table that has it as backup.
   */
  daemonCache?: boolean;
  /**
   * Called with the key of each update that kept the old value. By default
   * `duplicates` decides whether this is a warning.
   */
  onDuplicate?: (key: string) => void;
  /**
   * Called with the path of each file that the table depends on, before it is read:
   * its configuration, main.cf, source files, files of domain lists. To follow
   * changes, open the table again when one of them has changed. Not included: the
   * database of a `kv:` table, and files of table types that Postfix itself opens.
   */
  onFile?: (path: string) => void;
}
