/**
 * A socketmap_table(5) server: lets Postfix look keys up in any table of this
 * project, over a socket.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { openTable } from "@postmaps/memcache-table";
 * import { serveSocketmap } from "@postmaps/memcache-table/socketmap";
 *
 * await using aliases = await openTable("inline:{alice=wonderland}");
 * await using server = await serveSocketmap({ aliases }, {
 *   endpoint: "inet:127.0.0.1:0",
 * });
 * // postmap -q alice socketmap:inet:127.0.0.1:PORT:aliases
 * const port = Number(server.endpoint.split(":")[2]);
 * using client = await Deno.connect({ hostname: "127.0.0.1", port });
 * await client.write(new TextEncoder().encode("13:aliases Alice,"));
 * const reply = new Uint8Array(100);
 * const length = await client.read(reply);
 * assertEquals(
 *   new TextDecoder().decode(reply.subarray(0, length!)),
 *   "13:OK wonderland,",
 * );
 * ```
 *
 * @module
 */
import { requireKind } from "../arguments.ts";
import { type Clock, systemClock, type Timer } from "../system/clock.ts";
import { ConfigError } from "../errors.ts";
import { byteText, utf8Text } from "../bytes/text.ts";
import { listenLazily } from "../socket/listen.ts";
import { type OptionKinds, requireOptions } from "../tables/options.ts";
import { formatEndpoint } from "../socket/endpoint.ts";
import { parseListening } from "../socket/listening.ts";
import type { Listen, Listener, Socket } from "../socket/socket.ts";
import { Acceptor } from "./acceptor.ts";
import {
  Answers,
  type LookupTable,
  requireTables,
  WarningLimiter,
} from "./answers.ts";
import { Conversation, type ConversationContext } from "./conversation.ts";
import { BufferPool, maxUnanswered } from "./buffer_pool.ts";
import type { SocketmapMetrics } from "./metrics/metrics.ts";

export { ConfigError };
// The types that these functions take and return, so that the entry point is whole.
export type * from "../errors.ts";
export type * from "../events.ts";
export type * from "../kv_database.ts";
export type * from "../socket/socket.ts";
export type * from "../table.ts";
export { SocketmapMetrics } from "./metrics/metrics.ts";
export type {
  BadRequest,
  PlaceState,
  ReplyStatus,
} from "./metrics/families.ts";
export {
  type MetricsOptions,
  MetricsServer,
  serveMetrics,
} from "./metrics/server.ts";
export type { MetricsFormat } from "./metrics/open_metrics.ts";
export {
  openServedTable,
  ServedTable,
  type ServedTableOptions,
} from "./served_table.ts";
export type { Clock, LookupTable, Timer };

/** Options of {@linkcode serveSocketmap}. Times are in seconds. */
export interface SocketmapOptions {
  /**
   * Where to listen: `inet:HOST:PORT`, `inet:[IPV6]:PORT` or `unix:PATH`. Port 0
   * stands for any free port.
   */
  endpoint: string;
  /**
   * Keys and values are UTF-8; otherwise they are byte strings. Must be the same
   * as when the tables were opened.
   *
   * @default {true}
   */
  utf8?: boolean;
  /**
   * The file mode of a UNIX-domain socket. Who may write to it may connect: by
   * default, its owner and its group.
   *
   * @default {0o660}
   */
  mode?: number;
  /**
   * How long a client may be silent, or leave its replies unread, before it is
   * disconnected. Postfix closes connections that were idle for 10 seconds, and
   * waits up to 100 seconds for a reply.
   *
   * @default {100}
   */
  idle?: number;
  /**
   * How many clients may be connected. Any further one is disconnected at once.
   *
   * @default {1000}
   */
  clients?: number;
  /**
   * How long a lookup may take. Then the reply is TIMEOUT.
   *
   * @default {30}
   */
  lookupTimeout?: number;
  /**
   * How long a client may take to send a request.
   *
   * @default {10}
   */
  requestTimeout?: number;
  /**
   * Called with each warning, one line of text.
   *
   * @default {console.warn}
   */
  onWarning?: (message: string) => void;
  /**
   * Called when a table answers again after an outage. The message is one line of
   * text, with the length of the outage and the number of requests that failed.
   */
  onRecovery?: (message: string) => void;
  /**
   * Whether warnings of bad requests name the client: its address and port, or the
   * UNIX-domain socket to which it is connected.
   *
   * @default {false}
   */
  logClients?: boolean;
  /** Counts what the server does. Without it, nothing is counted. */
  metrics?: SocketmapMetrics;
  /** Listens for connections; by default the adapter of the runtime. */
  listen?: Listen;
  /** The clock; by default that of the system. */
  clock?: Clock;
}

