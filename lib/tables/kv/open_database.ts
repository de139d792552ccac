import type { FileStatus } from "../../system/file_system.ts";
import type { KvDatabase } from "../../kv_database.ts";
import {
  type FileState,
  hasChanges,
  isSame,
  isUnchanged,
} from "./file_state.ts";
import type { Patience } from "./patience.ts";
import { PatientDatabase } from "./patient_database.ts";

// Milliseconds after the last write until the log is put into the file.
const quietTime = 500;

/** The result of comparing the file of an open database with its last state. */
export type FileComparison =
  /** It is the same file. */
  | "same"
  /** It is another file, or its content was replaced. */
  | "changed"
  /** It is the same file, and reopening it puts the log into the file. */
  | "needs reopening";

/** A table that uses an open database. */
export interface DatabaseUser {
  /** Called when no call ended for a second. */
  onSlow(): void;
}

/** What an open database needs of its file. */
export interface LogCleaner {
  /** Removes the log of a file that was replaced or removed. */
  removeOldLog(last: FileState, wrote: boolean): void;
}

/** The parts of an open database. */
export interface OpenParts {
  /** The tables that use it. They add themselves. */
  readonly users: Set<DatabaseUser>;
  /** The time limit of its calls. */
  readonly patience: Patience;
  /** The file, if this module opened it. */
  readonly file: LogCleaner | undefined;
  /** The state of the file, if there is one. */
  readonly state: FileState | undefined;
  /** Whether another process may lock it. */
  readonly hasLocks: boolean;
}

/** An open database, which all its tables in this process share. */
export class OpenDatabase {
  /** The database, with a time limit for each call. */
  readonly database: PatientDatabase;
  /** The tables that use it. */
  readonly users: Set<DatabaseUser>;
  #state: FileState | undefined;
  /** The number of running writes. */
  writers = 0;
  /** Whether a write succeeded. */
  hasWritten = false;
  /** Whether a write began since the last check of the file. */
  wroteSinceCheck = false;
  /**
   * Whether a write found the database locked. Then the next write waits before it
   * calls the database: a waiting write in the database blocks lookups.
   */
  isContended = false;
  /** Called when it is closed. */
  onClosed: (() => void) | undefined;
  #raw: KvDatabase;
  #patience: Patience;
  #file: LogCleaner | undefined;
  #hasLocks: boolean;
  #oldLog: FileStatus | undefined;
  #closing: Promise<void> | undefined;
  #isClosed = false;

  /** Closes `raw` when it is closed. */
  constructor(raw: KvDatabase, parts: OpenParts) {
    const { users, patience, file, state, hasLocks } = parts;
    this.#file = file;
    this.users = users;
    this.#raw = raw;
    this.#patience = patience;
    this.#hasLocks = hasLocks;
    this.#state = state;
    this.database = new PatientDatabase(raw, patience);
  }

  /** The last known state of its file, if it has one. */
  get state(): FileState | undefined {
    return this.#state;
  }

  /** Sets the state of the file, which is still in its place. */
  updateState(state: FileState): void {
    this.#state = state;
    this.wroteSinceCheck = this.writers > 0;
  }

  /** Whether new calls are forbidden. */
  get isRetired(): boolean {
    return this.database.isRetired;
  }

  /** Compares the file with its last known state. */
  compare(now: FileState): FileComparison {
    const before = this.state!;
    if (!this.isInPlace(now)) return "changed";
    // A database of the openKv option is reopened only if its file was replaced.
    if (this.#file === undefined) return "same";
    // A copy may have been written over it. Running writes change it, too.
    if (this.writers === 0 && !isUnchanged(before.file, now.file)) {
      return "changed";
    }
    this.updateState(now);
    return this.#needsReopening(now) ? "needs reopening" : "same";
  }

  /** Whether the file and its log are still the ones that are open. */
  isInPlace({ file, log }: FileState): boolean {
    const before = this.state!;
    return isSame(before.file, file) && isSame(before.log, log);
  }

  /**
   * Whether the log has changes, and there were no writes for a while. Such changes
   * are lost if somebody copies or replaces only the file. SQLite puts them into
   * the file when the last process closes it.
   */
  #needsReopening({ log }: FileState): boolean {
    if (this.writers > 0 || !hasChanges(log)) return false;
    if (Date.now() - log.modified < quietTime) return false;
    // If reopening left the log as it was, another process has the file open.
    return this.#oldLog === undefined || !isUnchanged(this.#oldLog, log);
  }

  /** Whether the log has finished writes of this process. */
  get isWritten(): boolean {
    return this.state !== undefined && this.writers === 0 && this.hasWritten &&
      hasChanges(this.state.log);
  }

  /** Takes the place of an open database that was retired. */
  replaces({ state }: OpenDatabase): void {
    if (state !== undefined && hasChanges(state.log)) {
      this.#oldLog = state.log;
    }
  }

  /** Forbids new calls, waits for running ones, and closes it. */
  retire(): Promise<void> {
    return this.#closing ??= this.retireNow()
      ? Promise.resolve()
      : this.#close();
  }

  /** Forbids new calls; closes it if that needs no waiting. Returns whether it did. */
  retireNow(): boolean {
    this.database.isRetired = true;
    if (this.#isClosed) return true;
    const isQuick = this.#patience.isIdle &&
      (!this.#hasLocks || this.#patience.answersNow);
    if (isQuick) this.#closeRaw();
    return isQuick;
  }

  async #close(): Promise<void> {
    await this.#patience.whenIdle();
    // Closing waits for the database's thread, and blocks the whole program. The
    // thread may itself wait for a lock, since it removes expired entries. So first
    // make sure that it answers.
    if (this.#hasLocks && !this.#patience.answersNow) {
      const ping = () => this.#raw.get(["table"]);
      await this.#patience.run(ping).catch(() => undefined);
      await this.#patience.whenIdle();
    }
    this.#closeRaw();
  }

  #closeRaw(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#patience.end(new Error("closed"));
    this.#raw.close();
    // Immediately, before the new file is opened.
    if (this.#state !== undefined) {
      this.#file?.removeOldLog(this.#state, this.wroteSinceCheck);
    }
    this.onClosed?.();
  }

  /** Rejects all waiting requests. */
  rejectWaiting(reason: Error): void {
    this.#patience.end(reason);
  }
}
