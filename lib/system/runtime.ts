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

/** The modules of Node that are used somewhere. */
export interface NodeModules {
  "node:child_process": typeof import("node:child_process");
  "node:crypto": typeof import("node:crypto");
  "node:dns": typeof import("node:dns");
  "node:fs": typeof import("node:fs");
  "node:module": typeof import("node:module");
  "node:net": typeof import("node:net");
  "node:os": typeof import("node:os");
  "node:tls": typeof import("node:tls");
}

/**
 * Loads a module of Node; `undefined` in runtimes that do not have it. Nothing else
 * names such a module in an import: bundlers for the edge would look for it, and warn.
 */
export async function loadNodeModule<Name extends keyof NodeModules>(
  name: Name,
): Promise<NodeModules[Name] | undefined> {
  const found = nodeModule(name) as NodeModules[Name] | undefined;
  if (found !== undefined || runtime !== "node") return found;
  // Node before 20.16.
  const specifier: string = name;
  return await import(specifier).catch(() => undefined);
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

/** Functions of Bun that Node does not have; `undefined` in other runtimes. */
export function bunFunctions<Functions>(): Functions | undefined {
  return (globalThis as { Bun?: Functions }).Bun;
}

/** Bytes. A pipe nearly always has room for so many. */
export const shortWrite = 4096;
