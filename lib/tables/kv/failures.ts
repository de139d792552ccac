import { reasonOf } from "../../errors.ts";
import {
  errorCode,
  type FileStatus,
  type FileSystem,
  type User,
} from "../../system/file_system.ts";

/** What is wrong with a database; the table's name is put before it. */
export class KvFailure extends Error {
  /** Whether it stays so until somebody changes the configuration. */
  readonly lasting: boolean;

  /** Takes what is to be said. */
  constructor(
    message: string,
    options: { lasting?: boolean; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.lasting = options.lasting ?? false;
  }
}

/** A failure of who asks for something after the table was closed. */
export class ClosedSourceError extends KvFailure {
  /** Says so. */
  constructor() {
    super("the table is closed");
  }
}

const needs = "a kv table needs to write its file and its folder, " +
  "even to look up";

/** The folder of a file. */
export function folderOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? "." : slash === 0 ? "/" : path.slice(0, slash);
}

/** What a database file that was opened, or used, failed with. */
export function explain(
  files: FileSystem | undefined,
  path: string | undefined,
  cause: unknown,
): KvFailure | undefined {
  const said = reasonOf(cause);
  if (path === undefined) return undefined;
  if (/malformed|not a database|unsupported file format/.test(said)) {
    return damaged(path, said, cause);
  }
  if (/disk is full|No space left/i.test(said)) {
    return new KvFailure(
      `no space is left for ${path}: make room on its file system`,
      { cause },
    );
  }
  if (/File too large|disk I\/O error/.test(said)) {
    return new KvFailure(
      `${path} cannot be read or written (${said}): its disk fails, ` +
        `or a limit is reached (ulimit -f)`,
      { cause },
    );
  }
  const isAccess =
    /read-?only (database|file)|unable to open|permission denied/i.test(said) ||
    ["EACCES", "EPERM", "EROFS", "ENOENT", "ENOTDIR"].includes(
      errorCode(cause),
    );
  if (!isAccess || files === undefined) return undefined;
  const refused = noAccess(files, path);
  if (refused?.lasting) {
    const { message } = refused;
    return new KvFailure(`unable to open database file ${path}: ${message}`, {
      lasting: true,
      cause,
    });
  }
  return refused ??
    new KvFailure(`${said}: ${ownersOf(files, path)}: ${needs}`, { cause });
}

/** What is said of a database that lost some of its bytes, or has wrong ones. */
export function damaged(
  path: string,
  flaw: string,
  cause?: unknown,
): KvFailure {
  return new KvFailure(
    `${path} is damaged (${flaw}): put a copy in its place, ` +
      `or remove it and store the entries again`,
    { cause },
  );
}

/** Why this user cannot use a database file, as far as one can see. */
export function noAccess(
  files: FileSystem,
  path: string,
): KvFailure | undefined {
  const problem = accessProblem(files, path);
  if (problem === undefined) return undefined;
  // A folder is part of the configuration, who may use it is not.
  const { text, lasting } = problem;
  return new KvFailure(lasting ? text : `${text}: ${needs}`, { lasting });
}

interface Problem {
  readonly text: string;
  readonly lasting?: boolean;
}

function accessProblem(files: FileSystem, path: string): Problem | undefined {
  const user = files.user();
  const who = user === undefined
    ? "this user"
    : `user ${nameIn(files, "/etc/passwd", user.id)}`;
  const folder = folderOf(path);
  const where = files.look(folder);
  if (where === "missing") {
    return {
      text: `there is no folder ${folder} to create it in`,
      lasting: true,
    };
  }
  if (where !== "hidden" && where.kind !== "directory") {
    return { text: `${folder} is not a folder`, lasting: true };
  }
  const closed = closedFolder(files, folder, user);
  if (closed !== undefined) {
    return { text: `${who} may not enter the folder ${closed}` };
  }
  const reason = files.whyNotIn(folder);
  if (reason === "EROFS") {
    return { text: `the file system of ${folder} is read-only` };
  }
  const file = files.look(path);
  if (typeof file !== "string" && !may(user, file, 6)) {
    const what = may(user, file, 4) ? "write" : "read";
    return {
      text: `${who} may not ${what} the file ${path} (${owner(files, file)})`,
    };
  }
  const isClosed = where !== "hidden" && !may(user, where, 3);
  if (reason !== undefined || isClosed) {
    const owned = where === "hidden" ? "" : ` (${owner(files, where)})`;
    return {
      text: `${who} may not make files in the folder ${folder}${owned}`,
    };
  }
  for (const beside of [`${path}-wal`, `${path}-shm`]) {
    const file = files.look(beside);
    if (typeof file === "string" || may(user, file, 6)) continue;
    return {
      text: `${who} may not write the file ${beside} (${owner(files, file)})`,
    };
  }
  return undefined;
}

/** The first folder on the way to a file that lets nobody through. */
function closedFolder(
  files: FileSystem,
  folder: string,
  user: User | undefined,
): string | undefined {
  for (let at = folder;; at = folderOf(at)) {
    const status = files.look(at);
    if (typeof status !== "string" && !may(user, status, 1)) {
      return `${at} (${owner(files, status)})`;
    }
    if (at === folderOf(at)) return undefined;
  }
}

/** Whether a user may do something: 4 read, 2 write, 1 enter, or their sum. */
function may(
  user: User | undefined,
  { mode, owner, group }: FileStatus,
  bits: number,
): boolean {
  if (user === undefined || user.id === 0) return true;
  const shift = user.id === owner ? 6 : user.groups.includes(group) ? 3 : 0;
  return ((mode >> shift) & bits) === bits;
}

/** Who owns a file and its folder, and who may use them. */
function ownersOf(files: FileSystem, path: string): string {
  const folder = folderOf(path);
  const told = [["the file", path], ["the folder", folder]].flatMap(
    ([kind, path]) => {
      const status = files.look(path);
      if (typeof status === "string") return [];
      return [`${kind} ${path} (${owner(files, status)})`];
    },
  );
  return told.length === 0 ? path : told.join(", ");
}

/**
 * What is to be said of a file, or its folder, that belongs to another user:
 * whoever serves it may be able to write only one of them, or none.
 */
export function doubtfulOwners(
  files: FileSystem,
  path: string,
): string | undefined {
  const file = files.look(path);
  const folder = files.look(folderOf(path));
  if (typeof file === "string" || typeof folder === "string") return undefined;
  const user = files.user()?.id ?? folder.owner;
  // Where everybody may make files, as in /tmp, its owner says nothing.
  const isOpen = (folder.mode & 2) !== 0;
  if (file.owner === user && (isOpen || folder.owner === user)) {
    return undefined;
  }
  return `${ownersOf(files, path)}: not both belong to user ` +
    `${nameIn(files, "/etc/passwd", user)}, who runs this check: whoever ` +
    `serves the table needs to write both, even to look up`;
}

/** The owner, group and mode of a file. */
function owner(files: FileSystem, status: FileStatus): string {
  const user = nameIn(files, "/etc/passwd", status.owner);
  const group = nameIn(files, "/etc/group", status.group);
  const mode = status.mode.toString(8).padStart(4, "0");
  return `owner ${user}, group ${group}, mode ${mode}`;
}

/** The name of a user or group, or the number where it has none. */
function nameIn(files: FileSystem, list: string, id: number): string {
  for (const line of files.readText(list)?.split("\n") ?? []) {
    const [name, , number] = line.split(":");
    if (number === `${id}`) return name;
  }
  return `${id}`;
}
