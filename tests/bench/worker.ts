import { root } from "../support/processes.ts";

/**
 * A program that does its work once for each line of input, and prints the
 * milliseconds. So its runtime is warm, and several programs can work in turn.
 */
export class Worker implements AsyncDisposable {
  #command: string;
  #child: Deno.ChildProcess;
  #input: WritableStreamDefaultWriter<Uint8Array>;
  #output: ReadableStreamDefaultReader<Uint8Array>;

  constructor([program, ...args]: string[], signal: AbortSignal) {
    this.#command = [program, ...args].join(" ");
    this.#child = new Deno.Command(program, {
      args,
      cwd: root,
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
      signal,
    }).spawn();
    this.#input = this.#child.stdin.getWriter();
    this.#output = this.#child.stdout.getReader();
  }

  /** Does the work once. Returns the milliseconds. */
  async turn(): Promise<number> {
    await this.#input.write(new TextEncoder().encode("\n"));
    let answer = "";
    while (!answer.endsWith("\n")) {
      const { done, value } = await this.#output.read();
      if (done) throw new Error(`it ended: ${this.#command}`);
      answer += new TextDecoder().decode(value);
    }
    return Number(answer);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has already ended.
    }
    await this.#child.status;
    // These may fail because the process has ended.
    await this.#input.abort().catch(() => undefined);
    await this.#output.cancel().catch(() => undefined);
  }
}
