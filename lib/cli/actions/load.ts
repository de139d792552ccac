import { TemporaryError } from "../../errors.ts";
import { grouped, Progress } from "../progress.ts";
import type { Refusal, Session } from "../session.ts";
import { type NumberedEntry, sourceEntries } from "../source_entries.ts";
import { terminal } from "../terminal.ts";

// Entries in a row that the server refuses: then it takes none at all.
const mostRefused = 1000;

/**
 * `-i`: stores the entries of standard input. A line that cannot be used, or whose
 * entry is refused, is left out with a warning, and makes the exit status 1 in the
 * end; the others are stored all the same. A failure ends it, and says how far it
 * came.
 */
export async function loadStandardInput(session: Session): Promise<number> {
  const { report, text } = session;
  const table = await session.open(session.command.tables[0], true);
  const { withContents } = session.command.fileValues
    ? await import("./file_values.ts")
    : { withContents: undefined };
  // Who types the lines sees how far they are.
  const progress = Progress.where(!terminal.isTerminal("input"));
  const size = progress && terminal.inputSize();
  let read = 0;
  const onRead = (bytes: number) => {
    read += bytes;
  };
  let stored = 0;
  let leftOut = 0;
  let refusedInARow = 0;
  let isRefusing = false;
  const leaveOut = (line: number, reason: string) => {
    report.warning(`standard input, line ${line}: ${reason}: not stored`);
    leftOut++;
  };
  const refuse = ({ key, line }: NumberedEntry, refusal: Refusal) => {
    leaveOut(line, `key "${key}": ${refusal.reason}`);
    if (refusal.by === "rules") {
      refusedInARow = 0;
      return;
    }
    isRefusing = true;
    if (++refusedInARow === mostRefused) {
      throw new TemporaryError(
        `${table.name}: ${mostRefused} entries in a row were refused: it ends here`,
      );
    }
  };
  /** Entries on their way, whose results come in their order. */
  const onTheWay: NumberedEntry[] = [];
  const store = async (entries: readonly NumberedEntry[]) => {
    onTheWay.push(...entries);
    const updates = table.updateMany(
      withContents?.(entries, session.tableText, (line, reason) => {
        leaveOut(line, reason);
        onTheWay.splice(onTheWay.findIndex((entry) => entry.line === line), 1);
      }) ?? entries,
    );
    for await (const update of updates) {
      const entry = onTheWay.shift()!;
      const refusal = session.takeRefusal(update.key);
      // As with postmap, keeping what is there is no failure.
      if (refusal !== undefined) refuse(entry, refusal);
      else {
        refusedInARow = 0;
        if (update.stored) stored++;
      }
    }
    progress?.add(entries.length, size && read / size);
  };

  let isDone = false;
  try {
    const source = sourceEntries(text, {
      onRead,
      onFlaw: leaveOut,
      onWarning: report.warning,
    });
    for await (const entries of source) await store(entries);
    isDone = true;
  } finally {
    progress?.end();
    const line = onTheWay[0]?.line;
    const end = isDone || line === undefined
      ? ""
      : `, up to line ${grouped(line)} of standard input`;
    if (isRefusing || !isDone && stored > 0) {
      report.note(
        `${grouped(stored)} entries stored, ${grouped(leftOut)} not${end}`,
      );
    }
  }
  return leftOut > 0 ? 1 : 0;
}
