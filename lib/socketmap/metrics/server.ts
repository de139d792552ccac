import { requireKind, requireMethod } from "../../arguments.ts";
import { type Clock, systemClock } from "../../system/clock.ts";
import { listenLazily } from "../../socket/listen.ts";
import { parseListening } from "../../socket/listening.ts";
import type { Listen, Listener } from "../../socket/socket.ts";
import { type OptionKinds, requireOptions } from "../../tables/options.ts";
import { type LookupTable, requireTables, WarningLimiter } from "../answers.ts";
import { Health } from "./health.ts";
import type { HttpAnswer, HttpRequest } from "./http_message.ts";
import { HttpServer } from "./http_server.ts";
import type { SocketmapMetrics } from "./metrics.ts";
import { metricsFormat, metricsTypes } from "./open_metrics.ts";

/** Options of {@linkcode serveMetrics}. */
export interface MetricsOptions {
  /**
   * Where to listen: `inet:HOST:PORT`, `inet:[IPV6]:PORT` or `unix:PATH`. Port 0
   * stands for any free port. Whoever reaches it can read all: there is neither a
   * password nor TLS.
   */
  endpoint: string;
  /** What is shown at /metrics. */
  metrics: SocketmapMetrics;
  /**
   * The key that /healthz looks up.
   *
   * @default {"nobody@memcache-table.invalid"}
   */
  key?: string;
  /**
   * How many seconds a table may take to answer /healthz; as in
   * {@linkcode serveSocketmap}.
   *
   * @default {30}
   */
  lookupTimeout?: number;
  /**
   * The file mode of a UNIX-domain socket.
   *
   * @default {0o660}
   */
  mode?: number;
  /**
   * Called with each warning, one line of text.
   *
   * @default {console.warn}
   */
  onWarning?: (message: string) => void;
  /** Listens for connections; by default the adapter of the runtime. */
  listen?: Listen;
  /** The clock; by default that of the system. */
  clock?: Clock;
}

const optionKinds: OptionKinds<MetricsOptions> = {
  endpoint: "string",
  metrics: "object",
  key: "string",
  lookupTimeout: "number",
  mode: "number",
  onWarning: "function",
  listen: "function",
  clock: "object",
};

/** A key that no table has; domains that end with "invalid" do not exist. */
export const absentKey = "nobody@memcache-table.invalid";

/** A server of /metrics and /healthz. */
export class MetricsServer implements AsyncDisposable {
  #server: HttpServer;
  #health: Health;
  #metrics: SocketmapMetrics;

  /** Takes over a listener. Use {@linkcode serveMetrics} instead. */
  constructor(
    listener: Listener,
    tables: Readonly<Record<string, LookupTable>>,
    options: Omit<MetricsOptions, "endpoint" | "mode" | "listen">,
  ) {
    const {
      metrics,
      key = absentKey,
      lookupTimeout = 30,
      onWarning = (line: string) => console.warn(line),
      clock = systemClock,
    } = options;
    this.#metrics = metrics;
    const timeout = lookupTimeout * 1000;
    this.#health = new Health(tables, { key, timeout, clock });
    const warnings = new WarningLimiter(onWarning, clock);
    this.#server = new HttpServer(
      listener,
      (request) => this.#answer(request),
      {
        clock,
        onWarning: (message) => warnings.warn("accept", `metrics: ${message}`),
      },
    );
  }

  /** Where it listens: `inet:HOST:PORT` with the actual port, or `unix:PATH`. */
  get endpoint(): string {
    return this.#server.endpoint;
  }

  /**
   * Stops listening, and disconnects all clients within two seconds. May be called
   * twice.
   */
  async close(): Promise<void> {
    await this.#server.close();
    this.#health.close();
  }

  /** Closes it. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #answer(
    { method, path, accept }: HttpRequest,
  ): Promise<HttpAnswer> {
    if (path !== "/metrics" && path !== "/healthz") {
      return { status: 404, body: "there are /metrics and /healthz\n" };
    }
    if (method !== "GET" && method !== "HEAD") {
      const headers = { Allow: "GET, HEAD" };
      return { status: 405, headers, body: "use GET or HEAD\n" };
    }
    if (path === "/healthz") {
      const reasons = await this.#health.check();
      return reasons.length === 0
        ? { status: 200, body: "ok\n" }
        : { status: 503, body: `${reasons.join("\n")}\n` };
    }
    const format = metricsFormat(accept);
    return {
      status: 200,
      type: metricsTypes[format],
      body: this.#metrics.text(format),
    };
  }
}

/**
 * Serves, by HTTP/1.1 without TLS:
 *
 * - `/metrics`: what {@linkcode SocketmapMetrics} has counted, as OpenMetrics text, or
 *   in the older format of Prometheus for a client that takes only `text/plain`.
 * - `/healthz`: status 200 when every table answers a lookup within its time. Else
 *   503, and a line for each other table, with its name and the reason. The answer may
 *   be a second old: each table has one lookup a second at most, of the key
 *   `nobody@memcache-table.invalid` or of `key`. "Not found" is an answer, and so is
 *   one of the backup. A memcache table with a `domain` list skips a key outside of
 *   it, without asking memcached.
 *
 * `tables` are those of {@linkcode serveSocketmap}. There are 32 connections at most;
 * each takes one request, of 8 KiB at most. A client that is slow, or does not read,
 * is disconnected after 10 seconds, or when its place is needed.
 *
 * Throws a `TypeError` for an option that does not exist, and a
 * {@linkcode ConfigError} if it cannot listen at the endpoint.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import {
 *   openServedTable,
 *   serveMetrics,
 *   serveSocketmap,
 *   SocketmapMetrics,
 * } from "@postmaps/memcache-table/socketmap";
 *
 * const metrics = new SocketmapMetrics();
 * await using aliases = await openServedTable("inline:{alice=wonderland}", {
 *   onEvent: metrics.eventsOf("aliases"),
 * });
 * await using server = await serveSocketmap({ aliases }, {
 *   endpoint: "inet:127.0.0.1:0",
 *   metrics,
 * });
 * await using shown = await serveMetrics({ aliases }, {
 *   endpoint: "inet:127.0.0.1:0",
 *   metrics,
 * });
 * const place = shown.endpoint.replace("inet:", "http://");
 * const health = await fetch(`${place}/healthz`);
 * assertEquals([health.status, await health.text()], [200, "ok\n"]);
 * ```
 */
export async function serveMetrics(
  tables: Readonly<Record<string, LookupTable>>,
  options: MetricsOptions,
): Promise<MetricsServer> {
  const caller = "serveMetrics";
  requireTables(caller, tables);
  requireOptions(caller, options, optionKinds);
  requireKind(`${caller}: endpoint`, options.endpoint, "string");
  requireMethod(`${caller}: metrics`, options.metrics, "text");
  const { endpoint, mode = 0o660, listen = listenLazily, ...more } = options;
  const place = parseListening(endpoint, "metrics have no TLS");
  return new MetricsServer(await listen(place, { mode }), tables, more);
}
