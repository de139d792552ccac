import type {
  FileLook,
  FileStatus,
  FileSystem,
} from "../../system/file_system.ts";

// Finds the process that has a database locked for writing, from /proc/locks of
// Linux. Deno KV waits for such a lock for ever, and its calls cannot be cancelled,
// so it must not be called then.

// The bytes that SQLite locks, see https://www.sqlite.org/fileformat2.html and
// https://www.sqlite.org/walformat.html: a range of the database file for exclusive
// use, and one byte of the log's index (-shm) for writing.
const exclusiveFrom = 0x4000_0000;
const exclusiveTo = exclusiveFrom + 511;
const writeLockByte = 120;

/** A lock of a process on bytes of a file. */
export interface HeldLock {
  /** The process ID. */
  readonly process: number;
  /** Whether it excludes locks of other processes. */
  readonly exclusive: boolean;
  /** The device of the file. */
  readonly device: number;
  /** The inode number of the file. */
  readonly inode: number;
  /** The first byte. */
  readonly from: number;
  /** The last byte. */
  readonly to: number;
}

/**
 * Parses the text of /proc/locks.
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

/** The device number as in stat(2). */
function deviceNumber(major: number, minor: number): number {
  return (minor & 0xff) + ((major & 0xfff) << 8) + (minor >> 8) * 0x100000 +
    (major >> 12) * 0x100000000;
}

// Linux delivers a longer list in several pieces. If an earlier lock is released
// between two pieces, the list lacks a lock. So a long list is read several times.
const pieceLength = 3900;
const maxReads = 3;

/** The first lock that `matches`; `undefined` if none does, or none is visible. */
function findLock(
  files: FileSystem,
  matches: (lock: HeldLock) => boolean,
): HeldLock | undefined {
  for (let reads = 1;; reads++) {
    const text = files.readText("/proc/locks") ?? "";
    for (const lock of locksIn(text)) if (matches(lock)) return lock;
    const isWhole = text.length < pieceLength;
    if (isWhole || reads === maxReads) return undefined;
  }
}

function isOn(
  { device, inode }: HeldLock,
  file: FileLook,
): boolean {
  return typeof file !== "string" && file.device === device &&
    file.inode === inode;
}

/** Whether this process has locks on a file, as far as they are visible. */
export function isLockedHere(files: FileSystem, file: FileStatus): boolean {
  const isOurs = (lock: HeldLock) =>
    lock.process === files.process && isOn(lock, file);
  return findLock(files, isOurs) !== undefined;
}

/**
 * The other process that has a database locked for writing, such as
 * "4711 (sqlite3)"; `undefined` where there is none, or it is not visible.
 */
export function lockHolder(
  files: FileSystem,
  path: string,
): string | undefined {
  let found: { database: FileLook; index: FileLook } | undefined;
  const holder = findLock(files, (lock) => {
    if (!lock.exclusive || lock.process === files.process) return false;
    // Only when there is a lock, which is rare.
    found ??= {
      database: files.look(path),
      index: files.look(`${path}-shm`),
    };
    const { database, index } = found;
    return isOn(lock, database) && lock.from <= exclusiveTo &&
        lock.to >= exclusiveFrom ||
      isOn(lock, index) && lock.from <= writeLockByte &&
        lock.to >= writeLockByte;
  });
  if (holder === undefined) return undefined;
  const name = files.readText(`/proc/${holder.process}/comm`)?.trim();
  return `${holder.process}${name ? ` (${name})` : ""}`;
}
