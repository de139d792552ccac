import type { Table } from "../../mod.ts";

/** All entries of a table, each as `-s` prints it. */
export function entryLines(table: Table): Promise<string[]> {
  return Array.fromAsync(table, ({ key, value }) => `${key}\t${value}`);
}
