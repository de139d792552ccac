import { ConfigError, reasonOf } from "../../errors.ts";
import { type Clock, systemClock } from "../../system/clock.ts";
import type { KvDatabase } from "../../kv_database.ts";
import type { DatabaseFile } from "./database_file.ts";
import { type FileState, isSame, isUnchanged } from "./file_state.ts";
import { ClosedSourceError, KvFailure } from "./failures.ts";
import { type DatabaseUser, OpenDatabase } from "./open_database.ts";
import { fileKey, openFiles } from "./open_files.ts";
import { endsWithin, Patience, pause, StalledError } from "./patience.ts";
import type { RemoteDatabase } from "./remote_database.ts";

/** How a table gets its database. */
export interface SourceParts {
  /** Called first; throws where the runtime has no KV. */
  readonly ready: () => Promise<void>;
  /** Opens the database; `undefined` if it does not exist, unless `create`. */
  readonly open: (create: boolean) => Promise<KvDatabase | undefined>;
  /** The file of the database, if it is known. */
  readonly file?: DatabaseFile;
  /** The database, if it is on another machine. */
  readonly remote?: RemoteDatabase;
  /**
   * Whether this class creates and examines the file. If not, it only notices when
   * another file replaces it.
   */
  readonly keepsFile: boolean;
  /** Whether other processes may lock the database, since it is a file. */
  readonly hasLocks: boolean;
  /**
   * Whether time limits are possible: not where timers belong to one request.
   */
  readonly hasTimers: boolean;
  /** The clock. */
  readonly clock: Clock;
  /** Called with the reason when a request takes long. */
  readonly onSlow: (message: string) => void;
  /** Called with each warning. */
  readonly onWarning: (message: string) => void;
}

// Milliseconds between two checks of the file.
const fileCheckInterval = 250;

// Milliseconds between two checks of a lock, until `onSlow`, and until it fails.
const lockPause = 50;
const slowAfter = 1000;
const longestWait = 5000;

// A file that was changed within the last `freshFor` milliseconds may be a copy that
// is still being written. Then it is checked again after each `copyPause`.
const copyPause = 100;
const freshFor = 2000;
const maxCopyChecks = 50;

// Milliseconds that a request, or `close`, waits until a database is closed.
const longestClosing = 1000;

/**
 * Keeps a table's database open, and reopens it when another file replaces its
 * file. Requests check for that, at most every 250 ms.
 */
export class DatabaseSource implements DatabaseUser {
  #parts: SourceParts;
  #open: OpenDatabase | undefined;
  #finding:
    | { promise: Promise<OpenDatabase | undefined>; create: boolean }
    | undefined;
  #mustCheck = false;
  #checkedAt = 0;
  #closed = false;

  constructor(parts: SourceParts) {
    this.#parts = parts;
  }

  /** The database that was open last, if that has not been left. */
  get current(): OpenDatabase | undefined {
    return this.#open;
  }

  /** The open database; `undefined` if there is none, unless `create`. */
  get(
    create: boolean,
  ): OpenDatabase | undefined | Promise<OpenDatabase | undefined> {
    const open = this.#open;
    const isUsable = open !== undefined && !open.isRetired &&
      !this.#mustCheck;
    if (isUsable && !this.#closed && !this.#isCheckDue(open)) return open;
    return this.#find(create);
  }

  #isCheckDue({ state }: OpenDatabase): boolean {
    return state !== undefined &&
      this.#parts.clock.now() - this.#checkedAt >= fileCheckInterval;
  }

