/** A lookup ended, or a batch of those of `lookupMany`. */
export interface LookupEvent {
  /** Tells it from others. */
  readonly kind: "lookup";
  /** The name of the table. */
  readonly table: string;
  /** How long it took, with all tries and pauses. */
  readonly milliseconds: number;
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
export interface UpdateEvent {
  /** Tells it from others. */
  readonly kind: "update";
  /** The name of the table. */
  readonly table: string;
  /** How long it took, with all tries and pauses. */
  readonly milliseconds: number;
  /** Entries that were stored. */
  readonly stored: number;
  /** Entries that were refused. */
  readonly refused: number;
  /** Entries of an update that ended with an exception; some may be stored. */
  readonly failed: number;
}

/** A delete ended, or a batch of those of `deleteMany`. */
export interface DeleteEvent {
  /** Tells it from others. */
  readonly kind: "delete";
  /** The name of the table. */
  readonly table: string;
  /** How long it took, with all tries and pauses. */
  readonly milliseconds: number;
  /** Keys that were there. */
  readonly deleted: number;
  /** Keys that were not. */
  readonly missing: number;
  /** Keys of a delete that ended with an exception; some may be deleted. */
  readonly failed: number;
}

/** Memcached was connected to. */
export interface ConnectEvent {
  /** Tells it from others. */
  readonly kind: "connect";
  /** The name of the table. */
  readonly table: string;
  /** How long it took, with all tries and pauses. */
  readonly milliseconds: number;
  /** The server, `inet:HOST:PORT` or `unix:PATH`. */
  readonly endpoint: string;
  /** Whether the table was connected before. */
  readonly again: boolean;
}

/** Memcached could not be connected to. */
export interface UnreachableEvent {
  /** Tells it from others. */
  readonly kind: "unreachable";
  /** The name of the table. */
  readonly table: string;
  /** How long it took, with all tries and pauses. */
  readonly milliseconds: number;
  /** The server. */
  readonly endpoint: string;
  /** Why. */
  readonly reason: string;
}

/** A connection ended. */
export interface DisconnectEvent {
  /** Tells it from others. */
  readonly kind: "disconnect";
  /** The name of the table. */
  readonly table: string;
  /** The server. */
  readonly endpoint: string;
  /** Why. */
  readonly reason: string;
}

/** Commands failed that are tried again. */
export interface RetryEvent {
  /** Tells it from others. */
  readonly kind: "retry";
  /** The name of the table. */
  readonly table: string;
  /** The server. */
  readonly endpoint: string;
  /** How many: of a batch that broke off it is one. */
  readonly commands: number;
  /** What was wrong with the try. */
  readonly reason: string;
}

/** Memcached did not answer, or accept a connection, within `timeout`. */
export interface TimeoutEvent {
  /** Tells it from others. */
  readonly kind: "timeout";
  /** The name of the table. */
  readonly table: string;
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
