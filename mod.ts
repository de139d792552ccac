/**
 * Postfix's memcache lookup table, memcache_table(5), without Postfix: the same
 * configuration file, the same keys in the same memcached, the same answers.
 *
 * {@linkcode openTable} opens a table by its name, `memcache:/path/file` as in
 * main.cf; {@linkcode MemcacheTable} makes one from parameters alone.
 *
 * @example Look up, with a backup for what memcached does not know
 * ```ts
 * import { openTable } from "@postmaps/memcache-table";
 * import { assertEquals } from "@std/assert";
 *
 * await using table = await openTable(
 *   "memcache:{ key_format=a:%s, backup=inline:{alice=alice@mx.example.net} }",
 * );
 * assertEquals(await table.lookup("Alice"), "alice@mx.example.net");
 * assertEquals(await table.lookup("nobody"), undefined);
 * ```
 *
 * @example Update and delete
 * ```ts ignore
 * import { openTable } from "@postmaps/memcache-table";
 *
 * await using table = await openTable("memcache:/etc/postfix/aliases.cf", {
 *   write: true,
 * });
 * await table.update("alice@example.com", "alice@mx.example.net"); // true: stored
 * await table.lookup("alice@example.com"); // "alice@mx.example.net"
 * await table.delete("alice@example.com"); // true: it was there
 * await table.lookup("alice@example.com"); // undefined: not found
 * ```
 *
 * @module
 */
export type { Clock, Timer } from "./lib/system/clock.ts";
export type {
  AccessParameters,
  MemcacheParameters,
} from "./lib/tables/memcache/parameters.ts";
export {
  ClosedError,
  ConfigError,
  NoAnswerError,
  NotUtf8Error,
  ReadOnlyError,
  TableError,
  TemporaryError,
} from "./lib/errors.ts";
export type * from "./lib/events.ts";
export { openTable, tableTypes } from "./lib/open.ts";
export type {
  KvAtomic,
  KvCommit,
  KvDatabase,
  KvEntry,
  KvKey,
  KvLibrary,
} from "./lib/kv_database.ts";
export type {
  Connect,
  Endpoint,
  Socket,
  TcpEndpoint,
  TlsOptions,
  UnixEndpoint,
} from "./lib/socket/socket.ts";
export type {
  DeleteResult,
  Entry,
  LookupResult,
  OpenOptions,
  RequestOptions,
  Table,
  TableOptions,
  UpdateResult,
} from "./lib/table.ts";
export {
  MemcacheTable,
  type MemcacheTableConstructor,
  type MemcacheTableOptions,
  type MemcacheTableParameters,
} from "./lib/tables/memcache/memcache_table.ts";
