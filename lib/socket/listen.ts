import { byRuntime } from "./by_runtime.ts";
import type { Listen } from "./socket.ts";

/** Listens with the runtime's adapter, which is loaded on first use. */
export const listenLazily: Listen = async (endpoint, options) => {
  const listen = await byRuntime({
    deno: async () => (await import("./deno_listener.ts")).listenDeno,
    node: async () => (await import("./node_listener.ts")).listenNode,
  }, "this runtime cannot listen by itself: hand in the listen option");
  return await listen(endpoint, options);
};
