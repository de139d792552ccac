import type { EntryLine } from "../../config/entry_line.ts";
import { ConfigError } from "../../errors.ts";
import { byteText, configText, type Text } from "../../bytes/text.ts";
import type { Entry, Table } from "../../table.ts";
import { readFiles } from "../../tables/file_values_encoding.ts";
import type { LineTable } from "../../tables/driver_table.ts";
import { FileValuesTable } from "../../tables/file_values_table.ts";

/**
 * `-F`: a table whose strings, keys and values, are byte strings, for files hold
 * any bytes. `text` is that of the table.
 */
export function withFileValues(
  table: Table,
  text: Text,
  onWarning: (message: string) => void,
): LineTable {
  return new FileValuesTable(table, {
    text,
    strings: byteText,
    cut: true,
    onWarning,
  });
}

/** An entry of standard input, and the line on which it begins. */
export interface NumberedEntry extends EntryLine {
  readonly line: number;
}

/**
 * The entries with the content of the files that their values name; a file is
 * read when its entry is asked for. An entry that cannot be used is left out.
 */
export async function* withContents(
  entries: readonly NumberedEntry[],
  text: Text,
  leaveOut: (line: number, reason: string) => void,
): AsyncGenerator<Entry> {
  for (const { key, value, line } of entries) {
    const isText = [key, value].every((string) =>
      text.decode(byteText.encode(string)) !== undefined
    );
    if (!isText) {
      leaveOut(line, "it is not UTF-8");
      continue;
    }
    try {
      const names = configText(byteText.encode(value));
      yield { key, value: byteText.decode(await readFiles({}, names))! };
    } catch (error) {
      if (!(error instanceof ConfigError || error instanceof RangeError)) {
        throw error;
      }
      leaveOut(line, `${error.message}; with -F a value names files`);
    }
  }
}
