/** Where the database of a name is. */
export type Location =
  /** A file. */
  | { readonly kind: "file"; readonly path: string }
  /** In memory; `insteadOf` is the file that the name means otherwise. */
  | { readonly kind: "memory"; readonly insteadOf?: string }
  /** Another machine. */
  | { readonly kind: "remote" }
  /** The runtime knows, and does not tell. */
  | { readonly kind: "untold" };

/** What a name means on runtimes that give it no other meaning. */
export function plainLocation(name: string | undefined): Location {
  if (name === undefined) return { kind: "untold" };
  if (/^https?:\/\//i.test(name)) return { kind: "remote" };
  if (name === ":memory:") return { kind: "memory" };
  return { kind: "file", path: name };
}

/**
 * What a name means to `Deno.openKv`, which has ways of its own to read it: some
 * variables of the environment change every name. Where a variable may not be
 * read, it counts as not set.
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
  const asked = name ?? (environment("DENO_KV_DEFAULT_PATH") || undefined);
  const meant = asked === undefined
    ? undefined
    : (environment("DENO_KV_PATH_PREFIX") ?? "") + asked;
  const location = plainLocation(meant);
  if (environment("DENO_KV_DB_MODE") === "memory") {
    if (location.kind === "untold") return { kind: "memory" };
    if (location.kind === "file") {
      return { kind: "memory", insteadOf: location.path };
    }
  }
  // Deno refuses such a name, and says so.
  return meant?.startsWith(":") && location.kind === "file"
    ? { kind: "untold" }
    : location;
}
