/** How much memory this process takes, in bytes. */
export interface ProcessMemory {
  /** Main memory. */
  readonly resident: number;
  /** Used memory of JavaScript's heap. */
  readonly heap: number;
}

/** The memory of this process; `undefined` where the runtime does not tell. */
export function processMemory(): ProcessMemory | undefined {
  // Deno has Node's `process`, and tells this without a permission.
  const { process } = globalThis as {
    process?: { memoryUsage?(): { rss: number; heapUsed: number } };
  };
  const usage = process?.memoryUsage?.();
  return usage && { resident: usage.rss, heap: usage.heapUsed };
}
