import type { FileLook } from "../../system/file_system.ts";
import type { OpenDatabase } from "./open_database.ts";

/**
 * The database files that this process has open or is opening, by
 * {@linkcode fileKey}. All tables in one file share one open database: if a process
 * opens a file twice, or reads it, and closes one of them, it loses its locks.
 */
export const openFiles: Map<string, OpenFile> = new Map();

/** A file that is open or being opened. */
export interface OpenFile {
  /** The path of the file. */
  readonly path: string;
  /** The open database. */
  readonly opening: Promise<OpenDatabase>;
}

/** A key that identifies a file; `undefined` where it is unknown. */
export function fileKey(file: FileLook): string | undefined {
  // Some systems have no inode numbers.
  return typeof file === "string" || file.inode === 0
    ? undefined
    : `${file.device}:${file.inode}`;
}
