import type {
  FileLook,
  FileStatus,
  FileSystem,
} from "../../system/file_system.ts";
import {
  damaged,
  doubtfulOwners,
  explain,
  KvFailure,
  noAccess,
} from "./failures.ts";
import {
  type FileState,
  hasChanges,
  isSame,
  isUnchanged,
} from "./file_state.ts";
import { isLockedHere, lockHolder } from "./lock_holder.ts";
import { fileKey, openFiles } from "./open_files.ts";
import { contentOf, type FileContent } from "./sqlite_file.ts";

// A mail table can be confidential, so not everybody may read the file. SQLite gives
// its other files the same mode.
const newFileMode = 0o640;

// Milliseconds between the creation of the file and of its log, when both are
// copied, in any order.
const copyTolerance = 250;

/** Whether a file has a database that can be opened. */
export type Readiness = "none" | "ready";

/** The file of a Deno KV database, and its log. Does not open the database. */
export class DatabaseFile {
  readonly path: string;
  #files: FileSystem;
  #hasLog = true;

  constructor(files: FileSystem, path: string) {
    this.#files = files;
    this.path = path;
  }

  /** The current state. */
  state(): FileState {
    return {
      file: this.#files.look(this.path),
      log: this.#files.look(`${this.path}-wal`),
    };
  }

  /** Whether it is still the same file as in an earlier state. */
  isStill({ file }: FileState): boolean {
    return isSame(file, this.#files.look(this.path));
  }

  /**
   * Whether it can be opened; `none` when nothing was stored yet. Throws
   * {@linkcode KvFailure} when it is not a database of Deno KV, or is damaged.
   */
  examine({ file, log }: FileState): Readiness {
    if (file === "missing") return "none";
    // No permission to look: opening it gives an error that tells why.
    if (file === "hidden") return "ready";
    if (file.kind !== "file") {
      throw new KvFailure(
        `unable to open: ${this.path} is a ${file.kind}, not a file`,
        { lasting: true },
      );
    }
    const content = this.#content(file, log);
    if (content === undefined) return "ready";
    switch (content.kind) {
      case "kv":
        this.#hasLog = content.hasLog;
        return "ready";
      case "empty":
        return hasChanges(log) ? "ready" : "none";
      case "damaged":
        throw damaged(this.path, content.flaw);
      case "foreign":
        throw new KvFailure(
          `${this.path} is the SQLite database of another program` +
            `${tablesOf(content.tables)}: name another file`,
          { lasting: true },
        );
      case "unknown":
        throw new KvFailure(
          `${this.path} is not a kv database (file is not a database): name ` +
            `another file; if it was one, put a copy in its place`,
          { lasting: true },
        );
    }
  }

  #content(file: FileStatus, log: FileLook): FileContent | undefined {
    // Reading an open file would drop its locks.
    const isOpen = openFiles.has(fileKey(file) ?? "") ||
      log !== "missing" && isLockedHere(this.#files, file);
    if (isOpen) return undefined;
    try {
      return this.#files.read(this.path, (read) =>
        contentOf({
          size: file.size,
          read,
          log: hasChanges(log) ? this.#changes(log) : undefined,
        }));
    } catch {
      // Opening it gives an error that tells why it cannot be read.
      return undefined;
    }
  }

  #changes({ size }: FileStatus): Uint8Array {
    return this.#files.read(`${this.path}-wal`, (read) => read(0, size));
  }

  /**
   * Creates an empty file, unless it exists. Removes other files that remain of a
   * removed database, since SQLite would use them.
   */
  create(): void {
    const remaining = ["-wal", "-shm"].map((suffix) => {
      const path = this.path + suffix;
      return { path, before: this.#files.look(path) };
    });
    try {
      if (!this.#files.create(this.path, newFileMode)) return;
    } catch (cause) {
      throw explain(this.#files, this.path, cause) ??
        new KvFailure(`${this.path} cannot be created`, { cause });
    }
    for (const { path, before } of remaining) {
      const now = this.#files.look(path);
      if (before !== "missing" && isUnchanged(before, now)) {
        this.#files.remove(path);
      }
    }
  }

  /**
   * Removes the log of a file that was replaced or removed, since SQLite would put
   * its changes into the new file. `last` is the last known state of the old file;
   * `wrote` tells whether this process wrote to it since.
   */
  removeOldLog(last: FileState, wrote: boolean): void {
    const { file, log } = this.state();
    if (isSame(last.file, file) || !isSame(last.log, log)) return;
    // Another process may already use the same log for the new file.
    const isOld = file === "missing" ||
      typeof file !== "string" && hasChanges(log) &&
        (wrote || hasChanges(last.log) ||
          log.modified < Math.max(file.born ?? 0, file.changed));
    if (isOld && this.#files.remove(`${this.path}-wal`)) {
      this.#files.remove(`${this.path}-shm`);
    }
  }

  /**
   * Renames a log that is older than the file: it belongs to a file that was
   * replaced. Returns its new name.
   */
  putAwayOldLog({ file, log }: FileState): string | undefined {
    if (typeof file === "string" || !hasChanges(log)) return undefined;
    const { born } = file;
    const isOlder = born !== undefined && log.born !== undefined &&
      log.born < born - copyTolerance && log.modified < born;
    const name = `${this.path}-wal.old`;
    if (!isOlder || !this.#files.rename(`${this.path}-wal`, name)) {
      return undefined;
    }
    this.#files.remove(`${this.path}-shm`);
    return name;
  }

  /**
   * The process that has the database locked for writing, if it is visible. Takes
   * some milliseconds.
   */
  lockHolder({ log }: FileState): string | undefined {
    // A process that has it open has a log, too.
    if (log === "missing" && this.#hasLog) return undefined;
    return lockHolder(this.#files, this.path);
  }

  /** Whether there is something to open, even if it is damaged. */
  isThere(): boolean {
    try {
      return this.examine(this.state()) === "ready";
    } catch {
      return true;
    }
  }

  /** The message where there is no database. */
  absence({ file }: FileState): string {
    return file === "missing"
      ? `no such database yet: there is no file ${this.path}`
      : `no such database yet: nothing was stored in ${this.path}`;
  }

  /** Why this user cannot write it; `undefined` if no reason is visible. */
  whyNotWritten(): string | undefined {
    return noAccess(this.#files, this.path)?.message;
  }

  /** Why other users may be unable to use it. */
  doubtfulOwners(): string | undefined {
    return doubtfulOwners(this.#files, this.path);
  }

  /** Explains an error of opening or using it; `undefined` if it cannot. */
  explain(cause: unknown): KvFailure | undefined {
    return explain(this.#files, this.path, cause);
  }
}

function tablesOf(names: readonly string[]): string {
  if (names.length === 0) return "";
  const some = names.slice(0, 3).join(", ");
  return `, with tables ${some}${names.length > 3 ? " and others" : ""}`;
}
