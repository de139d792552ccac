import { ConfigError, reasonOf } from "../errors.ts";
import { formatEndpoint, longestPath } from "./endpoint.ts";
import type { Endpoint } from "./socket.ts";

// How often a name may turn out to be taken.
const mostAttempts = 10;

/** A file as it was found. */
export interface FoundFile {
  /** Whether it is a socket. */
  readonly isSocket: boolean;
  /** The number of its device. */
  readonly device: number | null;
  /** Its number there. */
  readonly inode: number | null;
  /** Who may do what with it. */
  readonly mode: number;
  /** When it was made or changed, in milliseconds since 1970. */
  readonly modified: number;
}

/**
 * What an adapter can do with the file of a socket. All but `connect` happens at
 * once, so that nothing else comes between a look and what is done about it.
 */
export interface SocketFiles {
  /** What there is of that name; `undefined` if nothing. Follows no link. */
  look(path: string): FoundFile | undefined;
  /** Connects, and disconnects. Rejects with the system's reason as `code`. */
  connect(path: string): Promise<void>;
  /** Gives a file another name too, unless there is one of that name. */
  link(path: string, other: string): void;
  /** Gives a file another name instead, whatever has that name. */
  rename(path: string, other: string): void;
  /** Removes a name. */
  remove(path: string): void;
  /** Sets the mode. */
  setMode(path: string, mode: number): void;
  /**
   * Sets what nobody may do with files that are made from now on. Returns what
   * that was before; `undefined` where it cannot be set.
   */
  setUmask(mask: number): number | undefined;
  /** What a person can do where the umask cannot be set. */
  readonly umaskCure: string;
  /** Whether this program is allowed to make a socket of that name. */
  mayBind(path: string): boolean;
}

/** A listening socket whose file is where it should be. */
export interface Placed<Handle> {
  /** What the runtime has of it. */
  readonly handle: Handle;
  /**
   * Removes the file, if it is still the one that was made here. To be called
   * while the socket listens: until it is closed no other file can have the same
   * number.
   *
   * Returns whether the runtime may close the socket. Then it removes whatever
   * has the name that the socket was bound to; `false` says that this would be
   * something else.
   */
  remove(): boolean;
}

/**
 * Listens at a path, by the runtime's `bind`, which must make the socket before
 * it returns for the first time. The file of a dead server is replaced; anything
 * else that is there is a {@linkcode ConfigError}.
 *
 * Where that is allowed the socket is bound to another name next to `path`, and
 * then linked there: runtimes remove what has the name when they close the socket,
 * whatever that is by then.
 */
export async function listenAt<Handle extends { close(): void }>(
  path: string,
  { mode, files, bind }: {
    mode: number | undefined;
    files: SocketFiles;
    bind: (path: string) => Promise<Handle>;
  },
): Promise<Placed<Handle>> {
  // Said before anything is made.
  const dead = await findDead(path, files);
  const boundTo = besides(path, files) ?? path;
  if (boundTo === path && isUnchanged(path, dead, files)) files.remove(path);
  const handle = await bindWithMode(boundTo, mode, files, bind);
  try {
    setMode(boundTo, mode, files);
    const own = files.look(boundTo);
    if (boundTo !== path) await moveTo(path, boundTo, files);
    return {
      handle,
      remove() {
        try {
          if (isSame(files.look(path), own)) files.remove(path);
          return files.look(boundTo) === undefined;
        } catch {
          // Where this may not remove it, the runtime may not either.
          return true;
        }
      },
    };
  } catch (error) {
    handle.close();
    throw error;
  }
}

/**
 * The socket of a server that is gone. Throws {@linkcode ConfigError} when there
 * is anything else.
 */
async function findDead(
  path: string,
  files: SocketFiles,
): Promise<FoundFile | undefined> {
  const found = files.look(path);
  if (found === undefined) return undefined;
  if (!found.isSocket) {
    throw new ConfigError(
      `unix:${path}: there is something that is no socket: ` +
        `move it away, or listen elsewhere`,
    );
  }
  try {
    await files.connect(path);
  } catch (error) {
    switch (codeOf(error)) {
      case "ECONNREFUSED":
        return found;
      case "ENOENT":
        return undefined;
      case "EACCES":
      case "EPERM":
        throw new ConfigError(
          `unix:${path}: there is a socket to which you may not connect: ` +
            `remove it if it is of no use, or listen elsewhere`,
          { cause: error },
        );
      // It is served, but has a long queue, or is of another kind.
      case "EAGAIN":
      case "EPROTOTYPE":
        break;
      default:
        throw error;
    }
  }
  throw isServed(path);
}

function isServed(path: string): ConfigError {
  return new ConfigError(
    `unix:${path} is already served: stop that server, or listen elsewhere`,
  );
}

/**
 * A name in the same directory that nothing has; `undefined` where no other name
 * may be used.
 */
