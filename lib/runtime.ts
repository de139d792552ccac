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
