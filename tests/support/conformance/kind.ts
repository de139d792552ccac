import {
  type Entry,
  type OpenOptions,
  openTable,
  type Table,
} from "../../../mod.ts";
import type { Text } from "../../../lib/bytes/text.ts";
import type { OddKey, OddValue } from "./odd.ts";

/** How a table whose data was made is opened. */
export type OpenTable = (options?: OpenOptions) => Promise<Table>;

/** Makes the data of one table after the other. */
export interface Maker extends AsyncDisposable {
  /** Makes data of its own for a table; `text` says which bytes they are. */
  make(entries: readonly Entry[], text: Text): Promise<OpenTable>;
}

/** A table type, and what it cannot do. */
export interface Kind {
  readonly name: string;
  start(): Promise<Maker>;
  /** What lookups find: what it has, the one value for all keys, or nothing ever. */
  readonly finds: "its entries" | "v for every key" | "failures";
  /** `refuses`: it can be opened for writing, and each write throws ReadOnlyError. */
  readonly writes: "yes" | "never" | "refuses";
  /** The order of a listing, or why there is none. */
  readonly lists:
    | "bytes"
    | "as given"
    | "any order"
    | "never"
    | "with a warning";
  /** Keys that it skips and refuses, by their names in odd.ts. */
  readonly noKeys?: readonly OddKey[];
  /** Keys of which it says that it fails. */
  readonly failingKeys?: readonly OddKey[];
  /** Values that it refuses, by their names in odd.ts. */
  readonly noValues?: readonly OddValue[];
  /** The `duplicates` option has no effect: what is new replaces what was. */
  readonly alwaysReplaces?: true;
  /** How many entries are many; 1200 unless told. */
  readonly many?: number;
  /** Two listings of one table get in each other's way. */
  readonly oneListing?: true;
}

/** Opens a table by its name, with options of the kind below those of the test. */
export function opener(name: string, more: OpenOptions = {}): OpenTable {
  return (options = {}) => openTable(name, { ...more, ...options });
}

/** What every table of some kinds does. */
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
