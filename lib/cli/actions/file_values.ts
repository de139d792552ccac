import { ConfigError } from "../../errors.ts";
import { byteText, configText, type Text } from "../../bytes/text.ts";
import type { Table } from "../../table.ts";
import { readFiles } from "../../tables/file_values_encoding.ts";
import type { LineTable } from "../../tables/driver_table.ts";
import type { NumberedEntry } from "../source_entries.ts";
import { FileValuesTable } from "../../tables/file_values_table.ts";

/**
 * `-F`: wraps a table so that its values are the content of files. Keys and
 * values are byte strings, because files may have any bytes. `text` is the
 * encoding of the table.
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

/**
 * Replaces values that are file names by the content of the files, one after the
 * other. A file is read when its entry is requested. Calls `skip` for an entry that
 * cannot be used.
 */
export async function* withContents(
  entries: readonly NumberedEntry[],
  text: Text,
  skip: (line: number, reason: string) => void,
): AsyncGenerator<NumberedEntry[]> {
  for (const { key, value, line } of entries) {
    const isText = [key, value].every((string) =>
      text.decode(byteText.encode(string)) !== undefined
    );
    if (!isText) {
      skip(line, "it is not UTF-8");
      continue;
    }
    try {
      const names = configText(byteText.encode(value));
      const content = byteText.decode(await readFiles({}, names))!;
      yield [{ key, value: content, line }];
    } catch (error) {
      if (!(error instanceof ConfigError || error instanceof RangeError)) {
        throw error;
      }
      skip(line, `${error.message}; with -F a value names files`);
    }
  }
}
