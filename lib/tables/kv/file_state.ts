import type { FileLook, FileStatus } from "../../system/file_system.ts";

/** The state of a database file and its log of changes at one time. */
export interface FileState {
  readonly file: FileLook;
  readonly log: FileLook;
}

/** Whether both are the same file, changed or not. */
export function isSame(one: FileLook, other: FileLook): boolean {
  return typeof one === "string" || typeof other === "string"
    ? one === other
    : one.device === other.device && one.inode === other.inode;
}

/** Whether both are the same file with the same content. */
export function isUnchanged(one: FileLook, other: FileLook): boolean {
  if (typeof one === "string" || typeof other === "string") {
    return one === other;
  }
  return isSame(one, other) && one.size === other.size &&
    one.modified === other.modified;
}

/** Whether a log is not empty. */
export function hasChanges(log: FileLook): log is FileStatus {
  return typeof log !== "string" && log.size > 0;
}
