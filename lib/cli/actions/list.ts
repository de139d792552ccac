import { Progress } from "../progress.ts";
import type { Session } from "../session.ts";
import { formatEntry } from "../streams.ts";
import { terminal } from "../terminal.ts";

/** `-s`: prints all entries of the table. Returns the exit status. */
export async function listEntries(session: Session): Promise<number> {
  const { output, command } = session;
  const table = await session.open(command.tables[0], false);
  const progress = Progress.onTerminal(!terminal.isTerminal("output"));
  let waiting = 0;
  for await (const { key, value } of table) {
    waiting++;
    session.warnIfEmpty(table, key, value);
    // An await for each of a million entries would take longer than the writing.
    if (output.add(formatEntry(key, value, command.json))) {
      await output.flushBlocks();
      progress?.add(waiting);
      waiting = 0;
    }
  }
  await output.flush();
  progress?.end();
  return 0;
}
