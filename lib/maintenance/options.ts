import { openOptionNames } from "../tables/opening.ts";
import type { OpenOptions } from "../table.ts";

/** The progress of a function that reads a whole table. */
export interface Progress {
  /** Number of entries so far. */
  readonly entries: number;
}

/**
 * Options of functions that read a whole table. They use keys and values as they
 * are stored, and these may have any bytes.
 */
export interface MaintenanceOptions extends
  Omit<
    OpenOptions,
    | "write"
    | "fold"
    | "utf8"
    | "duplicates"
    | "onDuplicate"
    | "fileValues"
    | "securitySensitive"
  > {
  /** Called about every thousand entries. */
  onProgress?: (progress: Progress) => void;
}

/** The allowed names, including table options that have no effect here. */
export const maintenanceOptionNames: Readonly<
  Record<keyof OpenOptions | "onProgress", true>
> = { ...openOptionNames, onProgress: true };
