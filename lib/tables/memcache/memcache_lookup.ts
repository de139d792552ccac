/**
 * Lookups in memcached and nothing else, for programs at the edge that must load
 * fast: a third of the size of the main module. To write, to list, for a `backup`
 * or a `domain` list, use {@linkcode MemcacheTable} of the main module.
 *
 * @example A Worker
 * ```ts ignore
 * import { MemcacheLookup } from "@postmaps/memcache-table/lookup";
 * import { connectCloudflare } from "@postmaps/memcache-table/cloudflare";
 *
 * export default {
 *   async fetch(request: Request): Promise<Response> {
 *     await using table = new MemcacheLookup(
 *       { memcache: "inet:cache.example.com:11211", key_format: "aliases:%s" },
 *       { connect: connectCloudflare },
 *     );
 *     const key = new URL(request.url).pathname.slice(1);
 *     const value = await table.lookup(key);
 *     return new Response(value, { status: value === undefined ? 404 : 200 });
 *   },
 * };
 * ```
 *
 * @module
 */
import type { Clock, Timer } from "../../system/clock.ts";
import { type MemcacheParameters, readParameters } from "./parameters.ts";
import { ClosedError, ConfigError } from "../../errors.ts";
import { webDigest } from "./key_digest.ts";
import { parseKeyFormat } from "./key_format.ts";
import { KeyRules, tooLongKey } from "./key_rules.ts";
import { byteText, utf8Text } from "../../bytes/text.ts";
import { MemcacheClient } from "../../memcached/client.ts";
import { valueOf } from "./reply_value.ts";
import { requireRuntime } from "../../system/runtime.ts";
import { parseEndpoint } from "../../socket/endpoint.ts";
import { namedParameters } from "./parameter_source.ts";
import type {
  Connect,
  Endpoint,
  Socket,
  TcpEndpoint,
  TlsOptions,
  UnixEndpoint,
} from "../../socket/socket.ts";

export type {
  Clock,
  Connect,
  Endpoint,
  MemcacheParameters,
  Socket,
  TcpEndpoint,
  Timer,
  TlsOptions,
  UnixEndpoint,
};
export { ConfigError, TableError, TemporaryError } from "../../errors.ts";

/** The parameters of memcache_table(5) that lookups use. */
export type LookupParameters = Omit<
  MemcacheParameters,
  "backup" | "domain" | "flags" | "ttl" | "connections"
>;

/** Options of {@linkcode MemcacheLookup}. */
export interface LookupOptions {
  /** Opens sockets. */
  connect: Connect;
  /**
   * Whether keys are folded to lower case.
   *
   * @default {true}
   */
  fold?: boolean;
  /** Called with each warning, one line; by default warnings go to `console.warn`. */
  onWarning?: (message: string) => void;
  /** Called for each key that is skipped, with the reason: for verbose logs. */
  onDetail?: (message: string) => void;
  /** The clock for pauses and time-outs. */
  clock?: Clock;
}

const name = "memcache:{…}";
const unusedParameters = [
  "backup",
  "domain",
  "flags",
  "ttl",
  "connections",
  "user",
  "password",
];

/**
 * A memcache table for lookups. Keys and values are UTF-8. `key_digest` may be
 * sha1, sha256, sha384 or sha512.
 *
 * Implements lookups of memcache_table(5).
 *
 * @example
 * ```ts
 * import { MemcacheLookup } from "@postmaps/memcache-table/lookup";
 * import { connectDeno } from "@postmaps/memcache-table/deno";
 *
 * await using table = new MemcacheLookup(
 *   { key_format: "aliases:%s" },
 *   { connect: connectDeno },
 * );
 * console.log(table.name);
 * ```
 */
export class MemcacheLookup implements AsyncDisposable {
  /** The name of the table in messages. */
  readonly name: string = name;
  #keys: KeyRules;
  #client: MemcacheClient;
  #options: LookupOptions;

  /**
   * Does no I/O; the first lookup connects. Throws {@linkcode ConfigError} when a
   * parameter is wrong.
   */
  constructor(parameters: Partial<LookupParameters>, options: LookupOptions) {
    requireRuntime();
    const used = Object.entries(parameters).filter(([parameter, value]) => {
      if (value === undefined) return false;
      if (!unusedParameters.includes(parameter)) return true;
      throw new ConfigError(
        `${name}: lookups alone have no "${parameter}": use MemcacheTable`,
      );
    });
    const read = readParameters(namedParameters(name, used));
    this.#keys = orConfigError(
      `key_format = ${read.key_format}`,
      () =>
        new KeyRules({
          format: parseKeyFormat(
            byteText.decode(utf8Text.encode(read.key_format))!,
            read.key_format,
          ),
          digest: read.key_digest === ""
            ? undefined
            : webDigest(read.key_digest),
          text: utf8Text,
        }),
    );
    const endpoint = orConfigError(`memcache = ${read.memcache}`, () => {
      const found = parseEndpoint(read.memcache);
      if (!("service" in found)) return found;
      throw new RangeError(`"${found.service}" is no port number`);
    });
    const { connect, clock } = options;
    this.#options = options;
    this.#client = new MemcacheClient({
      table: name,
      endpoint,
      connect,
      timeout: read.timeout * 1000,
      maxTry: read.max_try,
      retryPause: read.retry_pause * 1000,
      lineSizeLimit: read.line_size_limit,
      dataSizeLimit: read.data_size_limit,
      clock,
      onWarning: options.onWarning ?? ((line) => console.warn(line)),
    });
  }

  /**
   * The value of a key; `undefined` when memcached has none, or the key is skipped.
   * Throws {@linkcode TemporaryError} when memcached fails or the memcache key is
   * too long, and {@linkcode ConfigError} when the value is not UTF-8.
   */
  async lookup(
    key: string,
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<string | undefined> {
    if (typeof key !== "string") {
      throw new TypeError(`${name}: a key must be a string: ${typeof key}`);
    }
    signal?.throwIfAborted();
    if (!utf8Text.valid(key)) return this.#skip(key, "it is not UTF-8");
    const folded = this.#options.fold === false ? key : utf8Text.fold(key);
    const command = await this.#keys.getCommand(folded);
    if (typeof command === "string") return this.#skip(key, command);
    if (typeof command === "number") throw tooLongKey(name, key, command);
    return await this.#client.request(
      "get",
      command,
      (reply) => valueOf(reply, name, key, utf8Text),
      { signal },
    );
  }

  /** Ends all lookups with an error, and closes the connection. */
  close(): Promise<void> {
    return this.#client.close(new ClosedError(name));
  }

  /** As `close`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #skip(key: string, reason: string): undefined {
    this.#options.onDetail?.(`${name}: skipping "${key}": ${reason}`);
  }
}

function orConfigError<T>(what: string, parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new ConfigError(`${name}: ${what}: ${cause.message}`);
  }
}
