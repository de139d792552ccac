import { ConfigError, reasonOf } from "../../errors.ts";
import { type Clock, systemClock } from "../../system/clock.ts";
import type { KvDatabase } from "../../kv_database.ts";
import {
  type DatabaseFile,
  type FileState,
  isSame,
  isUnchanged,
} from "./database_file.ts";
import { ClosedSourceError, KvFailure } from "./failures.ts";
import { OpenDatabase, type User } from "./open_database.ts";
import { fileKey, openFiles } from "./open_files.ts";
import { endsWithin, Patience, pause, StalledError } from "./patience.ts";

/** Where a table's database comes from. */
export interface SourceParts {
  /** Called before anything is done: throws where nothing could be opened. */
  readonly ready: () => Promise<void>;
  /** Opens it; `undefined` while it does not exist, unless `create`. */
  readonly open: (create: boolean) => Promise<KvDatabase | undefined>;
  /** Its file, where it is known to have one. */
  readonly file?: DatabaseFile;
  /**
   * Whether the file is made and examined here; if not, it is only noticed when
   * another one takes its place.
   */
  readonly keepsFile: boolean;
  /** Whether it is a file, where other processes may keep it locked. */
  readonly hasLocks: boolean;
  /**
   * Whether it may be waited for with an end: not where timers belong to one
   * request.
   */
  readonly hasTimers: boolean;
  /** The time. */
  readonly clock: Clock;
  /** Told what it is waited for, when that takes long. */
  readonly onSlow: (message: string) => void;
  /** Told of what a person should know. */
  readonly onWarning: (message: string) => void;
}

// Milliseconds after which a file is looked at again.
const lookEvery = 250;

// Milliseconds: between two looks at a lock, until somebody is told, and in all.
const lockPause = 50;
const slowAfter = 1000;
const longestWait = 5000;

// Milliseconds: between two looks at a file that seems to be on its way, and how
// long it seems so.
const copyPause = 100;
const fresh = 2000;
const mostCopyLooks = 50;

// Milliseconds that closing may take of whoever waits for it.
const longestClosing = 1000;

/**
 * Keeps a table's database open, and opens it anew when another file takes the
 * place of its own. Looks at the file now and then, when the table is asked.
 */
export class DatabaseSource implements User {
  #parts: SourceParts;
  #open: OpenDatabase | undefined;
  #finding:
    | { promise: Promise<OpenDatabase | undefined>; create: boolean }
    | undefined;
  #mustLook = false;
  #lookedAt = 0;
  #closed = false;

  constructor(parts: SourceParts) {
    this.#parts = parts;
  }

  /** The open database; `undefined` where there is none and none is created. */
  get(
    create: boolean,
  ): OpenDatabase | undefined | Promise<OpenDatabase | undefined> {
    const open = this.#open;
    const isFit = open !== undefined && !open.isRetired && !this.#mustLook;
    if (isFit && !this.#closed && !this.#isDue(open)) return open;
    return this.#find(create);
  }

  #isDue({ state }: OpenDatabase): boolean {
    return state !== undefined &&
      this.#parts.clock.now() - this.#lookedAt >= lookEvery;
  }

