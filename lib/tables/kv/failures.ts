import { reasonOf } from "../../errors.ts";
import {
  errorCode,
  type FileStatus,
  type FileSystem,
} from "../../system/file_system.ts";
import {
  blockedFolder,
  folderOf,
  may,
  nameIn,
  owner,
} from "../../system/ownership.ts";

/** An error of a database. The message does not have the table's name yet. */
export class KvFailure extends Error {
  /** Whether it lasts until somebody changes the configuration. */
  readonly lasting: boolean;

  /** Not `lasting` by default. */
  constructor(
    message: string,
    options: { lasting?: boolean; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.lasting = options.lasting ?? false;
  }
}

/** A request failed because the table is closed. */
export class ClosedSourceError extends KvFailure {
  /** Has a fixed message. */
  constructor() {
    super("the table is closed");
  }
}

const accessNote = "a kv table needs to write its file and its folder, " +
  "even to look up";

/** Explains an error of opening or using a file; `undefined` if it cannot. */
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
      `${path} cannot be read or written (${said}): its file system may be ` +
        `full (df), a limit reached (ulimit -f), or its disk fail`,
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
    new KvFailure(`${said}: ${ownersOf(files, path)}: ${accessNote}`, {
      cause,
    });
}

/** The error for a damaged database. */
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

/** Why this user cannot use a database file, as far as it is visible. */
export function noAccess(
  files: FileSystem,
  path: string,
): KvFailure | undefined {
  const problem = accessProblem(files, path);
  if (problem === undefined) return undefined;
  // A wrong folder is a configuration error, wrong permissions are not.
  const { text, lasting } = problem;
  return new KvFailure(lasting ? text : `${text}: ${accessNote}`, { lasting });
}

interface Problem {
  readonly text: string;
  readonly lasting?: boolean;
}

function accessProblem(files: FileSystem, path: string): Problem | undefined {
  const user = files.user();
  const userName = user === undefined
    ? "this user"
    : `user ${nameIn(files, "/etc/passwd", user.id)}`;
  const folder = folderOf(path);
  const folderStatus = files.look(folder);
  if (folderStatus === "missing") {
    return {
      text: `there is no folder ${folder} to create it in`,
      lasting: true,
    };
  }
  if (folderStatus !== "hidden" && folderStatus.kind !== "directory") {
    return { text: `${folder} is not a folder`, lasting: true };
  }
  const blocked = blockedFolder(files, folder, user);
  if (blocked !== undefined) {
    const status = files.look(blocked) as FileStatus;
    return {
      text: `${userName} may not enter the folder ${blocked} (${
        owner(files, status)
      })`,
    };
  }
  const reason = files.whyNotIn(folder);
  if (reason === "EROFS") {
    return { text: `the file system of ${folder} is read-only` };
  }
  const file = files.look(path);
  if (typeof file !== "string" && !may(user, file, 6)) {
    const what = may(user, file, 4) ? "write" : "read";
    return {
      text: `${userName} may not ${what} the file ${path} (${
        owner(files, file)
      })`,
    };
  }
  const isClosed = folderStatus !== "hidden" && !may(user, folderStatus, 3);
  if (reason !== undefined || isClosed) {
    const owned = folderStatus === "hidden"
      ? ""
      : ` (${owner(files, folderStatus)})`;
    return {
      text: `${userName} may not make files in the folder ${folder}${owned}`,
    };
  }
  for (const sideFile of [`${path}-wal`, `${path}-shm`]) {
    const file = files.look(sideFile);
    if (typeof file === "string" || may(user, file, 6)) continue;
    return {
      text: `${userName} may not write the file ${sideFile} (${
        owner(files, file)
      })`,
    };
  }
  return undefined;
}

/** The owner, group and mode of a file and its folder. */
function ownersOf(files: FileSystem, path: string): string {
  const folder = folderOf(path);
  const owners = [["the file", path], ["the folder", folder]].flatMap(
    ([kind, path]) => {
      const status = files.look(path);
      if (typeof status === "string") return [];
      return [`${kind} ${path} (${owner(files, status)})`];
    },
  );
  return owners.length === 0 ? path : owners.join(", ");
}

/**
 * A remark if the file or its folder belongs to another user. Then the user who
 * serves the table may be unable to write one of them.
 */
export function doubtfulOwners(
  files: FileSystem,
  path: string,
): string | undefined {
  const file = files.look(path);
  const folder = files.look(folderOf(path));
  if (typeof file === "string" || typeof folder === "string") return undefined;
  const user = files.user()?.id ?? folder.owner;
  // The owner does not matter where everybody may create files, as in /tmp.
  const isOpen = (folder.mode & 2) !== 0;
  if (file.owner === user && (isOpen || folder.owner === user)) {
    return undefined;
  }
  return `${ownersOf(files, path)}: not both belong to user ` +
    `${nameIn(files, "/etc/passwd", user)}, who runs this check: whoever ` +
    `serves the table needs to write both, even to look up`;
}
