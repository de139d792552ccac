import { openOptionKinds } from "../tables/opening.ts";
import type { OpenOptions } from "../table.ts";
import type { OptionKinds } from "../tables/options.ts";

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

/** The allowed options, including table options that have no effect here. */
export const maintenanceOptionKinds: OptionKinds<
  OpenOptions & Pick<MaintenanceOptions, "onProgress">
> = { ...openOptionKinds, onProgress: "function" };
