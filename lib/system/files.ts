import { shellWords } from "../bytes/shell_words.ts";
import { configBytes, isUtf8 } from "../bytes/text.ts";
import { ConfigError } from "../errors.ts";
import { bunFunctions, loadNodeModule, runtime } from "./runtime.ts";

// Only this file and file_system.ts read files and the environment. In a runtime
// without files, the program passes the `readFile` option.

type Files = typeof import("node:fs");

const hasDeno = runtime === "deno";

/** The file functions of Node and Bun; `undefined` in other runtimes. */
async function nodeFiles(): Promise<Files | undefined> {
  if (runtime !== "node") return undefined;
  return await loadNodeModule("node:fs");
}

/** The part of Bun that is used here. */
interface BunFiles {
  file(path: string): { bytes(): Promise<Uint8Array> };
}

/** What reads a file on Node and Bun; `undefined` in other runtimes. */
async function nodeReader(): Promise<
  ((path: string) => Uint8Array | Promise<Uint8Array>) | undefined
> {
  // Bun loads its node:fs in half of the time that an empty script takes.
  const bun = bunFunctions<BunFiles>();
  if (bun !== undefined) return (path) => bun.file(path).bytes();
  const files = await nodeFiles();
  return files && ((path) => files.readFileSync(path));
}

/** A path for the functions of Node and Bun: bytes if it is not UTF-8, which Deno cannot open. */
function nodePath(path: string): string {
  // The types require a Buffer or a string, but any Uint8Array works.
  return isUtf8(path) ? path : configBytes(path) as unknown as string;
}

/**
 * Reads a whole file. `path` is a `configText`. Throws {@linkcode ConfigError}, with
 * the file and the cure, when that fails.
 */
export async function readFile(path: string): Promise<Uint8Array> {
  const file = path;
  // Synchronous: for small files this is faster than an asynchronous read.
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
  const read = await nodeReader();
  if (read === undefined) {
    throw new ConfigError(
      "this runtime gives no access to files: hand in the readFile option",
      { file },
    );
  }
  try {
    return await read(nodePath(path));
  } catch (cause) {
    throw new ConfigError(explainCode(cause as Error), { file, cause });
  }
}

const missing = "there is no such file";
const directory = "this is a directory, not a file";
const denied = "its owner or mode does not let you read it";

/** Why a file cannot be read for which {@linkcode mayRead} is `false`. */
export function notPermitted(path: string): string {
  return "no permission to read it: run Deno with " +
    shellWords(`--allow-read=${path}`);
}

function explain(cause: unknown, path: string): string {
  if (cause instanceof Deno.errors.NotCapable) return notPermitted(path);
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

/** Whether the runtime permits reading a file, without a prompt. */
export function mayRead(path: string): boolean {
  if (!hasDeno) return runtime === "node";
  const { state } = Deno.permissions.querySync({ name: "read", path });
  return state === "granted";
}

/** Whether a file exists; `false` if permissions do not allow to look. */
export async function fileExists(path: string): Promise<boolean> {
  if (!mayRead(path)) return false;
  try {
    if (hasDeno) return Deno.statSync(path).isFile;
    return (await nodeFiles())?.statSync(nodePath(path)).isFile() ?? false;
  } catch {
    return false;
  }
}

/**
 * Whether every user of the machine may read a file, by its mode; `false` if that
 * cannot be known.
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

/** The state of a file at one moment. */
export interface FileState {
  /** Differs from the earlier one if the file was written, replaced or removed. */
  readonly version: string;
  /** When it was written, in milliseconds since 1970; 0 if it does not exist. */
  readonly modified: number;
}

/** Reads the state and content of files, synchronously. */
export interface FileProbe {
  /** The state of a file. Anything but a regular file, like a pipe, never changes. */
  look(path: string): FileState;
  /** The content of a file; `undefined` if it cannot be read. */
  read(path: string): Uint8Array | undefined;
}

/** The probe of this runtime; in a runtime without files, no file ever changes. */
export async function fileProbe(): Promise<FileProbe> {
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
 * An environment variable; `undefined` if it is not set, or permissions do not allow
 * to read it. Throws {@linkcode ConfigError} if it is not UTF-8.
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

// Node replaces bytes that are not UTF-8 with U+FFFD, which gives a wrong path.
function utf8Only(
  variable: string,
  value: string | undefined,
): string | undefined {
  if (!value?.includes("\ufffd")) return value;
  throw new ConfigError(`the environment variable ${variable} is not UTF-8`);
}
