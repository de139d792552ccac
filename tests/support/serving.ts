import { root } from "./processes.ts";

/** A process that runs `serve`. */
export class Serving implements AsyncDisposable {
  /** Where it listens. */
  readonly endpoint: string;
  /** Where it shows metrics, if it does: `http://HOST:PORT`, or `unix:PATH`. */
  readonly metrics: string | undefined;
  readonly #child: Deno.ChildProcess;
  #lines: string[];
  #ended: Promise<number>;

  private constructor(
    endpoint: string,
    metrics: string | undefined,
    child: Deno.ChildProcess,
    lines: string[],
    read: Promise<void>,
  ) {
    this.endpoint = endpoint;
    this.metrics = metrics;
    this.#child = child;
    this.#lines = lines;
    this.#ended = (async () => {
      const { code } = await child.status;
      await read;
      return code;
    })();
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** The lines on standard error since it listens. */
  get lines(): readonly string[] {
    return this.#lines;
  }

  /** Starts it, and waits until it listens. */
  static async start(
    args: string[],
    { permissions = ["-A"], command }: {
      permissions?: string[];
      command?: string[];
    } = {},
  ): Promise<Serving> {
    const [program, ...first] = command ??
      [Deno.execPath(), "run", "--no-prompt", ...permissions, `${root}cli.ts`];
    const child = new Deno.Command(program, {
      args: [...first, "serve", ...args],
      cwd: root,
      stdin: "null",
      stdout: "inherit",
      stderr: "piped",
    }).spawn();
    const all: string[] = [];
    const lines: string[] = [];
    let read: Promise<void> = Promise.resolve();
    const endpoint = await new Promise<string | undefined>((resolve) => {
      read = (async () => {
        let listens = false;
        let rest = "";
        const decoder = new TextDecoder();
        for await (const chunk of child.stderr) {
          const parts = (rest + decoder.decode(chunk, { stream: true })).split(
            "\n",
          );
          rest = parts.pop()!;
          for (const line of parts) {
            all.push(line);
            const place = /^memcache-table: listening on (\S+)$/.exec(line)
              ?.[1];
            if (listens) lines.push(line);
            else if (place !== undefined) {
              listens = true;
              resolve(place);
            }
          }
        }
        resolve(undefined);
      })();
    });
    if (endpoint === undefined) {
      await read;
      await child.status;
      throw new Error(`it does not listen: ${all.join("\n")}`);
    }
    const metrics = /^memcache-table: metrics on (\S+)$/m.exec(all.join("\n"))
      ?.[1].replace("inet:", "http://");
    return new Serving(endpoint, metrics, child, lines, read);
  }

  kill(signal: Deno.Signal): void {
    this.#child.kill(signal);
  }

  /** Waits until it ends. Returns its exit status. */
  ended(): Promise<number> {
    return this.#ended;
  }

  /** Sends a signal, and waits until it ends. Returns its exit status. */
  async stop(signal: Deno.Signal = "SIGTERM"): Promise<number> {
    this.kill(signal);
    return await this.#ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await this.#ended;
  }
}
