import type {
  FileLook,
  FileStatus,
  FileSystem,
} from "../../system/file_system.ts";

// Who has a database locked for writing, as Linux tells. Deno KV waits for such
// a lock for ever, and cannot be told to stop: it is better not to ask it then.

// The bytes that SQLite locks, https://www.sqlite.org/fileformat2.html and
// https://www.sqlite.org/walformat.html: of the database file a range for who
// has it alone, of the index of its log one byte for who writes.
const aloneFrom = 0x4000_0000;
const aloneTo = aloneFrom + 511;
const writing = 120;

/** A lock that a process has on bytes of a file. */
export interface HeldLock {
  /** The number of the process. */
  readonly process: number;
  /** Whether no other process may have it too. */
  readonly exclusive: boolean;
  /** The device of the file. */
  readonly device: number;
  /** The number of the file on its device. */
  readonly inode: number;
  /** The first byte. */
  readonly from: number;
  /** The last byte. */
  readonly to: number;
}

/**
 * The locks that are in /proc/locks.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { locksIn } from "./lock_holder.ts";
 *
 * const line = "1: POSIX  ADVISORY  WRITE 4711 fe:00:1234 120 120\n";
 * assertEquals([...locksIn(line)], [{
 *   process: 4711,
 *   exclusive: true,
 *   device: 0xfe00,
 *   inode: 1234,
 *   from: 120,
 *   to: 120,
 * }]);
 * ```
 */
export function* locksIn(text: string): Generator<HeldLock> {
  const lines = text.matchAll(
    /^\d+: POSIX +\w+ +(\w+) +(\d+) ([0-9a-f]+):([0-9a-f]+):(\d+) (\d+) (\d+|EOF)$/gm,
  );
  for (const [, kind, process, major, minor, inode, from, to] of lines) {
    yield {
      process: Number(process),
      exclusive: kind === "WRITE",
      device: deviceNumber(parseInt(major, 16), parseInt(minor, 16)),
      inode: Number(inode),
      from: Number(from),
      to: to === "EOF" ? Infinity : Number(to),
    };
  }
}

/** The number of a device as stat(2) has it. */
function deviceNumber(major: number, minor: number): number {
  return (minor & 0xff) + ((major & 0xfff) << 8) + (minor >> 8) * 0x100000 +
    (major >> 12) * 0x100000000;
}

// Linux gives a longer list in several pieces. A lock that others in the list are
// taken away before, between two pieces, is missing then.
const longestPiece = 3900;
const mostReads = 3;

/** The first lock of all processes that is `wanted`, as far as one may know. */
function findLock(
  files: FileSystem,
  wanted: (lock: HeldLock) => boolean,
): HeldLock | undefined {
  for (let reads = 1;; reads++) {
    const text = files.readText("/proc/locks") ?? "";
    for (const lock of locksIn(text)) if (wanted(lock)) return lock;
    const isWhole = text.length < longestPiece;
    if (isWhole || reads === mostReads) return undefined;
  }
}

function isOn(
  { device, inode }: HeldLock,
  file: FileLook,
): boolean {
  return typeof file !== "string" && file.device === device &&
    file.inode === inode;
}

/** Whether this process has locks on a file, as far as one may know. */
export function isLockedHere(files: FileSystem, file: FileStatus): boolean {
  const isOurs = (lock: HeldLock) =>
    lock.process === files.process && isOn(lock, file);
  return findLock(files, isOurs) !== undefined;
}

/**
 * The process that keeps others from writing to a database, such as "4711
 * (sqlite3)"; `undefined` where there is none, or nobody tells.
 */
export function lockHolder(
  files: FileSystem,
  path: string,
): string | undefined {
  let looked: { database: FileLook; index: FileLook } | undefined;
  const holder = findLock(files, (lock) => {
    if (!lock.exclusive || lock.process === files.process) return false;
    // Only when there is a lock: nearly always there is none.
    looked ??= {
      database: files.look(path),
      index: files.look(`${path}-shm`),
    };
    const { database, index } = looked;
    return isOn(lock, database) && lock.from <= aloneTo &&
        lock.to >= aloneFrom ||
      isOn(lock, index) && lock.from <= writing && lock.to >= writing;
  });
  if (holder === undefined) return undefined;
  const name = files.readText(`/proc/${holder.process}/comm`)?.trim();
  return `${holder.process}${name ? ` (${name})` : ""}`;
}
