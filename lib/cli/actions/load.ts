import { TemporaryError } from "../../errors.ts";
import { howFar } from "../how_far.ts";
import { formatCount, Progress } from "../progress.ts";
import type { Refusal, Session } from "../session.ts";
import { type NumberedEntry, sourceEntries } from "../source_entries.ts";
import { terminal } from "../terminal.ts";

// After so many refused entries in a row, the server will refuse all others too.
const maxRefused = 1000;

/**
 * `-i`: stores the entries of standard input. Returns the exit status. A line that
 * cannot be used, or whose entry is refused, is skipped with a warning, and the
 * exit status is 1. If the table fails, a message says how far it came.
 */
export async function loadStandardInput(session: Session): Promise<number> {
  const { report, text } = session;
  const table = await session.open(session.command.tables[0], true);
  const { withContents } = session.command.fileValues
    ? await import("./file_values.ts")
    : { withContents: undefined };
  // A user who types the lines needs no progress line.
  const progress = Progress.onTerminal(!terminal.isTerminal("input"));
  const size = progress && terminal.inputSize();
  let read = 0;
  const onRead = (bytes: number) => {
    read += bytes;
  };
  let stored = 0;
  let skipped = 0;
  let refusedInARow = 0;
  let isRefusing = false;
  const skip = (line: number, reason: string) => {
    report.warning(`standard input, line ${line}: ${reason}: not stored`);
    skipped++;
  };
  const recordRefusal = ({ key, line }: NumberedEntry, refusal: Refusal) => {
    skip(line, `key "${key}": ${refusal.reason}`);
    if (refusal.by === "rules") {
      refusedInARow = 0;
      return;
    }
    isRefusing = true;
    if (++refusedInARow === maxRefused) {
      throw new TemporaryError(
        `${table.name}: ${maxRefused} entries in a row were refused: it ends here`,
      );
    }
  };
  /**
   * Entries that are being stored, in the order of their results, and between them
   * messages about lines that were read meanwhile.
   */
  const pending: (NumberedEntry | (() => void))[] = [];
  const inTurn = (say: () => void) => {
    if (pending.length === 0) say();
    else pending.push(say);
  };
  const sayAll = () => {
    for (let say; typeof (say = pending[0]) === "function"; say()) {
      pending.shift();
    }
  };
  const lists = async function* () {
    const source = sourceEntries(text, {
      onRead,
      signal: session.interruption,
      onFlaw: (line, reason) => inTurn(() => skip(line, reason)),
      onWarning: (message) => inTurn(() => report.warning(message)),
    });
    for await (const entries of source) {
      const complete = withContents?.(
        entries,
        session.tableText,
        (line, reason) => inTurn(() => skip(line, reason)),
      ) ?? [entries];
      for await (const some of complete) {
        for (const entry of some) pending.push(entry);
        yield some;
      }
    }
  };

  let isDone = false;
  try {
    for await (const updates of table.updateLists(lists())) {
      for (const update of updates) {
        const entry = pending.shift() as NumberedEntry;
        // One of the same key that was stored has none.
        const refusal = update.stored
          ? undefined
          : session.takeRefusal(update.key);
        // As in postmap, it is no error if the table keeps the old value.
        if (refusal !== undefined) recordRefusal(entry, refusal);
        else {
          refusedInARow = 0;
          if (update.stored) stored++;
        }
        sayAll();
      }
      progress?.add(updates.length, size && read / size);
    }
    if (stored === 0) await table.create?.();
    isDone = true;
  } finally {
    progress?.end();
    const line = pending.find((next) => typeof next !== "function")?.line;
    const end = isDone || line === undefined
      ? ""
      : `, up to line ${formatCount(line)} of standard input`;
    if (isRefusing || !isDone && stored > 0) {
      report.note(howFar({ stored, notStored: skipped }) + end);
    }
  }
  return skipped > 0 ? 1 : 0;
}
