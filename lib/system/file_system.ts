import { loadNodeModule, runtime } from "./runtime.ts";

// Operations on database files. They are separate from files.ts, which every command
// loads.

type Files = typeof import("node:fs");

/** The metadata of a file. Times are in milliseconds since 1970. */
export interface FileStatus {
  /** The type of the file; "file" is a regular one. */
  readonly kind: "file" | "directory" | "socket" | "pipe" | "device";
  /** The number of its device. With `inode` it identifies the file. */
  readonly device: number;
  /** The number of its inode. */
  readonly inode: number;
  /** The permissions: the lowest twelve bits. */
  readonly mode: number;
  /** The user id of its owner. */
  readonly owner: number;
  /** The id of its group. */
  readonly group: number;
  /** The size in bytes. */
  readonly size: number;
  /** When its content changed. */
  readonly modified: number;
  /** When its content, name or mode changed; whole seconds on Deno. */
  readonly changed: number;
  /** When it was made, if the file system records that. */
  readonly born: number | undefined;
}

/** The status of a file; `hidden` if permissions do not even allow to look. */
export type FileLook = FileStatus | "missing" | "hidden";

/** Reads `length` bytes from `at`, fewer at the end of the file. */
export type ReadAt = (at: number, length: number) => Uint8Array;

/** The user that this process runs as. */
export interface User {
  /** The user id; 0 is root. */
  readonly id: number;
  /** The ids of the groups. */
  readonly groups: readonly number[];
}

/**
 * Synchronous access to files: results of one turn of the event loop belong
 * together. No method prompts for a permission.
 */
export interface FileSystem {
  /** The status of a file. Follows symbolic links. */
  look(path: string): FileLook;
  /**
   * Reads parts of a file. Not for a file that this process has open as a database:
   * closing it here would drop the locks of the database.
   */
  read<T>(path: string, work: (read: ReadAt) => T): T;
  /** The text of a file; `undefined` if it cannot be read. */
  readText(path: string): string | undefined;
  /** Makes an empty file; `false` if it exists, or a permission is missing. */
  create(path: string, mode: number): boolean;
  /** Removes a file; `false` if that fails. */
  remove(path: string): boolean;
  /** Renames a file; `false` if that fails. */
  rename(from: string, to: string): boolean;
  /**
   * Why no file can be made in a folder, as an error code such as EACCES;
   * `undefined` if it is possible or unknown. Makes no file.
   */
  whyNotIn(folder: string): string | undefined;
  /** The user of this process, if permissions allow to ask. */
  user(): User | undefined;
  /** The process id. */
  readonly process: number;
}

/** The code of a system error, such as ENOENT; empty for any other error. */
export function errorCode(error: unknown): string {
  const { code } = error as { code?: unknown };
  return typeof code === "string" ? code : "";
}

/** The file system of this runtime; `undefined` if it has none. */
export async function fileSystem(): Promise<FileSystem | undefined> {
  if (runtime === "deno") return denoFiles;
  if (runtime !== "node") return undefined;
  const files = await loadNodeModule("node:fs");
  return files && (nodeFiles ??= new NodeFiles(files));
}

let nodeFiles: FileSystem | undefined;

/** The fields that Node's and Deno's file status have in common. */
interface Stat {
  dev: number;
  ino: number | null;
  mode: number | null;
  uid: number | null;
  gid: number | null;
  size: number;
}

function statusOf(
  { dev, ino, mode, uid, gid, size }: Stat,
  kind: FileStatus["kind"],
  times: Pick<FileStatus, "modified" | "changed" | "born">,
): FileStatus {
  return {
    kind,
    device: dev,
    inode: ino ?? 0,
    mode: (mode ?? 0) & 0o7777,
    owner: uid ?? 0,
    group: gid ?? 0,
    size,
    ...times,
  };
}

function lookOf(error: unknown): "missing" | "hidden" {
  const isMissing = ["ENOENT", "ENOTDIR"].includes(errorCode(error));
  return isMissing ? "missing" : "hidden";
}

/** Whether `work` succeeds. */
function succeeds(work: () => void): boolean {
  try {
    work();
    return true;
  } catch {
    return false;
  }
}

/** Fills the buffer by repeated reads, and returns the part that was filled. */
function readAll(
  buffer: Uint8Array,
  readSome: (rest: Uint8Array, done: number) => number | null,
): Uint8Array {
  let done = 0;
  while (done < buffer.length) {
    const count = readSome(buffer.subarray(done), done);
    if (!count) break;
    done += count;
  }
  return buffer.subarray(0, done);
}

function denoMay(permission: Deno.PermissionDescriptor): boolean {
  return Deno.permissions.querySync(permission).state === "granted";
}

// A cache: a permission query takes as long as reading the status.
const readable = new Set<string>();

