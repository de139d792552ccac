import { requireKind } from "../arguments.ts";
import { reasonOf } from "../errors.ts";
import { openTable } from "../open.ts";
import { type Clock, systemClock } from "../system/clock.ts";
import { SeenFiles } from "../system/seen_files.ts";
import type { OpenOptions, RequestOptions, Table } from "../table.ts";
import { openOptionKinds } from "../tables/opening.ts";
import { type OptionKinds, requireOptions } from "../tables/options.ts";
import type { LookupTable } from "./answers.ts";

// All in milliseconds. The time between two checks of the files; the same while a
// file is being written; how long such writing may take; how long lookups wait
// while the table is opened again; the time between two attempts to open it.
const checkInterval = 1000;
const changingInterval = 250;
const maxChangeTime = 5000;
const maxReloadWait = 1000;
const retryInterval = 30_000;

/** Options of {@linkcode openServedTable}. */
export interface ServedTableOptions extends OpenOptions {
  /** Called with a line of text when the table was opened again. */
  onReload?: (message: string) => void;
}

const optionKinds: OptionKinds<ServedTableOptions> = {
  ...openOptionKinds,
  onReload: "function",
};

/** An open table, and the files that it was read from. */
interface OpenedTable {
  readonly table: Table;
  readonly files: SeenFiles;
  /** The number of lookups that are under way. */
  pending: number;
  /** Whether a newer one has replaced it. */
  isOld: boolean;
}

/**
 * A table that is opened again when one of its files changes, as in Postfix's
 * daemons: the table's own file, main.cf, the source of a `texthash:`, or a file
 * of a domain list. {@linkcode openServedTable} opens one.
 */
export class ServedTable implements LookupTable, AsyncDisposable {
  /** The name that it was opened with, `type:name`. */
  readonly name: string;
  #options: ServedTableOptions;
  #clock: Clock;
  #current: OpenedTable;
  /** The files of the last attempt to open the table. */
  #files: SeenFiles;
  #nextCheck: number;
  #changingSince: number | undefined;
  #reloading: Promise<boolean> | undefined;
  #waiting: Promise<void> | undefined;
  #failure: { readonly reason: string; at: number } | undefined;
  #old = new Set<OpenedTable>();
  #closed = false;

  /** Takes over an open table. Use {@linkcode openServedTable} instead. */
  constructor(options: ServedTableOptions, opened: OpenedTable) {
    this.name = opened.table.name;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#current = opened;
    this.#files = opened.files;
    this.#nextCheck = this.#clock.now() + checkInterval;
  }

  /** As in Table. Checks the files at most once a second. */
  lookup(key: string, options?: RequestOptions): Promise<string | undefined> {
    const waiting = this.#checkFiles();
    return waiting === undefined
      ? this.#ask(key, options)
      : waiting.then(() => this.#ask(key, options));
  }

  /**
   * Opens the table again, whether or not a file has changed. The old table
   * answers the lookups that are under way, and is closed then. If the table
   * cannot be opened, warns, keeps the old one and returns `false`.
   *
   * If the table is just being opened, waits for that. With `anew`, opens it once
   * more after that, to read its files as they are now, and repeats a warning that
   * was given before for the same reason.
   */
  async reload({ anew = false }: { anew?: boolean } = {}): Promise<boolean> {
    if (anew) {
      while (this.#reloading !== undefined) await this.#reloading;
      this.#failure = undefined;
    }
    return await this.#reloadOnce();
  }

  #reloadOnce(): Promise<boolean> {
    return this.#reloading ??= this.#reload().finally(() =>
      this.#reloading = undefined
    );
  }

  /** Ends the lookups under way and closes all that is open. May be called twice. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#reloading;
    const opened = [this.#current, ...this.#old];
    await Promise.all(opened.map(({ table }) => table.close()));
  }

  /** Closes it. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #ask(key: string, options?: RequestOptions): Promise<string | undefined> {
    const opened = this.#current;
    const answer = opened.table.lookup(key, options);
    opened.pending++;
    const settled = () => {
      opened.pending--;
      if (opened.isOld) void this.#closeIfDone(opened);
    };
    answer.then(settled, settled);
    return answer;
  }

  /** Checks the files if it is time to. A lookup waits for what this returns. */
  #checkFiles(): Promise<void> | undefined {
    const now = this.#clock.now();
    if (now < this.#nextCheck || this.#closed) return this.#waiting;
    this.#nextCheck = now + checkInterval;
    if (this.#reloading !== undefined) return this.#waiting;
    if (this.#hasChanged(now)) {
      this.#waiting = this.#waitBriefly(this.#reloadOnce());
    } else if (
      this.#failure !== undefined && now - this.#failure.at >= retryInterval
    ) {
      // The cause may be none of the files, such as the database of a backup.
      void this.#reloadOnce();
    }
    return this.#waiting;
  }

  /** Whether files have changed and seem to be complete. */
  #hasChanged(now: number): boolean {
    const look = this.#files.look();
    if (look === "changing") {
      this.#changingSince ??= now;
      if (now - this.#changingSince < maxChangeTime) {
        this.#nextCheck = now + changingInterval;
        return false;
      }
    }
    this.#changingSince = undefined;
    return look !== "same";
  }

