import { ConfigError } from "../errors.ts";

/**
 * Where this runs, as far as sockets, files and programs go; `other` is the
 * edge and the browser, where all of them are handed in.
 */
export const runtime: "deno" | "node" | "other" = findRuntime();

// Deno has Node's globals too, and so have Cloudflare's Workers, without what
// is behind them.
function findRuntime(): "deno" | "node" | "other" {
  if ("Deno" in globalThis) return "deno";
  const { process, navigator } = globalThis as {
    process?: { versions?: { node?: string } };
    navigator?: { userAgent?: string };
  };
  const isNode = process?.versions?.node !== undefined &&
    navigator?.userAgent !== "Cloudflare-Workers";
  return isNode ? "node" : "other";
}

/**
 * Throws {@linkcode ConfigError} on a Node that is too old: what it lacks would
 * show later, and only with some keys.
 */
export function requireRuntime(): void {
  if (runtime !== "node") return;
  const { process } = globalThis as unknown as {
    process: { versions: { node: string } };
  };
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major > 20 || major === 20 && minor >= 4) return;
  throw new ConfigError(
    `this is Node ${process.versions.node}: use Node 20.4 or later, Bun or Deno`,
  );
}

/**
 * A module of Node's own without an import, which calls every getter that the
 * module has: a tenth of the time of a short command. `undefined` where Node is
 * older than 20.16, and elsewhere.
 */
export function nodeModule(name: string): unknown {
  const { process } = globalThis as {
    process?: { getBuiltinModule?(name: string): unknown };
  };
  return process?.getBuiltinModule?.(name);
}
