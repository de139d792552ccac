import type { EventListener, TableEvent } from "../../events.ts";
import { processMemory } from "../../system/memory.ts";
import {
  formatMetrics,
  type HistogramFamily,
  type Labels,
  type MetricFamily,
  type MetricsFormat,
  type NumberFamily,
} from "./open_metrics.ts";

/** The first word of a reply to a client, in lower case. */
export type ReplyStatus = "ok" | "notfound" | "temp" | "timeout" | "perm";

const statuses: readonly ReplyStatus[] = [
  "ok",
  "notfound",
  "temp",
  "timeout",
  "perm",
];

/**
 * Why a request could not be answered: its netstring is broken or too long, or its
 * table is missing or unknown.
 */
export type BadRequest = "protocol" | "long" | "request" | "name";

const badRequests: readonly BadRequest[] = [
  "protocol",
  "long",
  "request",
  "name",
];

/** The state of a place where clients connect. */
export interface PlaceState {
  /** How many clients are connected. */
  readonly clients: number;
  /** How many lookups are under way. */
  readonly pending: number;
  /** How many clients were disconnected at once, for there were too many. */
  readonly rejected: number;
}

/** What was counted of a served table. */
interface TableCounts {
  readonly replies: Record<ReplyStatus, number>;
  readonly times: number[];
  timeSum: number;
  outages: number;
  isUp: boolean;
  /** Missing if nobody has asked for its events. */
  events?: EventCounts;
}

/** What a memcache table has told. */
interface EventCounts {
  hits: number;
  backup: number;
  misses: number;
  failed: number;
  unreachable: number;
  timeouts: number;
  retries: number;
  reconnects: number;
  outages: number;
  /** How many outages go on: an old table may be in one when a new one is open. */
  open: number;
}

// Seconds. A hit takes a millisecond; after 30 s the reply is TIMEOUT by default.
const timeLimits = [
  ...[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5],
  ...[1, 2.5, 5, 10, 30],
];

const prefix = "memcache_table_";

/**
 * Counts what servers of {@linkcode serveSocketmap} and their tables do. Hand the
 * same object to all of them, and to {@linkcode serveMetrics}, which shows it. The
 * counts go on when a table is opened again.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import {
 *   openServedTable,
 *   serveSocketmap,
 *   SocketmapMetrics,
 * } from "@postmaps/memcache-table/socketmap";
 *
 * const metrics = new SocketmapMetrics();
 * await using aliases = await openServedTable("memcache:{}", {
 *   onEvent: metrics.eventsOf("aliases"),
 * });
 * await using server = await serveSocketmap({ aliases }, {
 *   endpoint: "inet:127.0.0.1:0",
 *   metrics,
 * });
 * assert(metrics.text().includes('memcache_table_hits_total{table="aliases"} 0'));
 * ```
 */
export class SocketmapMetrics {
  #tables = new Map<string, TableCounts>();
  #places = new Map<string, () => PlaceState>();
  #bad = counts(badRequests);

