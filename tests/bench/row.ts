import type { Environment } from "./environment.ts";

/** The columns of the table. */
export const columns = [
  "tcp",
  "unix",
  "postmap",
  "memjs",
  "memcached",
  "memcache",
  "mc",
  "libmemcached",
  "memcache-client",
  "floor",
] as const;

/** The column of a contestant; `tcp` and `unix` are this project. */
export type Column = typeof columns[number];

/** The clients from npm. */
export const npmClients = ["memjs", "memcached", "memcache", "mc"] as const;

/** The one among those that speak TLS which is the fastest. */
export const tlsClient = "memcache-client";

/** The unit of a row. More is better only for `k/s`. */
export type Unit = "k/s" | "ms" | "µs" | "MB" | "KiB";

/** A goal of the project, for the figure of `tcp` divided by that of another. */
export interface Target {
  /** The other; `npm` is the best client. If missing, the goal is for the figure. */
  against?: Column | "npm";
  atLeast?: number;
  atMost?: number;
}

/** Does the work once. Returns the figure in the unit of the row. */
export type Turn = () => Promise<number>;

/** A row of the table: one measurement. */
export interface Row {
  name: string;
  title: string;
  unit: Unit;
  /** What a column contains, if its name does not say it. */
  note?: string;
  targets: Target[];
  /** Prepares the contestants. Disposing of the stack frees what they need. */
  contestants(
    environment: Environment,
    stack: AsyncDisposableStack,
  ): Promise<Partial<Record<Column, Turn>>>;
}
