import type { FileLook } from "../../system/file_system.ts";
import type { OpenDatabase } from "./open_database.ts";

/**
 * The database files that this process has open, or is about to open, by what
 * tells them apart. All tables in a file share what is open: two of one file
 * would take each other's locks away when it is replaced, and so would whoever
 * reads it beside them.
 */
export const openFiles: Map<string, OpenFile> = new Map();

/** A file that is open, or about to be. */
export interface OpenFile {
  /** Its name. */
  readonly path: string;
  /** What is open. */
  readonly opening: Promise<OpenDatabase>;
}

/** What tells a file from all others, where it is known. */
export function fileKey(file: FileLook): string | undefined {
  // Some systems number no files.
  return typeof file === "string" || file.inode === 0
    ? undefined
    : `${file.device}:${file.inode}`;
}