const optionKinds: OptionKinds<SocketmapOptions> = {
  endpoint: "string",
  utf8: "boolean",
  mode: "number",
  idle: "number",
  clients: "number",
  lookupTimeout: "number",
  requestTimeout: "number",
  onWarning: "function",
  onRecovery: "function",
  logClients: "boolean",
  metrics: "object",
  listen: "function",
  clock: "object",
};

const maxUnansweredOfClient = 256;

const checkMilliseconds = 1000;
const drainSeconds = 10;

/** A socketmap server that is listening. */
export class SocketmapServer implements AsyncDisposable {
  /** Where it listens: `inet:HOST:PORT` with the actual port, or `unix:PATH`. */
  readonly endpoint: string;
  /** Resolves when the server is closed and no client is left. Never rejects. */
  readonly finished: Promise<void>;
  #acceptor: Acceptor;
  #clock: Clock;
  #answers: Answers;
  #warnings: WarningLimiter;
  #context: ConversationContext & { now: number; maxUnanswered: number };
  #maxClients: number;
  #clients = new Set<Conversation>();
  #work = new Set<Promise<void>>();
  #timer: Timer | undefined;
  #isFull = false;
  #rejected = 0;
  #closePlace: (() => void) | undefined;

  /** Takes over a listener. Use {@linkcode serveSocketmap} instead. */
  constructor(
    listener: Listener,
    tables: Readonly<Record<string, LookupTable>>,
    options: Omit<SocketmapOptions, "endpoint" | "mode" | "listen">,
  ) {
    const {
      utf8 = true,
      idle = 100,
      clients = 1000,
      lookupTimeout = 30,
      requestTimeout = 10,
      logClients = false,
      onWarning = (line: string) => console.warn(line),
      clock = systemClock,
    } = options;
    this.endpoint = formatEndpoint(listener.endpoint);
    this.#clock = clock;
    this.#maxClients = clients;
    this.#warnings = new WarningLimiter(onWarning, clock);
    this.#acceptor = new Acceptor(
      listener,
      clock,
      (message) => this.#warnings.warn("accept", message),
    );
    const text = utf8 ? utf8Text : byteText;
    const pool = new BufferPool({ clients });
    this.#answers = new Answers(tables, {
      text,
      longSize: pool.longSize,
      warnings: this.#warnings,
      clock,
      onRecovery: options.onRecovery,
      metrics: options.metrics,
    });
    this.#closePlace = options.metrics?.openPlace(
      this.endpoint,
      Object.keys(tables),
      () => ({
        clients: this.#clients.size,
        pending: this.#answers.pending,
        rejected: this.#rejected,
      }),
    );
    this.#context = {
      answers: this.#answers,
      pool,
      now: clock.now(),
      maxUnanswered: maxUnansweredOfClient,
      idle: idle * 1000,
      requestTimeout: requestTimeout * 1000,
      lookupTimeout: lookupTimeout * 1000,
      nameOf: logClients
        ? ({ peer }) =>
          peer === undefined ? `a client at ${this.endpoint}` : `client ${peer}`
        : () => "a client",
      onWarning: (kind, message) => this.#warnings.warn(kind, message),
    };
    this.finished = this.#serve();
  }

  /**
   * Stops listening, answers the requests that were read, and disconnects all
   * clients, after `drain` seconds at the latest (10 by default). May be called
   * again with a shorter time.
   */
  async close({ drain = drainSeconds }: { drain?: number } = {}): Promise<
    void
  > {
    this.#acceptor.close();
    for (const client of this.#clients) client.finish();
    const timer = this.#clock.setTimer(drain * 1000, () => {
      for (const client of this.#clients) client.close();
    });
    await this.finished;
    timer.cancel();
  }

  /** Closes it. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #serve(): Promise<void> {
    await this.#acceptor.run((socket) => this.#accept(socket));
    while (this.#work.size > 0) await Promise.all(this.#work);
    this.#answers.close();
    this.#closePlace?.();
    this.#timer?.cancel();
  }

  #accept(socket: Socket): void {
    if (this.#clients.size >= this.#maxClients) return this.#reject(socket);
    this.#context.now = this.#clock.now();
    const client = new Conversation(socket, this.#context);
    this.#clients.add(client);
    this.#divideRequestLimit();
    const work = client.run().then(() => {
      this.#clients.delete(client);
      this.#divideRequestLimit();
      this.#work.delete(work);
      this.#isFull = false;
      this.#acceptor.resume();
    });
    this.#work.add(work);
    this.#timer ??= this.#checkSoon();
  }

  /** Divides the limit of unanswered requests among the clients. */
  #divideRequestLimit(): void {
    const each = Math.floor(maxUnanswered / Math.max(this.#clients.size, 1));
    this.#context.maxUnanswered = Math.min(
      Math.max(each, 1),
      maxUnansweredOfClient,
    );
  }

  #reject(socket: Socket): void {
    socket.close();
    this.#rejected++;
    // One warning is enough until a client leaves.
    if (this.#isFull) return;
    this.#isFull = true;
    this.#warnings.warn(
      "clients",
      `there are ${this.#maxClients} clients: no more are taken`,
    );
  }

  /** One timer for all clients: one for each request would cost too much time. */
  #checkSoon(): Timer {
    return this.#clock.setTimer(checkMilliseconds, () => {
      this.#context.now = this.#clock.now();
      for (const client of this.#clients) client.checkTime();
      this.#disconnectStuckClients();
      const isIdle = this.#context.pool.freeIfUnused() &&
        this.#clients.size === 0;
      this.#timer = isIdle ? undefined : this.#checkSoon();
    });
  }

  /**
   * Disconnects the clients for which the server has waited longest, if others
   * wait for the slots that these have.
   */
  #disconnectStuckClients(): void {
    const { pool, now } = this.#context;
    if (pool.waiting === 0) return;
    const stuck = [...this.#clients].filter(({ holdsSlot, stuckSince }) =>
      holdsSlot && stuckSince !== undefined &&
      now - stuckSince >= checkMilliseconds
    ).sort((one, two) => one.stuckSince! - two.stuckSince!);
    for (const client of stuck.slice(0, pool.waiting)) {
      this.#warnings.warn(
        "room",
        `${client.name} does not take its replies, or sends half a request, ` +
          "and takes memory that others need: disconnected",
      );
      client.close();
    }
  }
}

