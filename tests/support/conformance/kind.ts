import {
  type Entry,
  type OpenOptions,
  openTable,
  type Table,
} from "../../../mod.ts";
import type { Text } from "../../../lib/bytes/text.ts";
import type { OddKey, OddValue } from "./odd.ts";

/** Opens a table with data that was made before. */
export type OpenTable = (options?: OpenOptions) => Promise<Table>;

/** Makes data for tables. */
export interface Maker extends AsyncDisposable {
  /** Makes the data of a new table; `text` is its encoding. */
  make(entries: readonly Entry[], text: Text): Promise<OpenTable>;
}

/** A table type, and what it cannot do. */
export interface Kind {
  readonly name: string;
  start(): Promise<Maker>;
  /** What lookups find. */
  readonly finds: "its entries" | "v for every key" | "failures";
  /** `refuses`: it can be opened for writing, but each write throws an error. */
  readonly writes: "yes" | "never" | "refuses";
  /** The order of a listing, or why there is none. */
  readonly lists:
    | "bytes"
    | "as given"
    | "any order"
    | "never"
    | "with a warning";
  /** Keys that it does not find and refuses to store, by their names in odd.ts. */
  readonly noKeys?: readonly OddKey[];
  /** Keys for which it throws TemporaryError. */
  readonly failingKeys?: readonly OddKey[];
  /** Values that it refuses, by their names in odd.ts. */
  readonly noValues?: readonly OddValue[];
  /** The `duplicates` option has no effect: new values replace old ones. */
  readonly alwaysReplaces?: true;
  /** How many entries the tests of large tables use; 1200 by default. */
  readonly many?: number;
  /** Only one listing of a table is possible at a time. */
  readonly oneListing?: true;
}

/** Opens a table by name. Options of the test override those in `more`. */
export function opener(name: string, more: OpenOptions = {}): OpenTable {
  return (options = {}) => openTable(name, { ...more, ...options });
}

/** A test for all tables of some kinds. */
export interface Requirement {
  readonly name: string;
  readonly of?: (kind: Kind) => boolean;
  readonly holds: (kind: Kind, maker: Maker) => Promise<void>;
}

/** Whether tables of a kind can be written. */
export const isWritten = ({ writes }: Kind) => writes === "yes";

/** Whether tables of a kind can be listed. */
export const isListed = ({ lists }: Kind) =>
  lists !== "never" && lists !== "with a warning";
