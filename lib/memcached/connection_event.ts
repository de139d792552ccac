import type {
  ConnectEvent,
  DisconnectEvent,
  OutageEvent,
  RecoveryEvent,
  RetryEvent,
  TimeoutEvent,
  UnreachableEvent,
} from "../events.ts";

/** An event of a connection, without its table and endpoint. */
export type ConnectionEvent = WithoutOrigin<
  | ConnectEvent
  | UnreachableEvent
  | DisconnectEvent
  | RetryEvent
  | TimeoutEvent
  | OutageEvent
  | RecoveryEvent
>;

type WithoutOrigin<Event> = Event extends unknown
  ? Omit<Event, "table" | "endpoint">
  : never;
