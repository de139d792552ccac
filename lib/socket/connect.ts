import { byRuntime } from "./by_runtime.ts";
import type { Connect } from "./socket.ts";

/** Connects with the runtime's adapter, which is loaded on first use. */
export const connectLazily: Connect = async (endpoint, options) => {
  const connect = await byRuntime({
    deno: async () => (await import("./deno.ts")).connectDeno,
    node: async () => (await import("./node.ts")).connectNode,
  }, noSockets);
  return await connect(endpoint, options);
};

const noSockets =
  "this runtime has no sockets of its own: hand in the connect option; " +
  "on Cloudflare that is connectCloudflare of @postmaps/memcache-table/cloudflare";
