import type { Subcommand } from "./subcommand.ts";

/** A subcommand in the list of all. */
export interface Listed {
  /** What it does, in a few words. */
  readonly summary: string;
  /** Loads it, which takes a while: only when it is wanted. */
  readonly load: () => Promise<Subcommand>;
}

/** All subcommands, by their names: the first word of a command, no colon in it. */
export const subcommands: Readonly<Record<string, Listed>> = {
  check: {
    summary: "say whether tables work",
    load: async () => (await import("./check.ts")).check,
  },
  cleanup: {
    summary: "remove expired entries",
    load: async () => (await import("./cleanup.ts")).cleanup,
  },
  serve: {
    summary: "answer Postfix (socketmap)",
    load: async () => (await import("./serve.ts")).serve,
  },
  stats: {
    summary: "print memcached's figures",
    load: async () => (await import("./stats.ts")).stats,
  },
  sync: {
    summary: "make equal to a source",
    load: async () => (await import("./sync.ts")).sync,
  },
  warm: {
    summary: "fill memcached from backup",
    load: async () => (await import("./warm.ts")).warm,
  },
};
