import { byteText, type Text } from "../bytes/text.ts";
import { markWarning } from "../config/logical_lines.ts";
import { openStored } from "../open.ts";
import type { MailSystem } from "../system/mail_system.ts";
import type { LineTable } from "../tables/driver_table.ts";
import type { Table } from "../table.ts";
import { type CommandLine, isSingleLookup } from "./command_line.ts";
import { Output, type Report } from "./streams.ts";
import { terminal } from "./terminal.ts";

/** An update that was refused. */
export interface Refusal {
  /** The reason, for a message. */
  readonly reason: string;
  /** What refused it: a rule of the table, or the server. */
  readonly by: "rules" | "server";
}

/** It matters whether UTF-8 support is on, which was only assumed. */
export class Utf8InDoubt extends Error {}

/** What a session needs besides its command. */
export interface SessionParts {
  /** The encoding of the tables. */
  readonly text: Text;
  /**
   * Whether UTF-8 support is only assumed: then opening a table with a line that is
   * not UTF-8 throws {@linkcode Utf8InDoubt}.
   */
  readonly assumesUtf8: boolean;
  /** The main.cf of all tables, which is read once. */
  readonly mail: MailSystem;
  /** Standard error. */
  readonly report: Report;
  /** Aborted when the user ends an action that must not just stop. */
  readonly interruption?: AbortSignal;
}

/** What the actions share: the open tables, input, output and messages. */
export class Session {
  /** The command line. */
  readonly command: CommandLine;
  /** The encoding of the tables. */
  readonly tableText: Text;
  /** The encoding of input and output: byte strings with `-F`, for any file. */
  readonly text: Text;
  /** Standard error. */
  readonly report: Report;
  /** Standard output. */
  readonly output: Output;
  /** As in SessionParts. */
  readonly mail: MailSystem;
  /** As in SessionParts. */
  readonly interruption: AbortSignal | undefined;
  /** Refused updates that were not taken yet, by their keys. */
  #refusals = new Map<string, Refusal[]>();
  #assumesUtf8: boolean;
  #decodesFiles: boolean;
  #tables = new Map<string, Promise<LineTable>>();

  /** Opens no table yet. */
  constructor(command: CommandLine, parts: SessionParts) {
    this.command = command;
    this.mail = parts.mail;
    this.#assumesUtf8 = parts.assumesUtf8;
    this.tableText = parts.text;
    // As in postmap, values that are found for lines of a message are not decoded.
    const { message, fileValues } = command;
    this.#decodesFiles = fileValues && !message?.headers && !message?.body;
    this.text = this.#decodesFiles ? byteText : parts.text;
    this.report = parts.report;
    this.interruption = parts.interruption;
    this.output = new Output(this.text);
  }

  /** Opens a table, or returns the one that is open. */
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
      connect: isSingleLookup(command) ? terminal.connect : undefined,
      kvLibrary: terminal.kvLibrary,
      duplicates: command.duplicates,
      fileValues: command.fileValues,
      onDuplicate: (key) => this.#warnDuplicate(name, key),
      onRefusal: (key, reason, by) => {
        const others = this.#refusals.get(key);
        if (others === undefined) this.#refusals.set(key, [{ reason, by }]);
        else others.push({ reason, by });
      },
      onWarning: report.warning,
      onDetail: report.detail,
    }, {
      mail: this.mail,
      onNotUtf8: () => {
        if (this.#assumesUtf8) throw new Utf8InDoubt();
      },
    });
    if (!this.#decodesFiles) return table;
    const { withFileValues } = await import("./actions/file_values.ts");
    return withFileValues(table, tableText, report.warning);
  }

  #warnDuplicate(table: string, key: string): void {
    if (this.command.duplicates === "ignore") return;
    this.report.warning(
      `${table}: key "${key}" exists: replace it with -r, or keep it silently with -w`,
    );
  }

  /** Takes the first refused update of a key, if there is one. */
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

  /** Warns of an empty value: Postfix does not expect one in a table. */
  warnIfEmpty(table: Table, key: string, value: string): void {
    if (value !== "") return;
    const shown = this.tableText.decode(this.text.encode(key)) ?? key;
    this.report.warning(
      `${table.name}: the value of key "${shown}" is empty: ` +
        `a table should rather not have the key`,
    );
  }

  /** Warns of a line that is not UTF-8. */
  warnNotText = (line: Uint8Array): void => {
    const shown = new TextDecoder().decode(line);
    this.report.warning(`skipping a key that is not UTF-8: "${shown}"`);
  };

  /** Warns of a byte order mark before the first key. */
  warnByteOrderMark = (line: string): void => {
    this.report.warning(`standard input, line 1: ${markWarning("key", line)}`);
  };

  /** Closes all tables at the end of the program, where that makes a difference. */
  async close(): Promise<void> {
    for (const opening of this.#tables.values()) {
      const table = await opening.catch(() => undefined);
      // With -v a table tells that it disconnects.
      const isVerbose = this.report.detail !== undefined;
      if (isVerbose || !table?.endsWithProgram?.()) await table?.close();
    }
  }
}
