import { ConfigError } from "../errors.ts";
import type { OpenOptions } from "../table.ts";
import { encodeBase64 } from "../bytes/base64.ts";
import { asConfigText, type Opening, readBytes } from "./opening.ts";

const LF = 10;

/**
 * Reads the files that a value names, and joins them with a newline. `names` is a
 * `configText`: paths, separated by commas or white space. Throws a `RangeError`
 * when there is no path, {@linkcode ConfigError} when a file cannot be read.
 *
 * Implements -F of postmap(1).
 */
export async function readFiles(
  options: OpenOptions,
  names: string,
): Promise<Uint8Array> {
  const paths = names.split(/[, \t\r\n]+/).filter((path) => path !== "");
  if (paths.length === 0) throw new RangeError("no file is named");
  const files: Uint8Array[] = [];
  let length = paths.length - 1;
  for (const path of paths) {
    const file = await readBytes(options, path);
    files.push(file);
    length += file.length;
  }
  const content = new Uint8Array(length).fill(LF);
  let at = 0;
  for (const file of files) {
    content.set(file, at);
    at += file.length + 1;
  }
  return content;
}

/** Reads files as {@linkcode readFiles} does, and encodes them in base64. */
export async function encodeFiles(
  { options, rules: { text } }: Opening,
  names: string,
): Promise<string> {
  const paths = text.valid(names) ? asConfigText(text, names) : names;
  return encodeBase64(await readFiles(options, paths));
}

/**
 * Encodes the files that a value in a table name lists. Throws
 * {@linkcode ConfigError} with the table name.
 */
export async function sourceValue(
  opening: Opening,
  names: string,
): Promise<string> {
  try {
    return await encodeFiles(opening, names);
  } catch (error) {
    if (!(error instanceof ConfigError || error instanceof RangeError)) {
      throw error;
    }
    throw new ConfigError(
      `${opening.name}: ${error.message}; its values are names of files, ` +
        `for it was opened with fileValues (-F)`,
      { cause: error },
    );
  }
}
