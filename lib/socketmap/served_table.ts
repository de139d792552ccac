import { reasonOf } from "../errors.ts";
import { openTable } from "../open.ts";
import { type Clock, systemClock } from "../system/clock.ts";
import { SeenFiles } from "../system/seen_files.ts";
import type { OpenOptions, RequestOptions, Table } from "../table.ts";
import type { LookupTable } from "./answers.ts";

// Milliseconds. Between two looks at the files, also while one is being written,
// and how long that may take; how long lookups wait while the table is opened
// again; between two attempts to open it when no file changes.
const lookPause = 1000;
const shortPause = 250;
const longestChange = 5000;
const patience = 1000;
const retryPause = 30_000;

/** Options of {@linkcode openServedTable}. */
export interface ServedTableOptions extends OpenOptions {
  /**
   * Called when the table was opened again, with a line that says so.
   */
  onReload?: (message: string) => void;
}

/** A table that is open, and the files that it was made of. */
interface Opened {
  readonly table: Table;
  readonly files: SeenFiles;
  /** Lookups that have no answer yet. */
  underWay: number;
  /** Whether another has taken its place. */
  isOld: boolean;
}

/**
 * A table that follows the files that it is made of, as Postfix's daemons do:
 * the table's own file, main.cf, the source of a `texthash:`, files of a domain
 * list. {@linkcode openServedTable} opens one.
 */
export class ServedTable implements LookupTable, AsyncDisposable {
  /** The name that it was opened with, `type:name`. */
  readonly name: string;
  #options: ServedTableOptions;
  #clock: Clock;
  #current: Opened;
  /** The files of the last attempt to open the table. */
  #files: SeenFiles;
  #nextLook: number;
  #changingSince: number | undefined;
  #reloading: Promise<boolean> | undefined;
  #waiting: Promise<void> | undefined;
  #failure: { readonly reason: string; at: number } | undefined;
  #old = new Set<Opened>();
  #closed = false;

  /** Takes over a table that is open; {@linkcode openServedTable} makes one. */
  constructor(options: ServedTableOptions, opened: Opened) {
    this.name = opened.table.name;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#current = opened;
    this.#files = opened.files;
    this.#nextLook = this.#clock.now() + lookPause;
  }

  /** As in Table. Looks at the files, at most once a second. */
  lookup(key: string, options?: RequestOptions): Promise<string | undefined> {
    const waiting = this.#look();
    return waiting === undefined
      ? this.#ask(key, options)
      : waiting.then(() => this.#ask(key, options));
  }

  /**
   * Opens the table again, whether or not a file has changed. Lookups that are
   * under way are answered by the old one, which is closed then. When the table
   * cannot be opened any more the old one stays, with a warning; `false` tells so.
   *
   * Where it is being opened already, that is waited for. With `anew` it is opened
   * once more then, as its files are now, and a warning comes whether or not there
   * was one for the same reason before.
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

  /** Ends what is under way and frees all that is open. May be called twice. */
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
    opened.underWay++;
    const settled = () => {
      opened.underWay--;
      if (opened.isOld) void this.#closeIfDone(opened);
    };
    answer.then(settled, settled);
    return answer;
  }

  /** Looks at the files if it is time to. What it returns is worth waiting for. */
  #look(): Promise<void> | undefined {
    const now = this.#clock.now();
    if (now < this.#nextLook || this.#closed) return this.#waiting;
    this.#nextLook = now + lookPause;
    if (this.#reloading !== undefined) return this.#waiting;
    if (this.#hasChanged(now)) {
      this.#waiting = this.#upToPatience(this.#reloadOnce());
    } else if (
      this.#failure !== undefined && now - this.#failure.at >= retryPause
    ) {
      // It may be for what is none of the files: the database of a backup.
      void this.#reloadOnce();
    }
    return this.#waiting;
  }

  /** Whether files have changed, and are complete as far as one can tell. */
  #hasChanged(now: number): boolean {
    const look = this.#files.look();
    if (look === "changing") {
      this.#changingSince ??= now;
      if (now - this.#changingSince < longestChange) {
        this.#nextLook = now + shortPause;
        return false;
      }
    }
    this.#changingSince = undefined;
    return look !== "same";
  }

  async #upToPatience(reloading: Promise<boolean>): Promise<void> {
    let giveUp = () => {};
    const tooLong = new Promise<void>((resolve) => giveUp = resolve);
    const timer = this.#clock.setTimer(patience, giveUp);
    await Promise.race([reloading, tooLong]);
    timer.cancel();
    this.#waiting = undefined;
  }

  async #reload(): Promise<boolean> {
    const { onReload } = this.#options;
    const warnings: string[] = [];
    let opened: Opened;
    try {
      opened = await open(
        this.name,
        this.#options,
        (files) => this.#files = files,
        (line) => warnings.push(line),
      );
    } catch (error) {
      this.#keepOld(error, warnings);
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

  /** Says once why the table cannot be opened. */
  #keepOld(error: unknown, warnings: readonly string[]): void {
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

  /** Closes a table that was replaced, when its lookups are over. */
  async #closeIfDone(opened: Opened): Promise<void> {
    if (opened.underWay > 0 || !this.#old.has(opened)) return;
    await opened.table.close();
    this.#old.delete(opened);
  }
}

/**
 * Opens a table that is to be served for a long time: when one of the files that
 * it is made of changes, it is opened again within about a second. The files are
 * looked at when it is asked, at most once a second. No lookup fails or is lost
 * because of that: a table that cannot be opened any more goes on as it was, with
 * one warning, until a file changes again.
 *
 * Throws as `openTable`, the first time.
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
  return new ServedTable(options, await open(name, options, () => {}));
}

const warnOnConsole = (line: string) => console.warn(line);

/**
 * Opens a table. Tells of its files before it is sure that it can be opened, and
 * of warnings until then.
 */
async function open(
  name: string,
  { onReload: _, ...options }: ServedTableOptions,
  onFiles: (files: SeenFiles) => void,
  onEarlyWarning?: (line: string) => void,
): Promise<Opened> {
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
  return { table, files, underWay: 0, isOld: false };
}
