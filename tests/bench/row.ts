import type { Ground } from "./ground.ts";

/** Where a figure stands in the table. */
export const columns = [
  "tcp",
  "unix",
  "postmap",
  "memjs",
  "memcached",
  "memcache",
  "mc",
  "floor",
] as const;

/** A contestant's place in the table. */
export type Column = typeof columns[number];

/** The clients from npm. */
export const npmClients = ["memjs", "memcached", "memcache", "mc"] as const;

/** What a row is measured in. More is better with `k/s` only. */
export type Unit = "k/s" | "ms" | "µs" | "MB" | "KiB";

/** What the project aims at. `ratio` is tcp's figure by the other's. */
export interface Wanted {
  /** The other; `npm` is the best client, none means the figure itself. */
  against?: Column | "npm";
  atLeast?: number;
  atMost?: number;
}

/** Does the work once; returns the figure in the row's unit. */
export type Turn = () => Promise<number>;

/** One thing that is measured. */
export interface Row {
  name: string;
  title: string;
  unit: Unit;
  /** What stands in a column, where its name does not say it. */
  note?: string;
  wanted: Wanted[];
  /** Readies the contestants; what they need is freed with the stack. */
  contestants(
    ground: Ground,
    stack: AsyncDisposableStack,
  ): Promise<Partial<Record<Column, Turn>>>;
}
