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
import { isLockedHere, lockHolder } from "./lock_holder.ts";
import { fileKey, openFiles } from "./open_files.ts";
import { contentOf, type FileContent } from "./sqlite_file.ts";

// A database file holds who gets which mail: not for everybody to read. SQLite
// gives the files beside it the same mode.
const modeOfNew = 0o640;

// Milliseconds. A copy of both may have been made in any order.
const togetherWithin = 250;

/** A database file and the log of changes beside it, as they are at one time. */
export interface FileState {
  readonly file: FileLook;
  readonly log: FileLook;
}

/** What is to be done with a file: nothing can be read, or it can be opened. */
export type Found = "none" | "ready";

/** A file of a Deno KV database, as seen from outside. */
export class DatabaseFile {
  readonly path: string;
  #files: FileSystem;
  #hasLog = true;

  constructor(files: FileSystem, path: string) {
    this.#files = files;
    this.path = path;
  }

  /** How it is now. */
  state(): FileState {
    return {
      file: this.#files.look(this.path),
      log: this.#files.look(`${this.path}-wal`),
    };
  }

  /** Whether it is the one that was seen. */
  isStill({ file }: FileState): boolean {
    return isSame(file, this.#files.look(this.path));
  }

  /**
   * Whether it can be opened; `none` when nothing was stored in it yet. Throws
   * when it is something else than a database of Deno KV, or damaged.
   */
  examine({ file, log }: FileState): Found {
    if (file === "missing") return "none";
    // It is opened to see: who may not look has an error that says why.
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
          `${this.path} is the SQLite database of another program, with ` +
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
    // To read it here would drop its locks.
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
      // Who opens it is told why it cannot be read.
      return undefined;
    }
  }

  #changes({ size }: FileStatus): Uint8Array {
    return this.#files.read(`${this.path}-wal`, (read) => read(0, size));
  }

  /**
   * Makes the file, with nothing in it, unless it is there. What is left beside
   * it of one that was removed goes: SQLite would take it for its own.
   */
  create(): void {
    const left = ["-wal", "-shm"].map((suffix) => {
      const path = this.path + suffix;
      return { path, before: this.#files.look(path) };
    });
    try {
      if (!this.#files.create(this.path, modeOfNew)) return;
    } catch (cause) {
      throw explain(this.#files, this.path, cause) ??
        new KvFailure(`${this.path} cannot be created`, { cause });
    }
    for (const { path, before } of left) {
      const now = this.#files.look(path);
      if (before !== "missing" && isUnchanged(before, now)) {
        this.#files.remove(path);
      }
    }
  }

  /**
   * Removes the log of a file that was here, when another one has its place, or
   * none: SQLite would put its changes into what is here. `last` is how it was
   * when it was last seen; `wrote` says that this process has written to it since.
   */
  removeOldLog(last: FileState, wrote: boolean): void {
    const { file, log } = this.state();
    if (isSame(last.file, file) || !isSame(last.log, log)) return;
    // Others may have begun to write to the new file by the same log.
    const isOld = file === "missing" ||
      typeof file !== "string" && hasChanges(log) &&
        (wrote || hasChanges(last.log) ||
          log.modified < Math.max(file.born ?? 0, file.changed));
    if (isOld && this.#files.remove(`${this.path}-wal`)) {
      this.#files.remove(`${this.path}-shm`);
    }
  }

  /**
   * Puts away a log that was written before the file was made: it belongs to one
   * that was here before. Returns its new name.
   */
  putAwayOldLog({ file, log }: FileState): string | undefined {
    if (typeof file === "string" || !hasChanges(log)) return undefined;
    const { born } = file;
    const isOlder = born !== undefined && log.born !== undefined &&
      log.born < born - togetherWithin && log.modified < born;
    const name = `${this.path}-wal.old`;
    if (!isOlder || !this.#files.rename(`${this.path}-wal`, name)) {
      return undefined;
    }
    this.#files.remove(`${this.path}-shm`);
    return name;
  }

  /**
   * The process that has it locked for writing, where there may be one and it can
   * be seen. To ask takes some milliseconds.
   */
  lockHolder({ log }: FileState): string | undefined {
    // Whoever has it open has a log.
    if (log === "missing" && this.#hasLog) return undefined;
    return lockHolder(this.#files, this.path);
  }

  /** Whether there is something to open, whatever it is. */
  isThere(): boolean {
    try {
      return this.examine(this.state()) === "ready";
    } catch {
      return true;
    }
  }

  /** What is to be said where there is no database. */
  absence({ file }: FileState): string {
    return file === "missing"
      ? `no such database yet: there is no file ${this.path}`
      : `no such database yet: nothing was stored in ${this.path}`;
  }

  /** Why this user cannot write it, `undefined` where nothing speaks against it. */
  whyNotWritten(): string | undefined {
    return noAccess(this.#files, this.path)?.message;
  }

  /** Why others may not be able to use it. */
  doubtfulOwners(): string | undefined {
    return doubtfulOwners(this.#files, this.path);
  }

  /** What an error of opening or using it means. */
  explain(cause: unknown): KvFailure | undefined {
    return explain(this.#files, this.path, cause);
  }
}

/** Whether two looks saw the same file, changed or not. */
export function isSame(one: FileLook, other: FileLook): boolean {
  return typeof one === "string" || typeof other === "string"
    ? one === other
    : one.device === other.device && one.inode === other.inode;
}

/** Whether two looks saw the same file with the same content. */
export function isUnchanged(one: FileLook, other: FileLook): boolean {
  if (typeof one === "string" || typeof other === "string") {
    return one === other;
  }
  return isSame(one, other) && one.size === other.size &&
    one.modified === other.modified;
}

/** Whether a log has something in it. */
export function hasChanges(log: FileLook): log is FileStatus {
  return typeof log !== "string" && log.size > 0;
}

function tablesOf(names: readonly string[]): string {
  const some = names.slice(0, 3).join(", ");
  return names.length > 3 ? `tables ${some} and others` : `tables ${some}`;
}
