/** The place of a database. */
export type Location =
  /** A file. */
  | { readonly kind: "file"; readonly path: string }
  /** In memory; `insteadOf` is the file that the name would mean otherwise. */
  | { readonly kind: "memory"; readonly insteadOf?: string }
  /** On another machine. */
  | { readonly kind: "remote"; readonly url: string }
  /** Only the runtime knows. */
  | { readonly kind: "untold" };

const isUrl = /^https?:\/\//;

/** The name with the scheme of a URL in small letters, as the runtimes know it. */
export function nameWithScheme(name: string): string {
  return name.replace(/^https?:\/\//i, (scheme) => scheme.toLowerCase());
}

/**
 * Throws a `RangeError` for a name that was meant to be a URL, and would be taken
 * for a file that does not exist; and for the URL of a file, which is another file
 * for SQLite, as Deno calls it, than for other runtimes.
 */
export function checkName(name: string): void {
  if (/^file:/i.test(name)) {
    const path = name.slice("file:".length).replace(/^\/\/(?=\/)|\?.*/gs, "");
    throw new RangeError(`name the file without "file:", as in kv:${path}`);
  }
  const [, scheme, rest] = /^([a-z][a-z0-9+.-]+):(\/[^]*)$/i.exec(name) ?? [];
  // A folder may have such a name, too, but what has two slashes is no path.
  const isPath = scheme === undefined ||
    !/^https?$/i.test(scheme) && !rest.startsWith("//");
  if (isPath) return;
  if (!isUrl.test(name) || !URL.canParse(name)) {
    throw new RangeError(
      "a database on another machine is kv:https://HOST/PATH, or http:// for " +
        "one that needs no encryption",
    );
  }
  const { username, password } = new URL(name);
  if (username + password === "") return;
  throw new RangeError(
    "the URL must not have a user or password: set DENO_KV_ACCESS_TOKEN in " +
      "the environment to the access token",
  );
}

/** The place that a name means, except to `Deno.openKv`. */
export function plainLocation(name: string | undefined): Location {
  if (name === undefined) return { kind: "untold" };
  if (isUrl.test(name)) return { kind: "remote", url: name };
  if (name === ":memory:") return { kind: "memory" };
  return { kind: "file", path: name };
}

/**
 * The place that a name means to `Deno.openKv`. Some variables of the environment
 * change that. A variable without read permission counts as not set.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { denoLocation } from "./location.ts";
 *
 * const variables: Record<string, string> = { DENO_KV_PATH_PREFIX: "/srv/" };
 * assertEquals(denoLocation("a.kv", (name) => variables[name]), {
 *   kind: "file",
 *   path: "/srv/a.kv",
 * });
 * ```
 */
export function denoLocation(
  name: string | undefined,
  environment: (variable: string) => string | undefined,
): Location {
  const path = name ?? (environment("DENO_KV_DEFAULT_PATH") || undefined);
  const fullPath = path === undefined
    ? undefined
    : (environment("DENO_KV_PATH_PREFIX") ?? "") + path;
  const location = plainLocation(fullPath);
  if (environment("DENO_KV_DB_MODE") === "memory") {
    if (location.kind === "untold") return { kind: "memory" };
    if (location.kind === "file") {
      return { kind: "memory", insteadOf: location.path };
    }
  }
  // Deno refuses a name with a colon first; one with "file:" is a URI for its SQLite.
  return /^(file)?:/.test(fullPath ?? "") && location.kind === "file"
    ? { kind: "untold" }
    : location;
}
