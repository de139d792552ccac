import { root } from "../support/processes.ts";

/** A program from its start to its end, with files as standard streams. */
export interface Program {
  command: string[];
  stdin?: string;
  stdout?: string;
  signal?: AbortSignal;
}

/** Milliseconds that a whole program takes. Throws when it fails. */
export async function wholeProgram(
  { command, stdin = "/dev/null", stdout = "/dev/null", signal }: Program,
): Promise<number> {
  const started = performance.now();
  // A file as a standard stream is what the shell is there for.
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

/** Throws when a file does not hold so many lines. */
export async function mustHaveLines(
  file: string,
  wanted: number,
): Promise<void> {
  const bytes = await Deno.readFile(file);
  let lines = 0;
  for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) {
    lines++;
  }
  if (lines !== wanted) throw new Error(`${lines} of ${wanted} lines came`);
}
