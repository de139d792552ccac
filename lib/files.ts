import { ConfigError } from "./errors.ts";

// The one place of the library that reads files, the environment and the
// permissions to do so. Runtimes without them hand in `readFile`.

function noFiles(path: string): ConfigError {
  return new ConfigError(
    "this runtime gives no access to files: hand in the readFile option",
    { file: path },
  );
}

const hasDeno = "Deno" in globalThis;

/**
 * Reads a file, whole. Throws {@linkcode ConfigError}, with the file and the
 * cure, when that is not possible.
 */
// deno-lint-ignore require-await -- other runtimes have no other way
export async function readFile(path: string): Promise<Uint8Array> {
  if (!hasDeno) throw noFiles(path);
  try {
    // Configuration is small: starting a thread to read it takes longer.
    return Deno.readFileSync(path);
  } catch (cause) {
    throw new ConfigError(explain(cause, path), { file: path, cause });
  }
}

function explain(cause: unknown, path: string): string {
  if (cause instanceof Deno.errors.NotCapable) {
    return `no permission to read it: run Deno with --allow-read=${path}`;
  }
  if (cause instanceof Deno.errors.NotFound) return "there is no such file";
  if (cause instanceof Deno.errors.IsADirectory) {
    return "this is a directory, not a file";
  }
  if (cause instanceof Deno.errors.PermissionDenied) {
    return "its owner or mode does not let you read it";
  }
  return `cannot be read: ${(cause as Error).message}`;
}

/**
 * Whether reading a file needs no permission that is missing. Asks nobody:
 * what is not granted is not there.
 */
export function mayRead(path: string): boolean {
  return hasDeno &&
    Deno.permissions.querySync({ name: "read", path }).state === "granted";
}

/** Whether there is a file of that name, as far as one may know. */
export function fileExists(path: string): boolean {
  if (!mayRead(path)) return false;
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/** Whether there is anything of that name; so it seems, where one may not know. */
export function pathExists(path: string): boolean {
  if (!mayRead(path)) return true;
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    return !(error instanceof Deno.errors.NotFound);
  }
}

/** A variable of the environment, as far as one may know. */
export function environment(variable: string): string | undefined {
  if (!hasDeno) return undefined;
  const permission = Deno.permissions.querySync({ name: "env", variable });
  return permission.state === "granted" ? Deno.env.get(variable) : undefined;
}
