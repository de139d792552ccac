import type { Table } from "../../table.ts";
import { beforeNull } from "../../config/logical_lines.ts";
import { readLines } from "../input.ts";
import type { Session } from "../session.ts";

/** `-d KEY`: deletes a key from all tables. Returns the exit status. */
export async function deleteKey(
  session: Session,
  key: string,
): Promise<number> {
  return await deleteFromTables(await openTables(session), key) ? 0 : 1;
}

/** `-d -`: deletes the keys of standard input. Returns the exit status. */
export async function deleteStandardInput(session: Session): Promise<number> {
  const tables = await openTables(session);
  let status = 1;
  for await (
    const lines of readLines(session.text, {
      onByteOrderMark: session.warnByteOrderMark,
    })
  ) {
    const keys: string[] = [];
    for (const line of lines) {
      if (typeof line !== "string") session.warnNotText(line);
      else keys.push(beforeNull(line));
    }
    for (const table of tables) {
      for await (const { deleted } of table.deleteMany(keys)) {
        if (deleted) status = 0;
      }
    }
  }
  return status;
}

async function deleteFromTables(
  tables: readonly Table[],
  key: string,
): Promise<boolean> {
  let found = false;
  for (const table of tables) found = await table.delete(key) || found;
  return found;
}

// Opens all tables before anything is deleted, so that a wrong name changes nothing.
async function openTables(session: Session): Promise<Table[]> {
  const tables: Table[] = [];
  for (const name of session.command.tables) {
    tables.push(await session.open(name, true));
  }
  return tables;
}
