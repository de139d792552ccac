import type { Table } from "../../../lib/table.ts";

interface Found {
  readonly key: string;
  readonly value: string | undefined;
}

interface Bulk {
  lookupMany(keys: Iterable<string>): AsyncIterable<Found>;
}

let told = false;

/** The table's `lookupMany`, or a plain loop where it has none. */
export function lookupMany(
  table: Table,
  keys: Iterable<string>,
): AsyncIterable<Found> {
  if ("lookupMany" in table) return (table as Table & Bulk).lookupMany(keys);
  if (!told) {
    console.error("there is no lookupMany: a plain loop stands in for it");
  }
  told = true;
  return oneByOne(table, keys);
}

async function* oneByOne(
  table: Table,
  keys: Iterable<string>,
): AsyncGenerator<Found> {
  for (const key of keys) yield { key, value: await table.lookup(key) };
}