  /**
   * A listener for the events of the table that is served under a name: its
   * `onEvent`. With `table`, it counts only events of the memcache table of that name,
   * and none of a backup that is one, too.
   */
  eventsOf(name: string, table?: string): EventListener {
    const events = this.#table(name).events ??= {
      hits: 0,
      backup: 0,
      misses: 0,
      failed: 0,
      unreachable: 0,
      timeouts: 0,
      retries: 0,
      reconnects: 0,
      outages: 0,
      open: 0,
    };
    return (event) => {
      if (table === undefined || event.table === table) count(events, event);
    };
  }

  /** A server listens, for tables of these names. Returns a function that undoes it. */
  openPlace(
    place: string,
    tables: readonly string[],
    state: () => PlaceState,
  ): () => void {
    for (const name of tables) this.#table(name);
    this.#places.set(place, state);
    return () => void this.#places.delete(place);
  }

  /**
   * A request was answered. `milliseconds` is how long its lookup took, if there was
   * one.
   */
  answered(name: string, status: ReplyStatus, milliseconds?: number): void {
    const table = this.#table(name);
    table.replies[status]++;
    if (milliseconds === undefined) return;
    const seconds = milliseconds / 1000;
    const at = timeLimits.findIndex((limit) => seconds <= limit);
    table.times[at < 0 ? timeLimits.length : at]++;
    table.timeSum += seconds;
  }

  /** A table answers, or fails. An outage goes from a failure to an answer. */
  setUp(name: string, isUp: boolean): void {
    const table = this.#table(name);
    if (table.isUp && !isUp) table.outages++;
    table.isUp = isUp;
  }

  /** A request could not be answered. */
  refused(reason: BadRequest): void {
    this.#bad[reason]++;
  }

  /**
   * All metrics as text, in OpenMetrics or in the older format of Prometheus.
   *
   * Implements OpenMetrics 1.0.
   */
  text(format: MetricsFormat = "openmetrics"): string {
    return formatMetrics([
      ...this.#tableFamilies(),
      ...this.#eventFamilies(),
      ...this.#placeFamilies(),
      ...processFamilies(),
    ], format);
  }

  #table(name: string): TableCounts {
    let table = this.#tables.get(name);
    if (table === undefined) {
      table = {
        replies: counts(statuses),
        times: Array.from({ length: timeLimits.length + 1 }, () => 0),
        timeSum: 0,
        outages: 0,
        isUp: true,
      };
      this.#tables.set(name, table);
    }
    return table;
  }

  *#tableFamilies(): Generator<MetricFamily> {
    const tables = [...this.#tables];
    yield {
      name: `${prefix}requests`,
      type: "counter",
      help: "Requests of clients, by table and the first word of the reply.",
      samples: tables.flatMap(([table, { replies }]) =>
        statuses.map((reply) => ({
          labels: { table, reply },
          value: replies[reply],
        }))
      ),
    };
    yield {
      name: `${prefix}bad_requests`,
      type: "counter",
      help:
        "Requests that name no table that is served, or break the protocol.",
      samples: badRequests.map((reason) => ({
        labels: { reason },
        value: this.#bad[reason],
      })),
    };
    const histogram: HistogramFamily = {
      name: `${prefix}lookup_duration_seconds`,
      type: "histogram",
      unit: "seconds",
      help: "How long lookups for clients took.",
      limits: timeLimits,
      samples: tables.map(([table, { times, timeSum }]) => ({
        labels: { table },
        counts: times,
        sum: timeSum,
      })),
    };
    yield histogram;
    yield {
      name: `${prefix}up`,
      type: "gauge",
      help:
        "Whether the table answers: 0 from a lookup that failed to the next " +
        "that did not.",
      samples: tables.map(([table, { isUp }]) => ({
        labels: { table },
        value: Number(isUp),
      })),
    };
    yield {
      name: `${prefix}outages`,
      type: "counter",
      help:
        "Outages that have begun: of the table, or of its memcached while the " +
        "backup answers.",
      samples: tables.flatMap(([table, { outages, events }]) => {
        const own = { labels: { table, of: "table" }, value: outages };
        return events === undefined ? [own] : [own, {
          labels: { table, of: "memcached" },
          value: events.outages,
        }];
      }),
    };
  }

  *#eventFamilies(): Generator<NumberFamily> {
    const all = [...this.#tables].flatMap(([table, { events }]) =>
      events === undefined ? [] : [{ labels: { table }, events }]
    );
    const family = (
      name: string,
      help: string,
      valueOf: (events: EventCounts) => number,
      type: "counter" | "gauge" = "counter",
    ): NumberFamily => ({
      name: prefix + name,
      type,
      help,
      samples: all.map(({ labels, events }) => ({
        labels,
        value: valueOf(events),
      })),
    });
    yield family("hits", "Keys found in memcached.", ({ hits }) => hits);
    yield family(
      "backup_answers",
      "Keys found in the backup, and not in memcached.",
      ({ backup }) => backup,
    );
    yield family(
      "misses",
      "Keys found nowhere.",
      ({ misses }) => misses,
    );
    yield family(
      "failed_lookups",
      "Keys whose lookup failed.",
      ({ failed }) => failed,
    );
    yield {
      name: `${prefix}errors`,
      type: "counter",
      help:
        "Errors of memcached: attempts to connect that failed, and replies " +
        "that did not come in time.",
      samples: all.flatMap(({ labels, events: { unreachable, timeouts } }) => [
        { labels: { ...labels, error: "unreachable" }, value: unreachable },
        { labels: { ...labels, error: "timeout" }, value: timeouts },
      ]),
    };
    yield family(
      "retries",
      "Commands to memcached that were tried again.",
      ({ retries }) => retries,
    );
    yield family(
      "reconnects",
      "Connections to memcached that were opened again.",
      ({ reconnects }) => reconnects,
    );
    yield family(
      "on_backup",
      "Whether memcached fails, and the backup answers instead.",
      ({ open }) => Number(open > 0),
      "gauge",
    );
  }

  *#placeFamilies(): Generator<NumberFamily> {
    const places = [...this.#places].map(([place, state]) => ({
      labels: { place },
      state: state(),
    }));
    const family = (
      name: string,
      type: "counter" | "gauge",
      help: string,
      valueOf: (state: PlaceState) => number,
    ): NumberFamily => ({
      name: prefix + name,
      type,
      help,
      samples: places.map(({ labels, state }) => ({
        labels,
        value: valueOf(state),
      })),
    });
    yield family(
      "clients",
      "gauge",
      "Connected clients.",
      ({ clients }) => clients,
    );
    yield family(
      "rejected_clients",
      "counter",
      "Clients that were disconnected at once, for there were too many.",
      ({ rejected }) => rejected,
    );
    yield family(
      "pending_lookups",
      "gauge",
      "Lookups that are under way.",
      ({ pending }) => pending,
    );
  }
}

function count(events: EventCounts, event: TableEvent): void {
  switch (event.kind) {
    case "lookup":
      events.hits += event.hits;
      events.backup += event.backup;
      events.misses += event.misses;
      events.failed += event.failed;
      break;
    case "connect":
      if (event.again) events.reconnects++;
      break;
    case "unreachable":
      events.unreachable++;
      break;
    case "timeout":
      // One for a connection is "unreachable", too.
      if (event.waited === "reply") events.timeouts++;
      break;
    case "retry":
      events.retries += event.commands;
      break;
    case "outage":
      events.outages++;
      events.open++;
      break;
    case "recovery":
      events.open--;
  }
}

function counts<Name extends string>(
  names: readonly Name[],
): Record<Name, number> {
  return Object.fromEntries(names.map((name) => [name, 0])) as Record<
    Name,
    number
  >;
}

function* processFamilies(): Generator<NumberFamily> {
  const gauge = (
    name: string,
    help: string,
    unit: "bytes" | "seconds",
    value: number,
  ): NumberFamily => ({
    name: `process_${name}_${unit}`,
    type: "gauge",
    unit,
    help,
    samples: [{ labels: none, value }],
  });
  const memory = processMemory();
  if (memory !== undefined) {
    yield gauge(
      "resident_memory",
      "Main memory of the process.",
      "bytes",
      memory.resident,
    );
    yield gauge("heap", "Used memory of the heap.", "bytes", memory.heap);
  }
  yield gauge(
    "start_time",
    "When the process was started, since 1970.",
    "seconds",
    performance.timeOrigin / 1000,
  );
}

const none: Labels = {};
