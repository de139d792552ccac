/** A lookup, or a batch of `lookupMany`, has ended. */
export interface LookupEvent {
  /** The kind of event. */
  readonly kind: "lookup";
  /** The name of the table. */
  readonly table: string;
  /** How long it took, with all tries and pauses. */
  readonly milliseconds: number;
  /** How many keys were found in memcached. */
  readonly hits: number;
  /** How many keys were found in the backup only. */
  readonly backup: number;
  /** How many keys were not found, including keys that memcached does not allow. */
  readonly misses: number;
  /** How many keys have a lookup that threw an exception. */
  readonly failed: number;
}

/** An update, or a batch of `updateMany`, has ended. */
export interface UpdateEvent {
  /** The kind of event. */
  readonly kind: "update";
  /** The name of the table. */
  readonly table: string;
  /** How long it took, with all tries and pauses. */
  readonly milliseconds: number;
  /** How many entries were stored. */
  readonly stored: number;
  /** How many entries were refused. */
  readonly refused: number;
  /** How many entries have an update that threw an exception; some may be stored. */
  readonly failed: number;
}

/** A delete, or a batch of `deleteMany`, has ended. */
export interface DeleteEvent {
  /** The kind of event. */
  readonly kind: "delete";
  /** The name of the table. */
  readonly table: string;
  /** How long it took, with all tries and pauses. */
  readonly milliseconds: number;
  /** How many keys were deleted. */
  readonly deleted: number;
  /** How many keys did not exist. */
  readonly missing: number;
  /** How many keys have a delete that threw an exception; some may be deleted. */
  readonly failed: number;
}

/**
 * A connection to memcached was opened. While many lookups are under way, there may
 * be several.
 */
export interface ConnectEvent {
  /** The kind of event. */
  readonly kind: "connect";
  /** The name of the table. */
  readonly table: string;
  /** How long the attempt to connect took. */
  readonly milliseconds: number;
  /** The server, `inet:HOST:PORT`, `tls:HOST:PORT` or `unix:PATH`. */
  readonly endpoint: string;
  /** Whether it takes the place of one that the table had before. */
  readonly again: boolean;
}

/** An attempt to connect to memcached failed. */
export interface UnreachableEvent {
  /** The kind of event. */
  readonly kind: "unreachable";
  /** The name of the table. */
  readonly table: string;
  /** How long the attempt to connect took. */
  readonly milliseconds: number;
  /** The server. */
  readonly endpoint: string;
  /** Why. */
  readonly reason: string;
}

/** A connection to memcached has ended. */
export interface DisconnectEvent {
  /** The kind of event. */
  readonly kind: "disconnect";
  /** The name of the table. */
  readonly table: string;
  /** The server. */
  readonly endpoint: string;
  /** Why. */
  readonly reason: string;
}

/** Commands failed, and will be tried again. */
export interface RetryEvent {
  /** The kind of event. */
  readonly kind: "retry";
  /** The name of the table. */
  readonly table: string;
  /** The server. */
  readonly endpoint: string;
  /** How many commands; a batch that failed halfway counts as one. */
  readonly commands: number;
  /** Why they failed. */
  readonly reason: string;
}

/** Memcached did not accept a connection, or did not answer, within `timeout`. */
export interface TimeoutEvent {
  /** The kind of event. */
  readonly kind: "timeout";
  /** The name of the table. */
  readonly table: string;
  /** The server. */
  readonly endpoint: string;
  /** What was waited for. */
  readonly waited: "connection" | "reply";
}

/** An outage has started: memcached failed, and the backup answers instead. */
export interface OutageEvent {
  /** The kind of event. */
  readonly kind: "outage";
  /** The name of the table. */
  readonly table: string;
  /** The server. */
  readonly endpoint: string;
  /** Why the first request failed. */
  readonly reason: string;
}

/** An outage has ended. Each outage that started does, at the latest by `close`. */
export interface RecoveryEvent {
  /** The kind of event. */
  readonly kind: "recovery";
  /** The name of the table. */
  readonly table: string;
  /** The server. */
  readonly endpoint: string;
  /** Whether memcached answers again; otherwise the table was closed. */
  readonly answers: boolean;
  /** How long the outage lasted. */
  readonly milliseconds: number;
  /** How many requests to memcached failed. */
  readonly failures: number;
}

/**
 * An event of a memcache table. Sums of the numbers are statistics: the hit rate is
 * hits / (hits + backup + misses).
 *
 * @example
 * ```ts
 * import { openTable, type TableEvent } from "@postmaps/memcache-table";
 *
 * const sums = { hits: 0, backup: 0, misses: 0, failed: 0 };
 * const onEvent = (event: TableEvent) => {
 *   if (event.kind === "lookup") {
 *     sums.hits += event.hits;
 *     sums.backup += event.backup;
 *     sums.misses += event.misses;
 *     sums.failed += event.failed;
 *   } else console.log(event.kind, event.table);
 * };
 * await using table = await openTable(
 *   "memcache:{ backup=inline:{alice=alice@mx.example.net} }",
 *   { onEvent },
 * );
 * await table.lookup("alice"); // then sums.hits, or sums.backup, is 1
 * ```
 */
export type TableEvent =
  | LookupEvent
  | UpdateEvent
  | DeleteEvent
  | ConnectEvent
  | UnreachableEvent
  | DisconnectEvent
  | RetryEvent
  | TimeoutEvent
  | OutageEvent
  | RecoveryEvent;

/** Called with each event. */
export type EventListener = (event: TableEvent) => void;