  async #waitBriefly(reloading: Promise<boolean>): Promise<void> {
    let giveUp = () => {};
    const tooLong = new Promise<void>((resolve) => giveUp = resolve);
    const timer = this.#clock.setTimer(maxReloadWait, giveUp);
    await Promise.race([reloading, tooLong]);
    timer.cancel();
    this.#waiting = undefined;
  }

  async #reload(): Promise<boolean> {
    const { onReload } = this.#options;
    const warnings: string[] = [];
    let opened: OpenedTable;
    try {
      opened = await open(
        this.name,
        this.#options,
        (files) => this.#files = files,
        (line) => warnings.push(line),
      );
    } catch (error) {
      this.#reportFailure(error, warnings);
      return false;
    }
    if (this.#closed) {
      await opened.table.close();
      return false;
    }
    this.#warn(warnings);
    const old = this.#current;
    this.#current = opened;
    this.#failure = undefined;
    old.isOld = true;
    this.#old.add(old);
    void this.#closeIfDone(old);
    onReload?.(`${this.name} has changed, and was opened again`);
    return true;
  }

  /** Warns why the table cannot be opened, once for each reason. */
  #reportFailure(error: unknown, warnings: readonly string[]): void {
    const reason = reasonOf(error);
    const isNew = this.#failure?.reason !== reason;
    this.#failure = { reason, at: this.#clock.now() };
    if (!isNew || this.#closed) return;
    this.#warn([
      ...warnings,
      `${this.name} has changed, and cannot be opened again: ${reason}; ` +
      `until that is mended it stays as it was`,
    ]);
  }

  #warn(warnings: readonly string[]): void {
    const { onWarning = warnOnConsole } = this.#options;
    for (const line of warnings) onWarning(line);
  }

  /** Closes a replaced table when its lookups are done. */
  async #closeIfDone(opened: OpenedTable): Promise<void> {
    if (opened.pending > 0 || !this.#old.has(opened)) return;
    await opened.table.close();
    this.#old.delete(opened);
  }
}

/**
 * Opens a table for a program that runs for a long time. When one of its files
 * changes, the table is opened again within about a second. The files are checked
 * when a key is looked up, at most once a second. No lookup fails because of that:
 * if the table cannot be opened again, the old one stays in use, with one warning,
 * until a file changes again.
 *
 * Throws the same errors as `openTable`, but only for the first opening.
 *
 * @example
 * ```ts
 * import {
 *   openServedTable,
 *   serveSocketmap,
 * } from "@postmaps/memcache-table/socketmap";
 *
 * const path = await Deno.makeTempFile();
 * await Deno.writeTextFile(path, "alice wonderland\n");
 * await using aliases = await openServedTable(`texthash:${path}`);
 * await using server = await serveSocketmap({ aliases }, {
 *   endpoint: "inet:127.0.0.1:0",
 * });
 * ```
 */
export async function openServedTable(
  name: string,
  options: ServedTableOptions = {},
): Promise<ServedTable> {
  const caller = "openServedTable";
  requireKind(`${caller}: name`, name, "string");
  requireOptions(caller, options, optionKinds);
  return new ServedTable(options, await open(name, options, () => {}));
}

const warnOnConsole = (line: string) => console.warn(line);

/**
 * Opens a table. Calls `onFiles` even if the table cannot be opened. Warnings go
 * to `onEarlyWarning` until the table is open.
 */
async function open(
  name: string,
  { onReload: _, ...options }: ServedTableOptions,
  onFiles: (files: SeenFiles) => void,
  onEarlyWarning?: (line: string) => void,
): Promise<OpenedTable> {
  const files = await SeenFiles.make();
  onFiles(files);
  const { onFile, onWarning = warnOnConsole } = options;
  let warn = onEarlyWarning ?? onWarning;
  const table = await openTable(name, {
    ...options,
    onFile: (path) => {
      files.see(path);
      onFile?.(path);
    },
    onWarning: (line) => warn(line),
  });
  warn = onWarning;
  return { table, files, pending: 0, isOld: false };
}
