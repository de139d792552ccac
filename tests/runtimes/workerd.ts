import { startMiniflare } from "../support/miniflare_process.ts";

/** A module that runs in Cloudflare's workerd. `await using` ends it. */
export class Workerd implements AsyncDisposable {
  /** Where it listens, with a slash at the end. */
  readonly url: string;
  #child: Deno.ChildProcess;

  private constructor(url: string, child: Deno.ChildProcess) {
    this.url = url;
    this.#child = child;
  }

  /**
   * Starts it with a bundled module. `secrets` are what the module finds in `env`, and
   * `authority` is the path of an authority that it trusts besides Cloudflare's.
   */
  static async run(
    script: string,
    { secrets = {}, authority }: {
      secrets?: Record<string, string>;
      authority?: string;
    } = {},
  ): Promise<Workerd> {
    const { child, printed } = await startMiniflare(
      "worker.ts",
      [script, JSON.stringify(secrets)],
      authority === undefined ? {} : { NODE_EXTRA_CA_CERTS: authority },
    );
    return new Workerd(printed, child);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child.stdin.close().catch(() => {});
    await this.#child.status;
  }
}