  async #find(create: boolean): Promise<OpenDatabase | undefined> {
    // All who come meanwhile share what is found, and wait no longer than one.
    while (this.#finding !== undefined) {
      const { promise, create: creating } = this.#finding;
      const found = await promise;
      if (found !== undefined || creating || !create) return found;
    }
    const promise = this.#look(create).finally(() => this.#finding = undefined);
    this.#finding = { promise, create };
    return await promise;
  }

  async #look(create: boolean): Promise<OpenDatabase | undefined> {
    this.#mustBeOpen();
    this.#mustLook = false;
    const { file, clock } = this.#parts;
    this.#lookedAt = clock.now();
    const old = this.#open;
    const last = old?.state;
    if (old !== undefined) {
      const isSame = !old.isRetired &&
        (last === undefined || old.look(file!.state()) === "same");
      if (isSame) return old;
      await this.#retire(old);
    }
    const found = await this.#openAnew(create, last !== undefined);
    if (found === undefined) return undefined;
    if (old !== undefined) found.follows(old);
    found.users.add(this);
    this.#open = found;
    // Whoever closed the table meanwhile may not have waited for it.
    if (this.#closed) await this.#leave();
    this.#mustBeOpen();
    return found;
  }

  /** Closes what has no file any more, before its file is opened: never both. */
  async #retire(old: OpenDatabase): Promise<void> {
    const { clock } = this.#parts;
    if (!await endsWithin(clock, longestClosing, old.retire())) {
      throw this.#stalled(new StalledError(false));
    }
    old.users.delete(this);
    if (this.#open === old) this.#open = undefined;
    this.#mustBeOpen();
  }

  async #openAnew(
    create: boolean,
    wasThere: boolean,
  ): Promise<OpenDatabase | undefined> {
    const { ready, file, keepsFile } = this.#parts;
    await ready();
    if (file === undefined || !keepsFile) return await this.#openNow(create);
    let found: OpenDatabase | undefined;
    if (openFiles.size > 0) {
      await this.#retireOthers(file);
      // What is open is not examined: see FileSystem.read.
      found = await this.#openElsewhere(file.state());
      if (found !== undefined) return found;
    }
    let state = await this.#examine(file, wasThere);
    if (state === undefined) {
      if (!create) return undefined;
      file.create();
      state = file.state();
    }
    const key = fileKey(state.file);
    // Another table may have begun to open it while this one came here.
    while (key !== undefined && openFiles.has(key)) {
      found = await this.#openElsewhere(state);
      if (found !== undefined) return found;
    }
    const aside = file.putAwayOldLog(state);
    if (aside !== undefined) {
      this.#parts.onWarning(
        `${file.path}-wal is older than ${file.path}, and was not used: ` +
          `it is ${aside} now`,
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
   * Closes what other tables of this process have open of the name, when another
   * file has it now: of two files of one name, SQLite would mix up what is beside
   * them.
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

  /** What another table of this process has open of a file. */
  async #openElsewhere(state: FileState): Promise<OpenDatabase | undefined> {
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

  /** The state of a file that can be opened; `undefined` where there is nothing. */
  async #examine(
    file: DatabaseFile,
    wasThere: boolean,
  ): Promise<FileState | undefined> {
    let state = file.state();
    for (let looks = 1;; looks++) {
      let failure: unknown;
      try {
        const found = file.examine(state);
        if (found === "ready") return state;
        if (!wasThere || !isFresh(state)) return undefined;
      } catch (error) {
        const isSure = error instanceof KvFailure && error.lasting;
        if (isSure || !isFresh(state)) throw error;
        failure = error;
      }
      // One that somebody writes at this moment looks damaged, or empty.
      await pause(this.#parts.clock, copyPause);
      this.#mustBeOpen();
      const now = file.state();
      if (isUnchanged(state.file, now.file) || looks >= mostCopyLooks) {
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
    const users = new Set<User>();
    // What is handed in takes real time, whatever clock is handed in beside it.
    const patience = new Patience(keepsFile ? clock : systemClock, () => {
      for (const user of users.size === 0 ? [this] : users) user.onSlow();
    }, !hasTimers);
    let isLate = false;
    let raw: KvDatabase | undefined;
    try {
      raw = await patience.run(async () => {
        const raw = await open(create);
        // Nobody waits for it any more, and nobody would close it.
        if (isLate) raw?.close();
        return raw;
      });
    } catch (error) {
      isLate = true;
      throw this.#explainOpening(error);
    }
    if (raw === undefined) return undefined;
    const state = stateOf(seen, file?.state());
    // What somebody else opened may have nothing to do with a file of its name.
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

  /** Waits while another process has the database locked, where one can see it. */
  async untilFree(seen?: FileState): Promise<void> {
    const { file, clock, hasLocks } = this.#parts;
    if (!hasLocks || file === undefined) return;
    const start = clock.now();
    let isTold = false;
    for (
      let state = seen ?? file.state();
      file.lockHolder(state) !== undefined;
      state = file.state()
    ) {
      const waited = clock.now() - start;
      if (waited >= slowAfter && !isTold) this.onSlow();
      isTold ||= waited >= slowAfter;
      if (waited >= longestWait) throw this.#stalled(new StalledError(false));
      await pause(clock, lockPause);
    }
  }

  /**
   * Whether an open database has its file no more: what failed is tried anew. Who
   * `writes` changes the file.
   */
  hasChanged(open: OpenDatabase, writes: boolean): boolean {
    const { file } = this.#parts;
    if (open.isRetired) return true;
    if (open.state === undefined) return false;
    const now = file!.state();
    const isChanged = !open.isInPlace(now) ||
      !writes && open.writers === 0 && !isUnchanged(open.state.file, now.file);
    if (isChanged) this.#mustLook = true;
    return isChanged;
  }

  /** Whether what is written now goes to the file that is there. */
  isStill(open: OpenDatabase): boolean {
    if (open.state === undefined || this.#parts.file!.isStill(open.state)) {
      return true;
    }
    this.#mustLook = true;
    return false;
  }

  /** Whether what was just written is in the file that is there now. */
  isInPlace(open: OpenDatabase): boolean {
    if (open.state === undefined) return true;
    const now = this.#parts.file!.state();
    if (open.isInPlace(now)) {
      open.saw(now);
      return true;
    }
    this.#mustLook = true;
    return false;
  }

  /** What is to be said where there is no database. */
  absence(): string {
    const { file } = this.#parts;
    return file?.absence(file.state()) ?? "no such database yet";
  }

  /**
   * What a failure means, of a database that was open or was to be opened, by
   * who `writes` or not.
   */
  explain(error: unknown, open?: OpenDatabase, writes = false): unknown {
    if (error instanceof StalledError) {
      return this.#stalled(error, writes && error.asked);
    }
    if (error instanceof KvFailure) return error;
    const { file, keepsFile } = this.#parts;
    // What is handed in has reasons of its own.
    if (!keepsFile && open?.state === undefined) return error;
    return file?.explain(error) ?? error;
  }

  #explainOpening(error: unknown): unknown {
    const explained = this.explain(error);
    const isSaid = explained instanceof KvFailure ||
      explained instanceof ConfigError || !this.#parts.keepsFile;
    return isSaid
      ? explained
      : new KvFailure(reasonOf(error), { lasting: true, cause: error });
  }

  /** As in User. */
  onSlow(): void {
    this.#parts.onSlow(`waiting: ${this.#writer() ?? "no answer yet"}`);
  }

  #stalled(error: StalledError, mayBeDone = false): KvFailure {
    const writer = this.#writer();
    const why = writer === undefined
      ? " of the database"
      : `: ${writer}: try again when it has ended`;
    const late = mayBeDone ? "; it may still be written then" : "";
    const message = `no answer within 5 s${why}${late}`;
    return new KvFailure(message, { cause: error });
  }

  /** Who is to blame, as far as that can be seen. */
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

  /** Closes the database when nobody else uses it; waits a second at most. */
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
    // Who remains opens it anew: a writer that goes leaves a file that is whole.
    if (open.users.size > 0 && !open.isWritten) return;
    if (open.users.size === 0) {
      open.letGo(new ClosedSourceError());
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
 * How a file was that was opened between two looks. If it was replaced then, it is
 * taken for the first one: the next look sees that it is not.
 */
function stateOf(
  before: FileState | undefined,
  now: FileState | undefined,
): FileState | undefined {
  if (before === undefined || now === undefined) return now;
  return isSame(before.file, now.file) ? now : { ...now, file: before.file };
}

/** Whether a file was changed just now. */
function isFresh({ file }: FileState): boolean {
  return typeof file !== "string" && Date.now() - file.modified < fresh;
}
