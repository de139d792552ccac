import { byteText, type Text } from "../bytes/text.ts";
import { markWarning } from "../config/logical_lines.ts";
import { openStored } from "../open.ts";
import type { LineTable } from "../tables/driver_table.ts";
import type { Table } from "../table.ts";
import type { CommandLine } from "./command_line.ts";
import { Output, type Report } from "./streams.ts";
import { terminal } from "./terminal.ts";

/** Why an update was refused. */
export interface Refusal {
  /** The reason, in words. */
  readonly reason: string;
  /** A rule of the table refused it, or the server. */
  readonly by: "rules" | "server";
}

/** What all actions share while the program runs. */
export class Session {
  /** What was asked for. */
  readonly command: CommandLine;
  /** How strings stand for bytes in the tables. */
  readonly tableText: Text;
  /** How they do here: with `-F` they are byte strings, for files hold any. */
  readonly text: Text;
  /** Standard error. */
  readonly report: Report;
  /** Standard output. */
  readonly output: Output;
  /** Updates that were refused and not looked at, by their keys. */
  #refusals = new Map<string, Refusal[]>();
  #decodes: boolean;
  #tables = new Map<string, Promise<LineTable>>();

  /** Opens nothing yet. */
  constructor(
    command: CommandLine,
    tableText: Text,
    report: Report,
  ) {
    this.command = command;
    this.tableText = tableText;
    // As with postmap, what the lines of messages find is not decoded.
    const { message, fileValues } = command;
    this.#decodes = fileValues && !message?.headers && !message?.body;
    this.text = this.#decodes ? byteText : tableText;
    this.report = report;
    this.output = new Output(this.text);
  }

  /** Opens a table, or returns it where it is open. */
  open(name: string, write: boolean): Promise<LineTable> {
    let table = this.#tables.get(name);
    if (table === undefined) {
      table = this.#open(name, write);
      this.#tables.set(name, table);
    }
    return table;
  }

  async #open(name: string, write: boolean): Promise<LineTable> {
    const { command, tableText, report } = this;
    const table = await openStored(name, {
      write,
      fold: command.fold,
      utf8: tableText.utf8,
      configDirectory: command.configDirectory,
      connect: terminal.connect,
      kvLibrary: terminal.kvLibrary,
      duplicates: command.duplicates,
      fileValues: command.fileValues,
      onDuplicate: (key) => this.#keepDuplicate(name, key),
      onRefusal: (key, reason, by) => {
        const others = this.#refusals.get(key);
        if (others === undefined) this.#refusals.set(key, [{ reason, by }]);
        else others.push({ reason, by });
      },
      onWarning: report.warning,
      onDetail: report.detail,
    });
    if (!this.#decodes) return table;
    const { withFileValues } = await import("./actions/file_values.ts");
    return withFileValues(table, tableText, report.warning);
  }

  #keepDuplicate(table: string, key: string): void {
    if (this.command.duplicates === "ignore") return;
    this.report.warning(
      `${table}: key "${key}" exists: replace it with -r, or keep it silently with -w`,
    );
  }

  /** Why the update of a key was refused, if it was; of several, the first. */
  takeRefusal(key: string): Refusal | undefined {
    if (this.#refusals.size === 0) return undefined;
    const { text, tableText, command } = this;
    const own = tableText.decode(text.encode(key)) ?? key;
    for (const name of [own, command.fold ? tableText.fold(own) : own]) {
      const refusals = this.#refusals.get(name);
      if (refusals === undefined) continue;
      const first = refusals.shift();
      if (refusals.length === 0) this.#refusals.delete(name);
      return first;
    }
    return undefined;
  }

  /** Warns of an empty value, which Postfix does not want in a table. */
  warnIfEmpty(table: Table, key: string, value: string): void {
    if (value !== "") return;
    const shown = this.tableText.decode(this.text.encode(key)) ?? key;
    this.report.warning(
      `${table.name}: the value of key "${shown}" is empty: ` +
        `a table should rather not have the key`,
    );
  }

  /** Warns of a line that is no text. */
  warnNotText = (line: Uint8Array): void => {
    const shown = new TextDecoder().decode(line);
    this.report.warning(`skipping a key that is not UTF-8: "${shown}"`);
  };

  /** Warns of a byte order mark before the first key. */
  warnMark = (line: string): void => {
    this.report.warning(`standard input, line 1: ${markWarning("key", line)}`);
  };

  /** Closes all tables. */
  async close(): Promise<void> {
    for (const opening of this.#tables.values()) {
      const table = await opening.catch(() => undefined);
      await table?.close();
    }
  }
}
