import { ConfigError, reasonOf } from "../errors.ts";
import { formatEndpoint, longestPath, parseEndpoint } from "./endpoint.ts";
import type { Endpoint } from "./socket.ts";

// How many names are tried when other programs take them first.
const mostAttempts = 10;

/** The state of a file. */
export interface FoundFile {
  readonly isSocket: boolean;
  /** The number of its device. */
  readonly device: number | null;
  /** The number of its inode. */
  readonly inode: number | null;
  readonly mode: number;
  /** When it was last modified, in milliseconds since 1970. */
  readonly modified: number;
}

/**
 * An adapter's functions for socket files. All but `connect` are synchronous, so
 * that no other code of this program runs between a check and the action.
 */
export interface SocketFiles {
  /** The file at a path, `undefined` if there is none. Follows no symbolic link. */
  look(path: string): FoundFile | undefined;
  /** Connects, and disconnects. Rejects with the system's error name as `code`. */
  connect(path: string): Promise<void>;
  /** Makes a hard link. Throws if `other` exists. */
  link(path: string, other: string): void;
  /** Renames a file. Replaces `other` if it exists. */
  rename(path: string, other: string): void;
  remove(path: string): void;
  setMode(path: string, mode: number): void;
  /** Sets the umask. Returns the old one; `undefined` where it cannot be set. */
  setUmask(mask: number): number | undefined;
  /** What the user can do where the umask cannot be set. */
  readonly umaskCure: string;
  /** Whether this program is allowed to make a socket at a path. */
  mayBind(path: string): boolean;
}

/** A listening UNIX-domain socket whose file is in place. */
export interface ListeningSocket<Handle> {
  /** The runtime's object for the socket. */
  readonly handle: Handle;
  /**
   * Removes the file, if it is still the one that was made here. Call it before the
   * socket is closed: after that, another file can get the same inode number.
   *
   * Returns whether the runtime may close the socket. On close the runtime removes
   * the file at the name to which the socket was bound; `false` means that this is
   * a file of another program.
   */
  remove(): boolean;
}

/**
 * Listens at a path with the runtime's `bind`, which must make the socket before its
 * first `await`. Replaces the socket file of a dead server; throws
 * {@linkcode ConfigError} if anything else is there.
 *
 * If permitted, the socket is bound to another name in the directory of `path`, and
 * then renamed. On close, runtimes remove the file at the bound name even if another
 * program made it.
 */
export async function listenAt<Handle extends { close(): void }>(
  path: string,
  { mode, files, bind }: {
    mode: number | undefined;
    files: SocketFiles;
    bind: (path: string) => Promise<Handle>;
  },
): Promise<ListeningSocket<Handle>> {
  // Checked first, so that an error leaves no file behind.
  const dead = await findDead(path, files);
  const boundTo = freeNameBeside(path, files) ?? path;
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
          if (isSameFile(files.look(path), own)) files.remove(path);
          return files.look(boundTo) === undefined;
        } catch {
          // If this may not remove the file, the runtime may not either.
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
 * The socket file of a dead server, `undefined` if there is no file. Throws
 * {@linkcode ConfigError} if there is anything else.
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
      // A server uses it: its queue is full, or the socket is of another kind.
      case "EAGAIN":
      case "EPROTOTYPE":
        break;
      default:
        throw error;
    }
  }
  throw alreadyServed(path);
}

function alreadyServed(path: string): ConfigError {
  return new ConfigError(
    `unix:${path} is already served: stop that server, or listen elsewhere`,
  );
}

