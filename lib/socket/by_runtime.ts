import { ConfigError } from "../errors.ts";
import { runtime } from "../system/runtime.ts";

/**
 * Loads the adapter for this runtime. Throws {@linkcode ConfigError} with the
 * message `otherwise` if there is none.
 */
export async function byRuntime<Adapter>(
  adapters: Record<"deno" | "node", () => Promise<Adapter>>,
  otherwise: string,
): Promise<Adapter> {
  if (runtime === "other") throw new ConfigError(otherwise);
  return await adapters[runtime]();
}