/**
 * Serves tables under the given names; in main.cf, a table is
 * `socketmap:ENDPOINT:NAME`. The caller closes the tables, after the server.
 *
 * A request of more than 102,400 bytes is answered with NOTFOUND. A reply has at
 * most 100,000 bytes; for a longer value the reply is PERM. One client may have
 * 256 unanswered requests, all clients together 10,000, and these take at most
 * 64 MB of memory. When a limit is reached, the server reads no more requests
 * until clients read their replies.
 *
 * Throws a `TypeError` for an option that does not exist, and a
 * {@linkcode ConfigError} if it cannot listen at the endpoint, or if a name is
 * not possible in socketmap.
 *
 * Implements the server side of socketmap_table(5).
 *
 * @example
 * ```ts
 * import { openTable } from "@postmaps/memcache-table";
 * import { serveSocketmap } from "@postmaps/memcache-table/socketmap";
 *
 * await using aliases = await openTable("static:postmaster");
 * await using server = await serveSocketmap({ aliases }, {
 *   endpoint: "inet:127.0.0.1:0",
 * });
 * console.log(`virtual_alias_maps = socketmap:${server.endpoint}:aliases`);
 * ```
 */
export async function serveSocketmap(
  tables: Readonly<Record<string, LookupTable>>,
  options: SocketmapOptions,
): Promise<SocketmapServer> {
  const caller = "serveSocketmap";
  requireTables(caller, tables);
  requireOptions(caller, options, optionKinds);
  requireKind(`${caller}: endpoint`, options.endpoint, "string");
  const { endpoint, mode = 0o660, listen = listenLazily, ...more } = options;
  for (const name of Object.keys(tables)) {
    if (/^[^\s:,=\p{Cc}]+$/u.test(name)) continue;
    throw new ConfigError(
      `"${name}" cannot be the name of a socketmap: ` +
        `it must have a letter, and no white space, colon, comma or "="`,
    );
  }
  const place = parseListening(
    endpoint,
    "Postfix speaks no TLS to a socketmap",
  );
  const listener = await listen(place, { mode });
  return new SocketmapServer(listener, tables, more);
}
