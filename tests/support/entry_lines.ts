import type { Table } from "../../mod.ts";

/** All entries of a table as lines, as `-s` prints them. */
export function entryLines(table: Table): Promise<string[]> {
  return Array.fromAsync(table, ({ key, value }) => `${key}\t${value}`);
}
