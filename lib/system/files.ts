import { configBytes, isUtf8 } from "../bytes/text.ts";
import { ConfigError } from "../errors.ts";
import { nodeModule, runtime } from "./runtime.ts";

// The one place of the library that reads files, the environment and the
// permissions to do so. Runtimes without them hand in `readFile`.

type Files = typeof import("node:fs");

const hasDeno = runtime === "deno";

/** Files as Node has them, and Bun; `undefined` where there are none. */
async function nodeFiles(): Promise<Files | undefined> {
  if (runtime !== "node") return undefined;
  const files = nodeModule("node:fs") as Files | undefined;
  if (files !== undefined) return files;
  // In a try, for bundlers: those for the edge know no such module.
  try {
    return await import("node:fs");
  } catch {
    return undefined;
  }
}

/**
 * A path as Node's functions take it: one that is not UTF-8 as its bytes. Deno
 * cannot open such a file.
 */
function nodePath(path: string): string {
  // The types want a Buffer or a string; any Uint8Array works.
  return isUtf8(path) ? path : configBytes(path) as unknown as string;
}

/**
 * Reads a file, whole. `path` is a `configText`. Throws {@linkcode ConfigError},
 * with the file and the cure, when that is not possible.
 */
export async function readFile(path: string): Promise<Uint8Array> {
  const file = path;
  // Configuration is small: starting a thread to read it takes longer.
  if (hasDeno) {
    if (!isUtf8(path)) {
      throw new ConfigError(
        "its name is not UTF-8, and Deno can only open files whose name is: " +
          "rename the file, or run this on Node",
        { file },
      );
    }
    try {
      return Deno.readFileSync(path);
    } catch (cause) {
      throw new ConfigError(explain(cause, path), { file, cause });
    }
  }
  const files = await nodeFiles();
  if (files === undefined) {
    throw new ConfigError(
      "this runtime gives no access to files: hand in the readFile option",
      { file },
    );
  }
  try {
    return files.readFileSync(nodePath(path));
  } catch (cause) {
    throw new ConfigError(explainCode(cause as Error), { file, cause });
  }
}

const missing = "there is no such file";
const directory = "this is a directory, not a file";
const denied = "its owner or mode does not let you read it";

function explain(cause: unknown, path: string): string {
  if (cause instanceof Deno.errors.NotCapable) {
    return `no permission to read it: run Deno with --allow-read=${path}`;
  }
  if (cause instanceof Deno.errors.NotFound) return missing;
  if (cause instanceof Deno.errors.IsADirectory) return directory;
  if (cause instanceof Deno.errors.PermissionDenied) return denied;
  return `cannot be read: ${(cause as Error).message}`;
}

function explainCode(cause: Error & { code?: string }): string {
  if (cause.code === "ENOENT") return missing;
  if (cause.code === "EISDIR") return directory;
  if (cause.code === "EACCES") return denied;
  return `cannot be read: ${cause.message}`;
}

/**
 * Whether reading a file needs no permission that is missing. Asks nobody:
 * what is not granted is not there.
 */
export function mayRead(path: string): boolean {
  if (!hasDeno) return runtime === "node";
  const { state } = Deno.permissions.querySync({ name: "read", path });
  return state === "granted";
}

/** Whether there is a file of that name, as far as one may know. */
export async function fileExists(path: string): Promise<boolean> {
  if (!mayRead(path)) return false;
  try {
    if (hasDeno) return Deno.statSync(path).isFile;
    return (await nodeFiles())?.statSync(nodePath(path)).isFile() ?? false;
  } catch {
    return false;
  }
}

/** Whether there is anything of that name; so it seems, where one may not know. */
export async function pathExists(path: string): Promise<boolean> {
  if (!mayRead(path)) return true;
  try {
    if (hasDeno) Deno.statSync(path);
    else (await nodeFiles())?.statSync(nodePath(path));
    return true;
  } catch (error) {
    return hasDeno
      ? !(error instanceof Deno.errors.NotFound)
      : (error as { code?: string }).code !== "ENOENT";
  }
}

/**
 * Whether every user of the machine may read a file, by its mode; `false` where
 * that cannot be known.
 */
export async function everybodyMayRead(path: string): Promise<boolean> {
  if (!mayRead(path)) return false;
  try {
    const mode = hasDeno
      ? Deno.statSync(path).mode
      : (await nodeFiles())?.statSync(nodePath(path)).mode;
    return ((mode ?? 0) & 0o004) !== 0;
  } catch {
    return false;
  }
}

/** A file as it is at a moment. */
export interface FileState {
  /** Is another one when the file was written, replaced or removed since. */
  readonly version: string;
  /** When it was written, in milliseconds since 1970; 0 where there is none. */
  readonly modified: number;
}

/** Looks at files, at once. */
export interface FileLooks {
  /** How a file is now. What is no file, a pipe for example, never changes. */
  look(path: string): FileState;
  /** The content; `undefined` where it cannot be read. */
  read(path: string): Uint8Array | undefined;
}

/** What looks at files here; without files, none ever changes. */
export async function fileLooks(): Promise<FileLooks> {
  const node = await nodeFiles();
  const stat = (path: string): { isFile: boolean; numbers: unknown[] } => {
    if (hasDeno) {
      const { isFile, dev, ino, size, mtime, ctime } = Deno.statSync(path);
      const times = [mtime?.getTime(), ctime?.getTime()];
      return { isFile, numbers: [...times, dev, ino, size] };
    }
    const found = node!.statSync(nodePath(path));
    const { mtimeMs, ctimeMs, dev, ino, size } = found;
    return {
      isFile: found.isFile(),
      numbers: [mtimeMs, ctimeMs, dev, ino, size],
    };
  };
  return {
    look(path) {
      const unknown = { version: "unknown", modified: 0 };
      if (!hasDeno && node === undefined || !mayRead(path)) return unknown;
      try {
        const { isFile, numbers } = stat(path);
        if (!isFile) return { version: "no file", modified: 0 };
        return { version: numbers.join(), modified: Number(numbers[0]) };
      } catch {
        return { version: "missing", modified: 0 };
      }
    },
    read(path) {
      try {
        return hasDeno
          ? Deno.readFileSync(path)
          : node?.readFileSync(nodePath(path));
      } catch {
        return undefined;
      }
    },
  };
}

/**
 * A variable of the environment, as far as one may know. Throws
 * {@linkcode ConfigError} when it is not UTF-8.
 */
export function environment(variable: string): string | undefined {
  if (runtime === "node") {
    const { process } = globalThis as unknown as {
      process: { env: Record<string, string | undefined> };
    };
    return utf8Only(variable, process.env[variable]);
  }
  if (!hasDeno) return undefined;
  const permission = Deno.permissions.querySync({ name: "env", variable });
  if (permission.state !== "granted") return undefined;
  let value: string | undefined;
  try {
    value = Deno.env.get(variable);
  } catch {
    value = "\ufffd";
  }
  return utf8Only(variable, value);
}

// Node replaces bytes that are not UTF-8 by U+FFFD: that would be another path.
function utf8Only(
  variable: string,
  value: string | undefined,
): string | undefined {
  if (!value?.includes("\ufffd")) return value;
  throw new ConfigError(`the environment variable ${variable} is not UTF-8`);
}
