import { Folder } from "./folder.ts";
import { freePort, type Memcached } from "./memcached.ts";

/** The configuration of a pool; `settings` are additional lines of it. */
export function poolOf(
  listen: string,
  servers: readonly string[],
  settings: readonly string[],
): string {
  const lines = [
    "memcached:",
    `  listen: ${listen}`,
    "  hash: fnv1a_64",
    "  distribution: ketama",
    ...settings.map((setting) => `  ${setting}`),
    "  servers:",
    ...servers.map((server, number) => `    - ${server}:1 server${number}`),
  ];
  return lines.map((line) => `${line}\n`).join("");
}

/** A real nutcracker (twemproxy) as a proxy for memcached servers. */
export class Nutcracker implements AsyncDisposable {
  /** Its address, as in a table's configuration. */
  readonly server: string;
  #child: Deno.ChildProcess;
  #folder: Folder;

  private constructor(
    server: string,
    child: Deno.ChildProcess,
    folder: Folder,
  ) {
    this.server = server;
    this.#child = child;
    this.#folder = folder;
  }

  /** Starts one. `settings` are additional lines of its pool. */
  static async start(
    servers: readonly Memcached[],
    settings: readonly string[] = [],
  ): Promise<Nutcracker> {
    const folder = await Folder.make();
    const port = freePort();
    const configuration = await folder.write(
      "nutcracker.yml",
      poolOf(
        `127.0.0.1:${port}`,
        servers.map(({ server }) => server.replace("inet:", "")),
        settings,
      ),
    );
    const child = new Deno.Command("nutcracker", {
      args: [
        ["-c", configuration],
        ["-o", `${folder.path}/log`],
        ["-p", `${folder.path}/pid`],
        ["-a", "127.0.0.1", "-s", `${freePort()}`],
      ].flat(),
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    const nutcracker = new Nutcracker(
      `inet:127.0.0.1:${port}`,
      child,
      folder,
    );
    for (let attempt = 0; attempt < 500; attempt++) {
      try {
        (await Deno.connect({ hostname: "127.0.0.1", port })).close();
        return nutcracker;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    }
    await nutcracker[Symbol.asyncDispose]();
    throw new Error("nutcracker does not start");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has already ended.
    }
    await this.#child.status;
    await this.#folder[Symbol.asyncDispose]();
  }
}