function besides(path: string, files: SocketFiles): string | undefined {
  const byteLength = (text: string) => new TextEncoder().encode(text).length;
  const directory = path.slice(0, path.lastIndexOf("/") + 1);
  const most = longestPath - byteLength(directory);
  for (let attempt = 0; attempt < mostAttempts; attempt++) {
    const random = Math.random().toString(36).slice(2, 8);
    const longer = `${path}.${random}`;
    // Of a path that is nearly too long there is little to choose from.
    const name = byteLength(longer) <= longestPath
      ? longer
      : directory + random.slice(0, most);
    if (!files.mayBind(name)) return undefined;
    if (files.look(name) === undefined) return name;
  }
  return undefined;
}

async function bindWithMode<Handle>(
  path: string,
  mode: number | undefined,
  files: SocketFiles,
  bind: (path: string) => Promise<Handle>,
): Promise<Handle> {
  // From its first moment the socket has the mode: between bind() and chmod()
  // anybody could connect.
  const before = mode === undefined ? undefined : files.setUmask(0o777 & ~mode);
  let binding: Promise<Handle>;
  try {
    binding = bind(path);
  } finally {
    if (before !== undefined) files.setUmask(before);
  }
  return await binding;
}

/** Sets the mode, where the umask could not do all of it. */
function setMode(
  path: string,
  mode: number | undefined,
  files: SocketFiles,
): void {
  const made = files.look(path);
  if (mode === undefined || made === undefined) return;
  if ((made.mode & 0o7777) === mode) return;
  // Who may write to a socket may connect.
  if ((made.mode & ~mode & 0o222) !== 0) {
    const wanted = (0o777 & ~mode).toString(8).padStart(4, "0");
    throw new ConfigError(
      `the umask would let others connect before the mode is set: ` +
        `start it with umask ${wanted}, or ${files.umaskCure}`,
    );
  }
  files.setMode(path, mode);
}

/** Gives a new socket its name, if no server has it. */
async function moveTo(
  path: string,
  boundTo: string,
  files: SocketFiles,
): Promise<void> {
  for (let attempt = 0; attempt < mostAttempts; attempt++) {
    if (giveName(path, boundTo, files)) return;
    const dead = await findDead(path, files);
    if (dead !== undefined) takeAway(path, dead, files);
  }
  throw isServed(path);
}

/** Gives a file another name instead; `false` when another file has that. */
function giveName(path: string, from: string, files: SocketFiles): boolean {
  try {
    files.link(from, path);
    files.remove(from);
  } catch {
    if (files.look(path) !== undefined) return false;
    // Not every file system can have two names for one file.
    files.rename(from, path);
  }
  return true;
}

/**
 * Removes the socket of a dead server. Another program may do the same, and then
 * listen there: what turns out to be another file is put back.
 */
function takeAway(path: string, dead: FoundFile, files: SocketFiles): void {
  if (!isUnchanged(path, dead, files)) return;
  const aside = besides(path, files);
  if (aside === undefined) return;
  files.rename(path, aside);
  if (isUnchanged(aside, dead, files)) files.remove(aside);
  else giveName(path, aside, files);
}

/** Whether a name still belongs to the same file. */
function isUnchanged(
  path: string,
  before: FoundFile | undefined,
  files: SocketFiles,
): boolean {
  const now = files.look(path);
  // A new file may have the number of one that is gone.
  return isSame(now, before) && now?.modified === before?.modified;
}

function isSame(
  one: FoundFile | undefined,
  other: FoundFile | undefined,
): boolean {
  return one !== undefined && other !== undefined &&
    one.device === other.device && one.inode === other.inode;
}

/** What a person must change, so that one can listen. */
export function cannotListen(endpoint: Endpoint, cause: unknown): Error {
  const place = formatEndpoint(endpoint);
  if (cause instanceof ConfigError) {
    return cause.message.startsWith(place)
      ? cause
      : new ConfigError(`cannot listen on ${place}: ${cause.message}`, {
        cause,
      });
  }
  const reason = explain(endpoint, cause);
  return new ConfigError(`cannot listen on ${place}: ${reason}`, { cause });
}

function explain({ transport }: Endpoint, cause: unknown): string {
  switch (codeOf(cause)) {
    case "EADDRINUSE":
      return "another program listens there: stop it, or listen elsewhere";
    case "EADDRNOTAVAIL":
      return "this machine has no such address";
    case "ENOENT":
    case "ENOTDIR":
      return "there is no such directory: make it first";
    case "EACCES":
    case "EPERM":
      // To Node a directory that is not there is one that may not be written.
      return transport === "unix"
        ? "there is no such directory, or it does not let you write"
        : "you may not: ports below 1024 are root's";
    default:
      return reasonOf(cause);
  }
}

/** The system's name of an error. */
export function codeOf(error: unknown): string | undefined {
  return (error as { code?: string }).code;
}
