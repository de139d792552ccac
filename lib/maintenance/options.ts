import { openOptionNames } from "../tables/opening.ts";
import type { OpenOptions } from "../table.ts";

/** How far something is that goes through a table. */
export interface Progress {
  /** Entries that were looked at so far. */
  readonly entries: number;
}

/**
 * Options of what goes through a whole table. Keys are taken as they are stored,
 * and values too, whatever their bytes.
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
  /** Called every thousand entries or so. */
  onProgress?: (progress: Progress) => void;
}

/** Their names, and those of all tables: what is not heard does no harm. */
export const maintenanceOptionNames: Readonly<
  Record<keyof OpenOptions | "onProgress", true>
> = { ...openOptionNames, onProgress: true };
