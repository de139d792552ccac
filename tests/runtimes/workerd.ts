import { root } from "../support/processes.ts";

const miniflare = `${root}tests/support/miniflare/`;

/** A module that runs in Cloudflare's workerd. `await using` ends it. */
export class Workerd implements AsyncDisposable {
  /** Where it listens, with a slash at the end. */
  readonly url: string;
  #child: Deno.ChildProcess;

  private constructor(url: string, child: Deno.ChildProcess) {
    this.url = url;
    this.#child = child;
  }

  /** Starts it with a bundled module. */
  static async run(script: string): Promise<Workerd> {
    const child = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "-A",
        "--no-prompt",
        `--config=${miniflare}deno.json`,
        `${miniflare}worker.ts`,
        script,
      ],
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    let printed = "";
    for await (const chunk of child.stdout) {
      printed += new TextDecoder().decode(chunk);
      if (printed.endsWith("\n")) break;
    }
    const workerd = new Workerd(printed.trim(), child);
    if (printed !== "") return workerd;
    await workerd[Symbol.asyncDispose]();
    throw new Error(`workerd does not run ${script}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child.stdin.close().catch(() => {});
    await this.#child.status;
  }
}
