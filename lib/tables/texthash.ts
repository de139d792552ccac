import { parseEntryLine } from "../config/entry_line.ts";
import {
  beforeNull,
  logicalLines,
  nullByteWarning,
  physicalLine,
} from "../config/logical_lines.ts";
import { splitLines } from "../bytes/text.ts";
import { ConfigError } from "../errors.ts";
import { EntriesDriver } from "./inline.ts";
import { type Opening, readBytes } from "./opening.ts";
import { DriverTable } from "./driver_table.ts";

/**
 * Opens `texthash:/path/file`: a source file of postmap(1), which is read once,
 * when the table is opened. An invalid line is ignored with a warning.
 *
 * Implements "texthash" of DATABASE_README.
 */
export async function openTexthash(opening: Opening): Promise<DriverTable> {
  const { name, path, options, rules } = opening;
  const { onWarning } = rules;
  const bytes = await readBytes(options, path);
  const entries = new Map<string, string>();
  const physical = splitLines(rules.text, bytes);
  if (physical.some((line) => typeof line !== "string")) opening.onNotUtf8?.();
  const lines = logicalLines(
    physical.map((line) =>
      typeof line === "string" ? { text: line } : physicalLine(line)
    ),
    ({ line }) =>
      onWarning(
        `${path}, line ${line}: ignoring a line that continues nothing`,
      ),
  );
  const files = options.fileValues
    ? await import("./file_values_encoding.ts")
    : undefined;
  for (const { text, line, flaw } of lines) {
    if (flaw !== undefined) {
      onWarning(`${path}, line ${line}: ${flaw}: ignoring this line`);
      continue;
    }
    const used = beforeNull(text);
    if (used !== text) onWarning(`${path}, line ${line}: ${nullByteWarning}`);
    try {
      const { key, value: written, doubt } = parseEntryLine(used);
      if (doubt !== undefined) onWarning(`${path}, line ${line}: ${doubt}`);
      const value = files === undefined
        ? written
        : await files.encodeFiles(opening, written);
      const folded = rules.fold ? rules.text.fold(key) : key;
      if (entries.has(folded) && options.duplicates !== "replace") {
        if (options.duplicates === "ignore") continue;
        onWarning(
          `${path}, line ${line}: duplicate entry "${folded}": keeping the first`,
        );
      } else entries.set(folded, value);
    } catch (error) {
      const ofFile = files !== undefined && error instanceof ConfigError;
      if (!ofFile && !(error instanceof RangeError)) throw error;
      onWarning(`${path}, line ${line}: ${error.message}: ignoring this line`);
    }
  }
  return new DriverTable(name, new EntriesDriver(entries), rules);
}
