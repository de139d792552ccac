/** What all events have in common. */
interface Event {
  /** The name of the table. */
  readonly table: string;
}

/** Work that took a time. */
interface TimedEvent extends Event {
  /** How long it took, with all tries and pauses. */
  readonly milliseconds: number;
}

/** A lookup ended, or a batch of those of `lookupMany`. */
export interface LookupEvent extends TimedEvent {
  /** Tells it from others. */
  readonly kind: "lookup";
  /** Keys that memcached had. */
  readonly hits: number;
  /** Keys that only the backup had. */
  readonly backup: number;
  /** Keys that neither had, or that no memcached can have. */
  readonly misses: number;
  /** Keys whose lookup ended with an exception. */
  readonly failed: number;
}

/** An update ended, or a batch of those of `updateMany`. */
export interface UpdateEvent extends TimedEvent {
  /** Tells it from others. */
  readonly kind: "update";
  /** Entries that were stored. */
  readonly stored: number;
  /** Entries that were refused. */
  readonly refused: number;
  /** Entries of an update that ended with an exception; some may be stored. */
  readonly failed: number;
}

/** A delete ended, or a batch of those of `deleteMany`. */
export interface DeleteEvent extends TimedEvent {
  /** Tells it from others. */
  readonly kind: "delete";
  /** Keys that were there. */
  readonly deleted: number;
  /** Keys that were not. */
  readonly missing: number;
  /** Keys of a delete that ended with an exception; some may be deleted. */
  readonly failed: number;
}

/** Memcached was connected to. */
export interface ConnectEvent extends TimedEvent {
  /** Tells it from others. */
  readonly kind: "connect";
  /** The server, `inet:HOST:PORT` or `unix:PATH`. */
  readonly endpoint: string;
  /** Whether the table was connected before. */
  readonly again: boolean;
}

/** Memcached could not be connected to. */
export interface UnreachableEvent extends TimedEvent {
  /** Tells it from others. */
  readonly kind: "unreachable";
  /** The server. */
  readonly endpoint: string;
  /** Why. */
  readonly reason: string;
}

/** A connection ended. */
export interface DisconnectEvent extends Event {
  /** Tells it from others. */
  readonly kind: "disconnect";
  /** The server. */
  readonly endpoint: string;
  /** Why. */
  readonly reason: string;
}

/** Commands failed that are tried again. */
export interface RetryEvent extends Event {
  /** Tells it from others. */
  readonly kind: "retry";
  /** The server. */
  readonly endpoint: string;
  /** How many: of a batch that broke off it is one. */
  readonly commands: number;
  /** What was wrong with the try. */
  readonly reason: string;
}

/** Memcached did not answer, or accept a connection, within `timeout`. */
export interface TimeoutEvent extends Event {
  /** Tells it from others. */
  readonly kind: "timeout";
  /** The server. */
  readonly endpoint: string;
  /** What was waited for. */
  readonly waited: "connection" | "reply";
}

/**
 * What goes on in a memcache table. Add the numbers up for figures: hits over
 * hits, backup and misses together is how well the cache does.
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
 *   "memcache:{ backup = inline:{alice=alice@mx.example.net} }",
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
  | TimeoutEvent;

/** What happens to the connection, without what all such events have in common. */
export type ConnectionEvent = WithoutPlace<
  | ConnectEvent
  | UnreachableEvent
  | DisconnectEvent
  | RetryEvent
  | TimeoutEvent
>;

type WithoutPlace<One> = One extends unknown ? Omit<One, "table" | "endpoint">
  : never;

/** Told of events. */
export type EventListener = (event: TableEvent) => void;
