import { ConfigError } from "../errors.ts";
import { runtime } from "../system/runtime.ts";

/**
 * Loads what this runtime has for a purpose, when it is first needed. Throws
 * {@linkcode ConfigError}, with `otherwise` as its message, where it has nothing.
 */
export async function byRuntime<Adapter>(
  adapters: Record<"deno" | "node", () => Promise<Adapter>>,
  otherwise: string,
): Promise<Adapter> {
  if (runtime === "other") throw new ConfigError(otherwise);
  return await adapters[runtime]();
}