const denoFiles: FileSystem = {
  look(path) {
    if (!readable.has(path)) {
      if (!denoMay({ name: "read", path })) return "hidden";
      readable.add(path);
    }
    try {
      const stat = Deno.statSync(path);
      const kind = stat.isFile
        ? "file"
        : stat.isDirectory
        ? "directory"
        : stat.isSocket
        ? "socket"
        : stat.isFifo
        ? "pipe"
        : "device";
      return statusOf(stat, kind, {
        modified: stat.mtime?.getTime() ?? 0,
        changed: stat.ctime?.getTime() ?? 0,
        born: stat.birthtime?.getTime(),
      });
    } catch (error) {
      return lookOf(error);
    }
  },
  read(path, work) {
    const file = Deno.openSync(path, { read: true });
    try {
      return work((at, length) => {
        file.seekSync(at, Deno.SeekMode.Start);
        return readAll(new Uint8Array(length), (rest) => file.readSync(rest));
      });
    } finally {
      file.close();
    }
  },
  readText(path) {
    // Deno allows /proc only with all permissions, so reading may still fail.
    if (!denoMay({ name: "read", path })) return undefined;
    try {
      return readWhole(Deno.openSync(path));
    } catch {
      return undefined;
    }
  },
  create(path, mode) {
    if (!denoMay({ name: "write", path })) return false;
    try {
      Deno.openSync(path, { write: true, createNew: true, mode }).close();
      return true;
    } catch (error) {
      if (error instanceof Deno.errors.AlreadyExists) return false;
      throw error;
    }
  },
  remove(path) {
    return denoMay({ name: "write", path }) &&
      succeeds(() => Deno.removeSync(path));
  },
  rename(from, to) {
    return [from, to].every((path) => denoMay({ name: "write", path })) &&
      denoMay({ name: "read", path: from }) &&
      succeeds(() => Deno.renameSync(from, to));
  },
  whyNotIn(folder) {
    const may = denoMay({ name: "read", path: folder }) &&
      denoMay({ name: "write", path: folder });
    if (!may || Deno.build.os !== "linux") return undefined;
    try {
      // Deno has no access(). A hard link to a folder always fails on Linux, but
      // the error first tells whether the folder allows a new name.
      Deno.linkSync(folder, `${folder}/.memcache-table`);
      return undefined;
    } catch (error) {
      const code = errorCode(error);
      return ["EROFS", "EACCES", "ENOENT"].includes(code) ? code : undefined;
    }
  },
  user() {
    if (!denoMay({ name: "sys", kind: "uid" })) return undefined;
    const id = Deno.uid();
    if (id === null || !denoMay({ name: "sys", kind: "gid" })) return undefined;
    const more = /^Groups:(.*)$/m.exec(
      this.readText("/proc/self/status") ?? "",
    );
    const groups = more?.[1].split(/\s+/).filter((word) => word !== "") ?? [];
    return { id, groups: [Deno.gid() ?? -1, ...groups.map(Number)] };
  },
  get process() {
    return Deno.pid;
  },
};

/**
 * The text of an open file, which it closes. Reads large pieces, since a file of
 * /proc can change between two reads.
 */
function readWhole(file: Deno.FsFile): string {
  const piece = new Uint8Array(65536);
  const decoder = new TextDecoder();
  let text = "";
  try {
    for (let size; (size = file.readSync(piece)) !== null;) {
      text += decoder.decode(piece.subarray(0, size), { stream: true });
    }
    return text + decoder.decode();
  } finally {
    file.close();
  }
}

class NodeFiles implements FileSystem {
  #files: Files;

  constructor(files: Files) {
    this.#files = files;
  }

  look(path: string): FileLook {
    try {
      const stat = this.#files.statSync(path);
      const kind = stat.isFile()
        ? "file"
        : stat.isDirectory()
        ? "directory"
        : stat.isSocket()
        ? "socket"
        : stat.isFIFO()
        ? "pipe"
        : "device";
      return statusOf(stat, kind, {
        modified: stat.mtimeMs,
        changed: stat.ctimeMs,
        born: stat.birthtimeMs > 0 ? stat.birthtimeMs : undefined,
      });
    } catch (error) {
      return lookOf(error);
    }
  }

  read<T>(path: string, work: (read: ReadAt) => T): T {
    const { openSync, readSync, closeSync } = this.#files;
    const file = openSync(path, "r");
    try {
      return work((at, length) =>
        readAll(
          new Uint8Array(length),
          (rest, done) => readSync(file, rest, 0, rest.length, at + done),
        )
      );
    } finally {
      closeSync(file);
    }
  }

  readText(path: string): string | undefined {
    try {
      return this.#files.readFileSync(path, "utf8");
    } catch {
      return undefined;
    }
  }

  create(path: string, mode: number): boolean {
    const { openSync, closeSync } = this.#files;
    try {
      closeSync(openSync(path, "wx", mode));
      return true;
    } catch (error) {
      if (errorCode(error) === "EEXIST") return false;
      throw error;
    }
  }

  remove(path: string): boolean {
    return succeeds(() => this.#files.rmSync(path));
  }

  rename(from: string, to: string): boolean {
    return succeeds(() => this.#files.renameSync(from, to));
  }

  whyNotIn(folder: string): string | undefined {
    const { accessSync, constants } = this.#files;
    try {
      accessSync(folder, constants.W_OK | constants.X_OK);
      return undefined;
    } catch (error) {
      return errorCode(error);
    }
  }

  user(): User | undefined {
    const id = this.#process.geteuid?.();
    const groups = this.#process.getgroups?.() ?? [];
    return id === undefined
      ? undefined
      : { id, groups: [this.#process.getegid!(), ...groups] };
  }

  get process(): number {
    return this.#process.pid;
  }

  get #process(): NodeProcess {
    return (globalThis as unknown as { process: NodeProcess }).process;
  }
}

/** The part of Node's `process` that is used here. Windows has no user ids. */
interface NodeProcess {
  readonly pid: number;
  geteuid?(): number;
  getegid?(): number;
  getgroups?(): number[];
}
