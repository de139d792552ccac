import type { CommandLine } from "../command_line.ts";
import { formatEntry, type Output } from "../streams.ts";
import type { Session } from "../session.ts";

/** `-q KEY`: prints the value of a key. Returns the exit status. */
export async function lookupKey(
  session: Session,
  key: string,
): Promise<number> {
  const value = await lookupInTables(session, key);
  if (value === undefined) return 1;
  await printValue(session.output, session.command, key, value);
  return 0;
}

/** Prints the value that `-q KEY` found. */
export async function printValue(
  output: Output,
  { json }: CommandLine,
  key: string,
  value: string,
): Promise<void> {
  await output.write(json ? formatEntry(key, value, true) : `${value}\n`);
  await output.flush();
}

/** The value from the first table that has the key; `undefined` if none has it. */
export async function lookupInTables(
  session: Session,
  key: string,
): Promise<string | undefined> {
  for (const name of session.command.tables) {
    const table = await session.open(name, false);
    const value = await table.lookup(key);
    if (value === undefined) continue;
    session.warnIfEmpty(table, key, value);
    return value;
  }
  return undefined;
}
