import { root } from "../support/processes.ts";

/** A program to run, with files as standard streams. */
export interface Program {
  command: string[];
  stdin?: string;
  stdout?: string;
  signal?: AbortSignal;
}

/** Runs a program. Returns the milliseconds that it takes. Throws if it fails. */
export async function wholeProgram(
  { command, stdin = "/dev/null", stdout = "/dev/null", signal }: Program,
): Promise<number> {
  const started = performance.now();
  // The shell is needed to use files as standard streams.
  const { success } = await new Deno.Command("sh", {
    args: ["-c", `exec "$@" <"$IN" >"$OUT"`, "sh", ...command],
    env: { IN: stdin, OUT: stdout },
    cwd: root,
    stdin: "null",
    signal,
  }).spawn().status;
  const took = performance.now() - started;
  signal?.throwIfAborted();
  if (!success) throw new Error(`failed: ${command.join(" ")}`);
  return took;
}

/** As `wholeProgram`. Throws unless it prints so many lines. */
export async function printingProgram(
  program: Program & { stdout: string },
  lines: number,
): Promise<number> {
  const took = await wholeProgram(program);
  await mustHaveLines(program.stdout, lines);
  return took;
}

/** Throws unless a file has `wanted` lines. */
async function mustHaveLines(file: string, wanted: number): Promise<void> {
  const bytes = await Deno.readFile(file);
  let lines = 0;
  for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) {
    lines++;
  }
  if (lines !== wanted) throw new Error(`${lines} of ${wanted} lines came`);
}
