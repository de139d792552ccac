import type { TableEvent } from "../events.ts";

/** An event of a connection, without its table and endpoint. */
export type ConnectionEvent = WithoutOrigin<
  Extract<TableEvent, { readonly endpoint: string }>
>;

type WithoutOrigin<Event> = Event extends unknown
  ? Omit<Event, "table" | "endpoint">
  : never;
