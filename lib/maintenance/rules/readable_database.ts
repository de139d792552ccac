import { shellWords } from "../../bytes/shell_words.ts";
import { everybodyMayReach } from "../../system/ownership.ts";
import { fileSystem } from "../../system/file_system.ts";
import type { Problem } from "../parameter_checks.ts";

/**
 * Tells of the database of a table with aliases that every user of the machine can
 * read. `names` are the names of the table and of what uses it.
 */
export async function readableDatabaseProblems(
  file: string,
  names: readonly string[],
): Promise<Problem[]> {
  if (!names.some((name) => /alias/i.test(name))) return [];
  const files = await fileSystem();
  if (files === undefined || !everybodyMayReach(files, file)) return [];
  return [{
    severity: "note",
    message:
      `${file}: every user of this machine can read it, and so to whom aliases ` +
      `lead: ${shellWords("chmod", "o-r", file)}* unless they may know`,
    file,
  }];
}