  async #find(create: boolean): Promise<OpenDatabase | undefined> {
    // Concurrent requests share one check.
    while (this.#finding !== undefined) {
      const { promise, create: creating } = this.#finding;
      const found = await promise;
      if (found !== undefined || creating || !create) return found;
    }
    const promise = this.#check(create).finally(() =>
      this.#finding = undefined
    );
    this.#finding = { promise, create };
    return await promise;
  }

  async #check(create: boolean): Promise<OpenDatabase | undefined> {
    this.#mustBeOpen();
    this.#mustCheck = false;
    const { file, clock } = this.#parts;
    this.#checkedAt = clock.now();
    const old = this.#open;
    const last = old?.state;
    if (old !== undefined) {
      const isSame = !old.isRetired &&
        (last === undefined || old.compare(file!.state()) === "same");
      if (isSame) return old;
      await this.#retire(old);
    }
    const found = await this.#reopen(create, last !== undefined);
    if (found === undefined) return undefined;
    if (old !== undefined) found.replaces(old);
    found.users.add(this);
    this.#open = found;
    // The table may have been closed meanwhile.
    if (this.#closed) await this.#leave();
    this.#mustBeOpen();
    return found;
  }

  /** Closes the old database: two must never be open under one file name. */
  async #retire(old: OpenDatabase): Promise<void> {
    const { clock } = this.#parts;
    if (!await endsWithin(clock, longestClosing, old.retire())) {
      throw this.#stalled(new StalledError(false));
    }
    old.users.delete(this);
    if (this.#open === old) this.#open = undefined;
    this.#mustBeOpen();
  }

  async #reopen(
    create: boolean,
    wasOpen: boolean,
  ): Promise<OpenDatabase | undefined> {
    const { ready, file, keepsFile } = this.#parts;
    await ready();
    if (file === undefined || !keepsFile) return await this.#openNow(create);
    let found: OpenDatabase | undefined;
    if (openFiles.size > 0) {
      await this.#retireOthers(file);
      // An open file must not be examined: see FileSystem.read.
      found = await this.#findShared(file.state());
      if (found !== undefined) return found;
    }
    let state = await this.#examine(file, wasOpen);
    if (state === undefined) {
      if (!create) return undefined;
      file.create();
      state = file.state();
    }
    const key = fileKey(state.file);
    // Another table may have begun to open it meanwhile.
    while (key !== undefined && openFiles.has(key)) {
      found = await this.#findShared(state);
      if (found !== undefined) return found;
    }
    const renamed = file.putAwayOldLog(state);
    if (renamed !== undefined) {
      this.#parts.onWarning(
        `${file.path}-wal is older than ${file.path}, and was not used: ` +
          `it is ${renamed} now`,
      );
    }
    if (key === undefined) return await this.#openNow(create, state);
    const opening = this.#openNow(create, state).then((opened) => opened!);
    openFiles.set(key, { path: file.path, opening });
    const forget = () => {
      if (openFiles.get(key)?.opening === opening) openFiles.delete(key);
    };
    try {
      const opened = await opening;
      opened.onClosed = forget;
      return opened;
    } catch (error) {
      forget();
      throw error;
    }
  }

  /**
   * Closes what other tables of this process opened under this file name, if the
   * file has been replaced. SQLite would confuse the logs of two files with one
   * name.
   */
  async #retireOthers(file: DatabaseFile): Promise<void> {
    for (const { path, opening } of [...openFiles.values()]) {
      if (path !== file.path) continue;
      const other = await opening.catch(() => undefined);
      const last = other?.state;
      if (last === undefined || file.isStill(last)) continue;
      await this.#retire(other!);
    }
  }

  /** The database that another table of this process has open on this file. */
  async #findShared(state: FileState): Promise<OpenDatabase | undefined> {
    const key = fileKey(state.file);
    if (key === undefined) return undefined;
    for (;;) {
      const open = openFiles.get(key);
      if (open === undefined) return undefined;
      const found = await open.opening;
      if (!found.isRetired) return found;
      await this.#retire(found);
    }
  }

  /** The state of a file that can be opened; `undefined` if it has no database. */
  async #examine(
    file: DatabaseFile,
    wasOpen: boolean,
  ): Promise<FileState | undefined> {
    let state = file.state();
    for (let checks = 1;; checks++) {
      let failure: unknown;
      try {
        const found = file.examine(state);
        if (found === "ready") return state;
        if (!wasOpen || !isFresh(state)) return undefined;
      } catch (error) {
        const isFinal = error instanceof KvFailure && error.lasting;
        if (isFinal || !isFresh(state)) throw error;
        failure = error;
      }
      // A copy that is being written looks damaged or empty.
      await pause(this.#parts.clock, copyPause);
      this.#mustBeOpen();
      const now = file.state();
      if (isUnchanged(state.file, now.file) || checks >= maxCopyChecks) {
        if (failure === undefined) return undefined;
        throw failure;
      }
      state = now;
    }
  }

  async #openNow(
    create: boolean,
    seen?: FileState,
  ): Promise<OpenDatabase | undefined> {
    const { clock, open, file, keepsFile, hasTimers } = this.#parts;
    await this.untilFree(seen);
    const users = new Set<DatabaseUser>();
    // A database of the openKv option takes real time, even with a fake clock.
    const patience = new Patience(keepsFile ? clock : systemClock, () => {
      for (const user of users.size === 0 ? [this] : users) user.onSlow();
    }, !hasTimers);
    let isLate = false;
    let raw: KvDatabase | undefined;
    try {
      raw = await patience.run(async () => {
        const raw = await open(create);
        // The request gave up, so nothing else would close it.
        if (isLate) raw?.close();
        return raw;
      });
    } catch (error) {
      isLate = true;
      throw await this.#explainOpening(error);
    }
    if (raw === undefined) return undefined;
    const state = stateOf(seen, file?.state());
    // A database of the openKv option may not use the file of that name.
    const isOfFile = state !== undefined && typeof state.file !== "string" &&
      (keepsFile || state.file.kind === "file" && state.log !== "missing");
    return new OpenDatabase(raw, {
      users,
      patience,
      file: keepsFile ? file : undefined,
      state: isOfFile ? state : undefined,
      hasLocks: isOfFile || this.#parts.hasLocks,
    });
  }

  /** Waits while another process has the database locked, if that is visible. */
  async untilFree(seen?: FileState): Promise<void> {
    const { file, clock, hasLocks } = this.#parts;
    if (!hasLocks || file === undefined) return;
    const start = clock.now();
    let isReported = false;
    for (
      let state = seen ?? file.state();
      file.lockHolder(state) !== undefined;
      state = file.state()
    ) {
      const waited = clock.now() - start;
      if (waited >= slowAfter && !isReported) this.onSlow();
      isReported ||= waited >= slowAfter;
      if (waited >= longestWait) throw this.#stalled(new StalledError(false));
      await pause(clock, lockPause);
    }
  }

  /**
   * Whether the file of an open database was replaced, so that a failed request
   * must be repeated. A request that `writes` changes the file itself.
   */
  hasChanged(open: OpenDatabase, writes: boolean): boolean {
    const { file } = this.#parts;
    if (open.isRetired) return true;
    if (open.state === undefined) return false;
    const now = file!.state();
    const isChanged = !open.isInPlace(now) ||
      !writes && open.writers === 0 && !isUnchanged(open.state.file, now.file);
    if (isChanged) this.#mustCheck = true;
    return isChanged;
  }

  /** Whether a write would go to the current file of that name. */
  isStill(open: OpenDatabase): boolean {
    if (open.state === undefined || this.#parts.file!.isStill(open.state)) {
      return true;
    }
    this.#mustCheck = true;
    return false;
  }

  /** Whether a write went to the current file of that name. */
  isInPlace(open: OpenDatabase): boolean {
    if (open.state === undefined) return true;
    const now = this.#parts.file!.state();
    if (open.isInPlace(now)) {
      open.updateState(now);
      return true;
    }
    this.#mustCheck = true;
    return false;
  }

  /** The message where there is no database. */
  absence(): string {
    const { file } = this.#parts;
    return file?.absence(file.state()) ?? "no such database yet";
  }

  /**
   * The error to throw for a failure to use `open`, or to open a database. `writes`
   * tells whether the request writes.
   */
  async explain(
    error: unknown,
    open?: OpenDatabase,
    writes = false,
  ): Promise<unknown> {
    if (error instanceof StalledError) {
      const { remote } = this.#parts;
      remote?.abandon();
      const why = await remote?.why();
      return this.#stalled(error, writes && error.wasCalled, why);
    }
    if (error instanceof KvFailure) return error;
    const { file, keepsFile } = this.#parts;
    // Errors of the openKv option need no explanation.
    if (!keepsFile && open?.state === undefined) return error;
    return file?.explain(error) ?? error;
  }

  async #explainOpening(error: unknown): Promise<unknown> {
    const explained = await this.explain(error);
    const isExplained = explained instanceof KvFailure ||
      explained instanceof ConfigError || !this.#parts.keepsFile;
    return isExplained
      ? explained
      : new KvFailure(reasonOf(error), { lasting: true, cause: error });
  }

  /** As in DatabaseUser. */
  onSlow(): void {
    this.#parts.onSlow(`waiting: ${this.#writer() ?? "no answer yet"}`);
  }

  #stalled(
    error: StalledError,
    mayBeDone = false,
    found?: KvFailure,
  ): KvFailure {
    const late = mayBeDone ? "; it may still be written then" : "";
    if (found !== undefined) {
      const { message, lasting } = found;
      return new KvFailure(message + late, { lasting, cause: found });
    }
    const writer = this.#writer();
    const why = writer === undefined
      ? " of the database"
      : `: ${writer}: try again when it has ended`;
    const message = `no answer within 5 s${why}${late}`;
    return new KvFailure(message, { cause: error });
  }

  /** The process that has the database locked, as far as it is visible. */
  #writer(): string | undefined {
    const { file, hasLocks } = this.#parts;
    if (!hasLocks && this.#open?.state === undefined) return undefined;
    const holder = file?.lockHolder(file.state());
    const which = holder === undefined ? "" : `, ${holder},`;
    return `another process${which} is writing to the database, ` +
      `and keeps it locked`;
  }

  #mustBeOpen(): void {
    if (this.#closed) throw new ClosedSourceError();
  }

  /** Closes the database if no other table uses it. Waits for one second at most. */
  async close(): Promise<void> {
    this.#closed = true;
    const finding = this.#finding?.promise;
    if (finding !== undefined) {
      await endsWithin(this.#parts.clock, longestClosing, finding);
    }
    await this.#leave();
  }

  async #leave(): Promise<void> {
    const open = this.#open;
    this.#open = undefined;
    if (open === undefined) return;
    open.users.delete(this);
    // After writes, close it even for other users, who reopen it: closing puts the
    // log into the file.
    if (open.users.size > 0 && !open.isWritten) return;
    if (open.users.size === 0) {
      open.rejectWaiting(new ClosedSourceError());
      this.#parts.remote?.close();
    }
    if (open.retireNow()) return;
    const closing = open.retire();
    closing.catch(() => undefined);
    if (await endsWithin(this.#parts.clock, longestClosing, closing)) {
      await closing;
    }
  }
}

/**
 * The state of a file that was opened between two checks. If it was replaced
 * between them, the result has the old file, so that the next check finds a change.
 */
function stateOf(
  before: FileState | undefined,
  now: FileState | undefined,
): FileState | undefined {
  if (before === undefined || now === undefined) return now;
  return isSame(before.file, now.file) ? now : { ...now, file: before.file };
}

/** Whether a file was changed a short time ago. */
function isFresh({ file }: FileState): boolean {
  return typeof file !== "string" && Date.now() - file.modified < freshFor;
}
