import type { Subcommand } from "./subcommand.ts";

/** A subcommand in the list of all subcommands. */
export interface SubcommandEntry {
  /** What it does, in a few words. */
  readonly summary: string;
  /** Loads it. Loading takes time, so only the one that runs is loaded. */
  readonly load: () => Promise<Subcommand>;
}

/** All subcommands by name. A name must not contain a colon. */
export const subcommands: Readonly<Record<string, SubcommandEntry>> = {
  check: {
    summary: "check whether tables work",
    load: async () => (await import("./check.ts")).check,
  },
  cleanup: {
    summary: "remove expired entries",
    load: async () => (await import("./cleanup.ts")).cleanup,
  },
  serve: {
    summary: "serve tables to Postfix",
    load: async () => (await import("./serve.ts")).serve,
  },
  stats: {
    summary: "print server statistics",
    load: async () => (await import("./stats.ts")).stats,
  },
  warm: {
    summary: "fill memcached from backup",
    load: async () => (await import("./warm.ts")).warm,
  },
};
