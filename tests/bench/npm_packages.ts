import { npmClients } from "./row.ts";

/** The packages for the comparison, and their exact versions. */
export const versions = {
  memjs: "1.3.2",
  memcached: "2.2.2",
  memcache: "1.10.0",
  mc: "1.0.6",
  "memcache-client": "1.0.5",
  bun: "1.4.5",
};

type Client = typeof npmClients[number];

type Runtime = "bun" | "node" | "deno";

// The fastest runtime of Node 20, Bun 1.4 and Deno 2.9 is Bun, except for the
// multi-get of memcached, which takes twice as long there.
const fastest: Record<Client, Partial<Record<string, Runtime>>> = {
  memjs: {},
  memcached: { bulk: "deno" },
  memcache: {},
  mc: {},
};

const commands: Record<Runtime, (folder: string) => string[]> = {
  bun: (folder) => [`${folder}/node_modules/.bin/bun`],
  node: () => ["node"],
  // The package memcached sets __proto__, which Deno allows only with this flag.
  deno: () => [
    Deno.execPath(),
    ...["run", "-A", "--no-config", "--unstable-unsafe-proto"],
  ],
};

/**
 * The clients, each with the command that runs a script on the runtime that is
 * fastest for it, or on `RUNTIME`.
 */
export function installedClients(
  kind: string,
  folder: string,
): { client: Client; command: string[] }[] {
  const chosen = Deno.env.get("RUNTIME") as Runtime | undefined;
  return npmClients.map((client) => ({
    client,
    command: commands[chosen ?? fastest[client][kind] ?? "bun"](folder),
  }));
}

/** The command for the client that speaks TLS, on the fastest runtime or `RUNTIME`. */
export function commandOverTls(folder: string): string[] {
  const chosen = Deno.env.get("RUNTIME") as Runtime | undefined;
  return commands[chosen ?? "node"](folder);
}

/** Installs all packages into a folder. */
export async function installPackages(
  folder: string,
  signal: AbortSignal,
): Promise<void> {
  await Deno.writeTextFile(
    `${folder}/package.json`,
    JSON.stringify({ private: true, dependencies: versions }),
  );
  const { success, stderr } = await new Deno.Command("npm", {
    args: ["install", "--no-audit", "--no-fund", "--no-package-lock"],
    cwd: folder,
    signal,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).output();
  signal.throwIfAborted();
  if (!success) {
    throw new Error(
      `npm install fails: ${new TextDecoder().decode(stderr)}`,
    );
  }
}
