import type { Entry, OpenOptions, Table } from "../../../mod.ts";
import { byteText, utf8Text } from "../../../lib/bytes/text.ts";
import type { Kind } from "./kind.ts";

/** Entries that every table type can store. */
export const some: Entry[] = [
  { key: "alice", value: "one" },
  { key: "strasse", value: "s" },
  { key: "bob", value: "two words" },
  { key: "käse", value: "Brot 😀" },
  { key: "a@b.example", value: "c@d.example, e@f.example" },
];

/** Options for a table that is read. */
export const quiet: OpenOptions = { utf8: true, onWarning: () => {} };
/** Options for a table that is written. */
export const writing: OpenOptions = { ...quiet, write: true };

function encodedOrder(entries: readonly Entry[]): Entry[] {
  const bytes = (key: string) => byteText.decode(utf8Text.encode(key))!;
  return entries.toSorted((left, right) =>
    bytes(left.key) < bytes(right.key) ? -1 : 1
  );
}

/** The expected listing of `entries`, in the order of `kind`. */
export function listing(kind: Kind, entries: readonly Entry[]): Entry[] {
  return kind.lists === "as given" ? [...entries] : encodedOrder(entries);
}

/** The actual listing of a table; sorted if its kind has no order. */
export async function listed(kind: Kind, table: Table): Promise<Entry[]> {
  const entries = await Array.fromAsync(table);
  return kind.lists === "any order" ? encodedOrder(entries) : entries;
}

/** Makes `count` entries, in the order of their bytes. */
export function numbered(count: number): Entry[] {
  return Array.from({ length: count }, (_, number) => ({
    key: `k${String(number).padStart(5, "0")}`,
    value: `v${number}`,
  }));
}
