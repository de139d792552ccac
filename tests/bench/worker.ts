import { root } from "../support/processes.ts";

/**
 * A program that does its work once for each line that it is given, and prints
 * the milliseconds: the runtime is warm, and turns of several such programs
 * can be mixed.
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

  /** Milliseconds that one turn takes. */
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
      // It is gone already.
    }
    await this.#child.status;
    // Both are of a process that is gone: they may fail, and nobody cares.
    await this.#input.abort().catch(() => undefined);
    await this.#output.cancel().catch(() => undefined);
  }
}
