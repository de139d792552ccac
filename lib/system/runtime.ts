import { ConfigError } from "../errors.ts";

/**
 * The runtime, which decides how to reach sockets, files and programs. `node`
 * includes Bun. `other` is the edge and the browser, where options supply them.
 */
export const runtime: "deno" | "node" | "other" = findRuntime();

// Deno and Cloudflare Workers have Node's globals too, but Workers lack most of their
// functions.
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
 * Throws {@linkcode ConfigError} on a Node that is too old. Without this check it
 * would fail later, and only with some keys.
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
 * A built-in module of Node. An import would call every getter of the module, which
 * takes a tenth of the time of a short command. `undefined` in Node before 20.16,
 * and in runtimes without such modules.
 */
export function nodeModule(name: string): unknown {
  const { process } = globalThis as {
    process?: { getBuiltinModule?(name: string): unknown };
  };
  return process?.getBuiltinModule?.(name);
}
