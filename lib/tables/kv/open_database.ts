import type { FileStatus } from "../../system/file_system.ts";
import type { KvDatabase } from "../../kv_database.ts";
import {
  type DatabaseFile,
  type FileState,
  hasChanges,
  isSame,
  isUnchanged,
} from "./database_file.ts";
import type { Patience } from "./patience.ts";
import { PatientDatabase } from "./patient_database.ts";

// Milliseconds without a write after which what is in the log is put into the
// file.
const quietLongEnough = 500;

/** What a look at the file of an open database says. */
export type Verdict =
  /** It is the one that is open. */
  | "same"
  /** It is another one, or has another content. */
  | "changed"
  /** It is the one that is open, and better opened anew. */
  | "untidy";

/** Tables that use an open database. */
export interface User {
  /** Told that nothing moved for a second. */
  onSlow(): void;
}

/** What an open database is made of. */
export interface OpenParts {
  /** Who uses it; to be added by themselves. */
  readonly users: Set<User>;
  /** How it is waited for. */
  readonly patience: Patience;
  /** Its file, where it is in the care of the table. */
  readonly file: DatabaseFile | undefined;
  /** How its file is now, where it has one. */
  readonly state: FileState | undefined;
  /** Whether another process may keep it locked. */
  readonly hasLocks: boolean;
}

/** A database that is open, for all tables of this process that are in it. */
export class OpenDatabase {
  /** What to ask. */
  readonly database: PatientDatabase;
  /** Who uses it. */
  readonly users: Set<User>;
  #state: FileState | undefined;
  /** Writes that are under way. */
  writers = 0;
  /** Whether there were any, at all and since the file was last seen. */
  hasWritten = false;
  wroteSinceLook = false;
  /**
   * Whether a write found the database locked. The next one waits outside of the
   * database: in it, lookups wait behind a write that waits.
   */
  isContended = false;
  /** Told when it is closed, or about to be. */
  onClosed: (() => void) | undefined;
  #raw: KvDatabase;
  #patience: Patience;
  #file: DatabaseFile | undefined;
  #hasLocks: boolean;
  #tidied: FileStatus | undefined;
  #closing: Promise<void> | undefined;
  #isClosed = false;

  /** Takes the database over. */
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

  /** Its file when it was last seen, where it has one. */
  get state(): FileState | undefined {
    return this.#state;
  }

  /** It was seen in its place. */
  saw(state: FileState): void {
    this.#state = state;
    this.wroteSinceLook = this.writers > 0;
  }

  /** Whether it may not be used any more. */
  get isRetired(): boolean {
    return this.database.isRetired;
  }

  /** Compares the file with what it was. */
  look(now: FileState): Verdict {
    const before = this.state!;
    if (!this.isInPlace(now)) return "changed";
    // What somebody else opened is opened anew for no lesser reason.
    if (this.#file === undefined) return "same";
    // A copy may have been written over it. Who writes here changes it too.
    if (this.writers === 0 && !isUnchanged(before.file, now.file)) {
      return "changed";
    }
    this.saw(now);
    return this.#isUntidy(now) ? "untidy" : "same";
  }

  /** Whether what is written here is found in the file. */
  isInPlace({ file, log }: FileState): boolean {
    const before = this.state!;
    return isSame(before.file, file) && isSame(before.log, log);
  }

  /**
   * Whether the log has changes that nobody adds to: then the file alone is not
   * the whole database, and who puts another one in its place leaves them behind.
   * SQLite puts them into the file when the last process closes it.
   */
  #isUntidy({ log }: FileState): boolean {
    if (this.writers > 0 || !hasChanges(log)) return false;
    if (Date.now() - log.modified < quietLongEnough) return false;
    // Others may have it open: then it was no use, and would not be.
    return this.#tidied === undefined || !isUnchanged(this.#tidied, log);
  }

  /** Whether what was written here is better put into the file at once. */
  get isWritten(): boolean {
    return this.state !== undefined && this.writers === 0 && this.hasWritten &&
      hasChanges(this.state.log);
  }

  /** It was opened to be tidy, after another one that saw this. */
  follows({ state }: OpenDatabase): void {
    if (state !== undefined && hasChanges(state.log)) {
      this.#tidied = state.log;
    }
  }

  /** Waits for what is under way, and closes it. Nothing new begins. */
  retire(): Promise<void> {
    return this.#closing ??= this.retireNow()
      ? Promise.resolve()
      : this.#close();
  }

  /** Closes it where nothing has to be waited for; whether it is closed. */
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
    // To close it waits for its thread, and the whole program with it; and the
    // thread looks by itself for what has expired, and waits for locks.
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
    // At once, before anybody opens the file that is there now.
    if (this.#state !== undefined) {
      this.#file?.removeOldLog(this.#state, this.wroteSinceLook);
    }
    this.onClosed?.();
  }

  /** Lets all go who wait for an answer. */
  letGo(reason: Error): void {
    this.#patience.end(reason);
  }
}
