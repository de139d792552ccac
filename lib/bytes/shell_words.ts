/**
 * Formats words as a command, or a part of one, for a POSIX shell: those that it would
 * read in another way are quoted.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { shellWords } from "./shell_words.ts";
 *
 * assertEquals(shellWords("chmod", "o-r", "/etc/t.cf"), "chmod o-r /etc/t.cf");
 * assertEquals(shellWords("cat", "it's"), "cat 'it'\\''s'");
 * ```
 */
export function shellWords(...words: readonly string[]): string {
  return words.map(shellWord).join(" ");
}

function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word)
    ? word
    : `'${word.replaceAll("'", "'\\''")}'`;
}
