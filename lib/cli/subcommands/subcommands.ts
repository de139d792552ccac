import { runSubcommand, type Subcommand } from "./subcommand.ts";

const subcommands: Record<string, () => Promise<Subcommand>> = {
  check: async () => (await import("./check.ts")).check,
  cleanup: async () => (await import("./cleanup.ts")).cleanup,
  serve: async () => (await import("./serve.ts")).serve,
  stats: async () => (await import("./stats.ts")).stats,
  warm: async () => (await import("./warm.ts")).warm,
};

/** Runs `NAME ARGUMENT…`, where NAME is one of the subcommands. */
export async function runNamed(
  [name, ...args]: readonly string[],
): Promise<number> {
  return await runSubcommand(await subcommands[name](), args);
}
