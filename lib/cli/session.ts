import { connectDeno } from "../socket/deno.ts";
import type { Text } from "../key/text.ts";
import { openTable } from "../open.ts";
import type { Table } from "../table.ts";
import type { CommandLine } from "./command_line.ts";
import type { Output, Report } from "./streams.ts";

/** What all actions share while the program runs. */
export class Session {
  /** What was asked for. */
  readonly command: CommandLine;
  /** How strings stand for bytes. */
  readonly text: Text;
  /** Standard error. */
  readonly report: Report;
  /** Standard output. */
  readonly output: Output;
  /** How many updates kept what was there. */
  kept = 0;
  #tables = new Map<string, Promise<Table>>();

  /** Opens nothing yet. */
  constructor(
    command: CommandLine,
    text: Text,
    report: Report,
    output: Output,
  ) {
    this.command = command;
    this.text = text;
    this.report = report;
    this.output = output;
  }

  /** Opens a table, or returns it where it is open. */
  open(name: string, write: boolean): Promise<Table> {
    let table = this.#tables.get(name);
    if (table === undefined) {
      table = this.#open(name, write);
      this.#tables.set(name, table);
    }
    return table;
  }

  #open(name: string, write: boolean): Promise<Table> {
    const { command, text, report } = this;
    return openTable(name, {
      write,
      fold: command.fold,
      utf8: text.utf8,
      configDirectory: command.configDirectory,
      connect: connectDeno,
      duplicates: command.duplicates,
      onDuplicate: (key) => this.#keepDuplicate(name, key),
      onWarning: report.warning,
      onDetail: report.detail,
    });
  }

  #keepDuplicate(table: string, key: string): void {
    this.kept++;
    if (this.command.duplicates === "ignore") return;
    this.report.warning(
      `${table}: key "${key}" exists: replace it with -r, or keep it silently with -w`,
    );
  }

  /** Warns of an empty value, which Postfix does not want in a table. */
  warnIfEmpty(table: Table, key: string, value: string): void {
    if (value !== "") return;
    this.report.warning(
      `${table.name}: the value of key "${key}" is empty: ` +
        `a table should rather not have the key`,
    );
  }

  /** Warns of a line that is no text. */
  warnNotText = (line: Uint8Array): void => {
    const shown = new TextDecoder().decode(line);
    this.report.warning(`skipping a key that is not UTF-8: "${shown}"`);
  };

  /** Closes all tables. */
  async close(): Promise<void> {
    for (const opening of this.#tables.values()) {
      const table = await opening.catch(() => undefined);
      await table?.close();
    }
  }
}
