import type { ProcessMemory } from "../../system/memory.ts";
import type { Labels, MetricFamily, NumberFamily } from "./open_metrics.ts";

/** The first word of a reply to a client, in lower case. */
export type ReplyStatus = "ok" | "notfound" | "temp" | "timeout" | "perm";

/** All of them. */
export const statuses: readonly ReplyStatus[] = [
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

/** All of them. */
export const badRequests: readonly BadRequest[] = [
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
export interface TableCounts {
  readonly replies: Record<ReplyStatus, number>;
  readonly times: number[];
  timeSum: number;
  outages: number;
  isUp: boolean;
  /** Missing if nobody has asked for its events. */
  events?: EventCounts;
}

/** What a memcache table has told. */
export interface EventCounts {
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

/**
 * The largest time in each bucket but the last, in seconds. A hit takes a
 * millisecond; after 30 s the reply is TIMEOUT by default.
 */
export const timeLimits = [
  ...[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5],
  ...[1, 2.5, 5, 10, 30],
];

const prefix = "memcache_table_";

type NamedCounts = readonly [name: string, counts: TableCounts];

/** The metrics of requests, by table. */
export function tableFamilies(
  tables: readonly NamedCounts[],
  bad: Readonly<Record<BadRequest, number>>,
): MetricFamily[] {
  return [
    {
      name: `${prefix}requests`,
      type: "counter",
      help: "Requests of clients, by table and the first word of the reply.",
      samples: tables.flatMap(([table, { replies }]) =>
        statuses.map((reply) => ({
          labels: { table, reply },
          value: replies[reply],
        }))
      ),
    },
    {
      name: `${prefix}bad_requests`,
      type: "counter",
      help:
        "Requests that name no table that is served, or break the protocol.",
      samples: badRequests.map((reason) => ({
        labels: { reason },
        value: bad[reason],
      })),
    },
    {
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
    },
    {
      name: `${prefix}up`,
      type: "gauge",
      help:
        "Whether the table answers: 0 from a lookup that failed to the next " +
        "that did not.",
      samples: tables.map(([table, { isUp }]) => ({
        labels: { table },
        value: Number(isUp),
      })),
    },
    {
      name: `${prefix}outages`,
      type: "counter",
      help:
        "Outages that have begun: of the table, or of its memcached while " +
        "the backup answers.",
      samples: tables.flatMap(([table, { outages, events }]) => {
        const own = { labels: { table, of: "table" }, value: outages };
        return events === undefined ? [own] : [own, {
          labels: { table, of: "memcached" },
          value: events.outages,
        }];
      }),
    },
  ];
}

/** The metrics of what memcache tables have told. */
export function eventFamilies(tables: readonly NamedCounts[]): NumberFamily[] {
  const all = tables.flatMap(([table, { events }]) =>
    events === undefined ? [] : [{ labels: { table }, of: events }]
  );
  const counter = (
    name: string,
    help: string,
    valueOf: (events: EventCounts) => number,
  ) => family(name, "counter", help, all, valueOf);
  return [
    counter("hits", "Keys found in memcached.", ({ hits }) => hits),
    counter(
      "backup_answers",
      "Keys found in the backup, and not in memcached.",
      ({ backup }) => backup,
    ),
    counter("misses", "Keys found nowhere.", ({ misses }) => misses),
    counter(
      "failed_lookups",
      "Keys whose lookup failed.",
      ({ failed }) => failed,
    ),
    {
      name: `${prefix}errors`,
      type: "counter",
      help:
        "Errors of memcached: attempts to connect that failed, and replies " +
        "that did not come in time.",
      samples: all.flatMap(({ labels, of: { unreachable, timeouts } }) => [
        { labels: { ...labels, error: "unreachable" }, value: unreachable },
        { labels: { ...labels, error: "timeout" }, value: timeouts },
      ]),
    },
    counter(
      "retries",
      "Commands to memcached that were tried again.",
      ({ retries }) => retries,
    ),
    counter(
      "reconnects",
      "Connections to memcached that were opened again.",
      ({ reconnects }) => reconnects,
    ),
    family(
      "on_backup",
      "gauge",
      "Whether memcached fails, and the backup answers instead.",
      all,
      ({ open }) => Number(open > 0),
    ),
  ];
}

/** The metrics of the places where clients connect. */
export function placeFamilies(
  places: readonly (readonly [place: string, state: () => PlaceState])[],
): NumberFamily[] {
  const all = places.map(([place, state]) => ({
    labels: { place },
    of: state(),
  }));
  return [
    family(
      "clients",
      "gauge",
      "Connected clients.",
      all,
      (state) => state.clients,
    ),
    family(
      "rejected_clients",
      "counter",
      "Clients that were disconnected at once, for there were too many.",
      all,
      ({ rejected }) => rejected,
    ),
    family(
      "pending_lookups",
      "gauge",
      "Lookups that are under way.",
      all,
      ({ pending }) => pending,
    ),
  ];
}

/** The metrics of this process, by the names that Prometheus has for them. */
export function processFamilies(
  memory: ProcessMemory | undefined,
): NumberFamily[] {
  const gauge = (
    name: string,
    help: string,
    unit: "bytes" | "seconds",
    value: number | undefined,
  ): NumberFamily => ({
    name: `process_${name}_${unit}`,
    type: "gauge",
    unit,
    help,
    samples: value === undefined ? [] : [{ labels: {}, value }],
  });
  const resident = "Main memory of the process.";
  return [
    gauge("resident_memory", resident, "bytes", memory?.resident),
    gauge("heap", "Used memory of the heap.", "bytes", memory?.heap),
    gauge(
      "start_time",
      "When the process was started, since 1970.",
      "seconds",
      performance.timeOrigin / 1000,
    ),
  ];
}

function family<Counts>(
  name: string,
  type: "counter" | "gauge",
  help: string,
  all: readonly { readonly labels: Labels; readonly of: Counts }[],
  valueOf: (counts: Counts) => number,
): NumberFamily {
  return {
    name: prefix + name,
    type,
    help,
    samples: all.map(({ labels, of }) => ({ labels, value: valueOf(of) })),
  };
}
