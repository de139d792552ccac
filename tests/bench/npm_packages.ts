import { npmClients } from "./row.ts";

/** What is compared with, in exactly these versions. */
export const versions = {
  memjs: "1.3.2",
  memcached: "2.2.2",
  memcache: "1.10.0",
  mc: "1.0.6",
  bun: "1.4.5",
};

type Client = typeof npmClients[number];

type Runtime = "bun" | "node" | "deno";

// Where each is fastest, of Node 20, Bun 1.4 and Deno 2.9: Bun, but for the
// multi-get of memcached, which takes twice the time there.
const fastest: Record<Client, Partial<Record<string, Runtime>>> = {
  memjs: {},
  memcached: { bulk: "deno" },
  memcache: {},
  mc: {},
};

const commands: Record<Runtime, (folder: string) => string[]> = {
  bun: (folder) => [`${folder}/node_modules/.bin/bun`],
  node: () => ["node"],
  // memcached sets __proto__, which Deno otherwise has not.
  deno: () => [
    Deno.execPath(),
    ...["run", "-A", "--no-config", "--unstable-unsafe-proto"],
  ],
};

/**
 * The clients, each with how to run a script on the runtime where it does such
 * work fastest; `RUNTIME` overrules that.
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

/** Installs them all into a folder. */
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
