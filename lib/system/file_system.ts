import { nodeModule, runtime } from "./runtime.ts";

// What a table does with a database file beside opening it. Apart from files.ts,
// which every command loads.

type Files = typeof import("node:fs");

/** What is known of a file without opening it. Times are in milliseconds. */
export interface FileStatus {
  /** What it is: a regular file, or the word for what else. */
  readonly kind: "file" | "directory" | "socket" | "pipe" | "device";
  /** With `inode`, what tells it from all other files that there are. */
  readonly device: number;
  /** Its number on the device. */
  readonly inode: number;
  /** Permissions: the lowest twelve bits. */
  readonly mode: number;
  /** The number of its owner. */
  readonly owner: number;
  /** The number of its group. */
  readonly group: number;
  /** Bytes. */
  readonly size: number;
  /** When its content changed. */
  readonly modified: number;
  /** When it changed, or its name or mode; on Deno in whole seconds. */
  readonly changed: number;
  /** When it was made, where the file system keeps that. */
  readonly born: number | undefined;
}

/** A file, or why there is none: it may be there, but one may not know. */
export type FileLook = FileStatus | "missing" | "hidden";

/** Reads so many bytes, fewer at the end of the file. */
export type ReadAt = (at: number, length: number) => Uint8Array;

/** The user that this process runs as. */
export interface User {
  /** Number of the user; 0 is root. */
  readonly id: number;
  /** Numbers of the groups. */
  readonly groups: readonly number[];
}

/**
 * Files, all at once: what is looked at in one turn was so at one time. Nothing
 * here asks anybody for a permission.
 */
export interface FileSystem {
  /** What is there, behind symbolic links. */
  look(path: string): FileLook;
  /**
   * Reads parts of a file. Not of one that this process has open as a database:
   * to close it would drop the locks of the database.
   */
  read<T>(path: string, work: (read: ReadAt) => T): T;
  /** The text of a file, `undefined` where it cannot be read. */
  readText(path: string): string | undefined;
  /** Makes an empty file; false where there is one, or a permission is missing. */
  create(path: string, mode: number): boolean;
  /** Removes a file; whether that could be done. */
  remove(path: string): boolean;
  /** Gives a file another name; whether that could be done. */
  rename(from: string, to: string): boolean;
  /**
   * Why files cannot be made in a folder, as an error code such as EACCES;
   * `undefined` when they can, or nobody knows. Makes none.
   */
  whyNotIn(folder: string): string | undefined;
  /** Who this is, where that may be known. */
  user(): User | undefined;
  /** The number of this process. */
  readonly process: number;
}

/** The code of an error of these methods, such as ENOENT; empty for any other. */
export function errorCode(error: unknown): string {
  const { code } = error as { code?: unknown };
  return typeof code === "string" ? code : "";
}

/** The files of this runtime; `undefined` where it has none. */
export async function fileSystem(): Promise<FileSystem | undefined> {
  if (runtime === "deno") return denoFiles;
  if (runtime !== "node") return undefined;
  const files = nodeModule("node:fs") as Files | undefined;
  // In a try, for bundlers: those for the edge know no such module.
  try {
    return nodeFiles ??= new NodeFiles(files ?? await import("node:fs"));
  } catch {
    return undefined;
  }
}

let nodeFiles: FileSystem | undefined;

/** What Node and Deno tell of a file alike. */
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

/** Whether something can be done; what stands in the way is not asked. */
function succeeds(work: () => void): boolean {
  try {
    work();
    return true;
  } catch {
    return false;
  }
}

/** Reads what there is of so many bytes. */
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

// To ask again and again takes as long as to look.
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
    // Of what is under /proc, only who may do everything reads.
    if (!denoMay({ name: "read", path })) return undefined;
    try {
      return Deno.readTextFileSync(path);
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
      // Deno cannot ask what may be done. Linux gives no folder a second name,
      // but says first whether a file could have this one.
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

/** What is used of Node's process; what is of users is missing on Windows. */
interface NodeProcess {
  readonly pid: number;
  geteuid?(): number;
  getegid?(): number;
  getgroups?(): number[];
}
