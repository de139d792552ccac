import { formatEntry } from "./streams.ts";
import type { Session } from "./session.ts";

/** `-s`: all entries of the table. Returns the exit status. */
export async function listEntries(session: Session): Promise<number> {
  const { output, command } = session;
  const table = await session.open(command.tables[0], false);
  for await (const { key, value } of table) {
    session.warnIfEmpty(table, key, value);
    // Waiting for each of a million takes longer than writing them.
    if (output.add(formatEntry(key, value, command.json))) await output.flush();
  }
  await output.flush();
  return 0;
}
