import { byRuntime } from "./by_runtime.ts";
import type { Listen } from "./socket.ts";

/** Listens by the runtime's adapter, which is loaded when it is first needed. */
export const listenLazily: Listen = async (endpoint, options) => {
  const listen = await byRuntime({
    deno: async () => (await import("./deno_listener.ts")).listenDeno,
    node: async () => (await import("./node_listener.ts")).listenNode,
  }, "this runtime cannot listen by itself: hand in the listen option");
  return await listen(endpoint, options);
};
