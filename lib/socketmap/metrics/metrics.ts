import { requireKind } from "../../arguments.ts";
import type { EventListener, TableEvent } from "../../events.ts";
import { processMemory } from "../../system/memory.ts";
import {
  type BadRequest,
  badRequests,
  type EventCounts,
  eventFamilies,
  placeFamilies,
  type PlaceState,
  processFamilies,
  type ReplyStatus,
  statuses,
  type TableCounts,
  tableFamilies,
  timeLimits,
} from "./families.ts";
import { formatMetrics, type MetricsFormat } from "./open_metrics.ts";

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
    requireKind("eventsOf: name", name, "string");
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

  /** A table has failed: an outage begins, if none goes on. */
  tableFailed(name: string): void {
    const table = this.#table(name);
    if (table.isUp) table.outages++;
    table.isUp = false;
  }

  /** A table has answered: an outage ends. */
  tableAnswered(name: string): void {
    this.#table(name).isUp = true;
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
    const tables = [...this.#tables];
    return formatMetrics([
      ...tableFamilies(tables, this.#bad),
      ...eventFamilies(tables),
      ...placeFamilies([...this.#places]),
      ...processFamilies(processMemory()),
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