/** A free name in the same directory; `undefined` if no other name is permitted. */
function freeNameBeside(path: string, files: SocketFiles): string | undefined {
  const byteLength = (text: string) => new TextEncoder().encode(text).length;
  const directory = path.slice(0, path.lastIndexOf("/") + 1);
  const most = longestPath - byteLength(directory);
  for (let attempt = 0; attempt < mostAttempts; attempt++) {
    const random = Math.random().toString(36).slice(2, 8);
    const longer = `${path}.${random}`;
    // A path that is nearly too long leaves room for a short name only.
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
  // The umask sets the mode at once: between bind() and chmod() anybody could
  // connect.
  const before = mode === undefined ? undefined : files.setUmask(0o777 & ~mode);
  let binding: Promise<Handle>;
  try {
    binding = bind(path);
  } finally {
    if (before !== undefined) files.setUmask(before);
  }
  return await binding;
}

/** Sets the mode, if the umask did not set it completely. */
function setMode(
  path: string,
  mode: number | undefined,
  files: SocketFiles,
): void {
  const found = files.look(path);
  if (mode === undefined || found === undefined) return;
  if ((found.mode & 0o7777) === mode) return;
  // Write permission on a socket is the permission to connect.
  if ((found.mode & ~mode & 0o222) !== 0) {
    const umask = (0o777 & ~mode).toString(8).padStart(4, "0");
    throw new ConfigError(
      `the umask would let others connect before the mode is set: ` +
        `start it with umask ${umask}, or ${files.umaskCure}`,
    );
  }
  files.setMode(path, mode);
}

/** Moves a new socket to its path, unless a live server is there. */
async function moveTo(
  path: string,
  boundTo: string,
  files: SocketFiles,
): Promise<void> {
  for (let attempt = 0; attempt < mostAttempts; attempt++) {
    if (renameToFree(path, boundTo, files)) return;
    const dead = await findDead(path, files);
    if (dead !== undefined) removeDead(path, dead, files);
  }
  throw alreadyServed(path);
}

/** Renames a file without replacing another; `false` if `path` is taken. */
function renameToFree(path: string, from: string, files: SocketFiles): boolean {
  try {
    files.link(from, path);
    files.remove(from);
  } catch (error) {
    // The file that was there may have gone since.
    const isTaken = codeOf(error) === "EEXIST";
    if (isTaken || files.look(path) !== undefined) return false;
    // Not every file system has hard links.
    files.rename(from, path);
  }
  return true;
}

/**
 * Removes the socket of a dead server. Another program may have replaced it
 * meanwhile; then its file is moved back.
 */
function removeDead(path: string, dead: FoundFile, files: SocketFiles): void {
  if (!isUnchanged(path, dead, files)) return;
  const aside = freeNameBeside(path, files);
  if (aside === undefined) return;
  try {
    files.rename(path, aside);
  } catch (error) {
    // Another program that starts was faster.
    if (codeOf(error) === "ENOENT") return;
    throw error;
  }
  if (isUnchanged(aside, dead, files)) files.remove(aside);
  else renameToFree(path, aside, files);
}

/** Whether a path still has the same file. */
function isUnchanged(
  path: string,
  before: FoundFile | undefined,
  files: SocketFiles,
): boolean {
  const now = files.look(path);
  // A new file may have the inode number of a removed one.
  return isSameFile(now, before) && now?.modified === before?.modified;
}

function isSameFile(
  one: FoundFile | undefined,
  other: FoundFile | undefined,
): boolean {
  return one !== undefined && other !== undefined &&
    one.device === other.device && one.inode === other.inode;
}

/**
 * Parses a place to listen: `inet:HOST:PORT`, where port 0 is any free one, or
 * `unix:PATH`. Throws {@linkcode ConfigError}; `noTls` says why it cannot be
 * `tls:HOST:PORT`.
 */
export function parseListening(
  specification: string,
  noTls: string,
): Endpoint {
  try {
    const endpoint = parseEndpoint(specification, { leastPort: 0 });
    if ("tls" in endpoint) {
      throw new RangeError(`${noTls}: use inet:HOST:PORT`);
    }
    if (!("service" in endpoint)) return endpoint;
    throw new RangeError(`"${endpoint.service}" is no port number`);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new ConfigError(`${specification}: ${error.message}`);
  }
}

/** The `peer` of a socket that was accepted from an address. */
export function formatPeer(address: string, port: number): string {
  // A listener on :: gives IPv4 addresses in this way.
  const hostname = address.replace(/^::ffff:(?=\d+\.)/, "");
  return formatEndpoint({ transport: "tcp", hostname, port });
}

/** The error for a failure to listen, with the cure. */
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
      // Node reports a missing directory as one without write permission.
      return transport === "unix"
        ? "there is no such directory, or it does not let you write"
        : "you may not: ports below 1024 are root's";
    default:
      return reasonOf(cause);
  }
}

/** The system's name of an error, such as ENOENT. */
export function codeOf(error: unknown): string | undefined {
  return (error as { code?: string }).code;
}
