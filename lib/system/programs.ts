import { ConfigError } from "../errors.ts";
import { onAbort } from "./abort.ts";
import { runtime } from "./runtime.ts";

// Runs programs on Deno; node_programs.ts does so on Node and Bun.

/** The result of a program that has ended. */
export interface ProgramResult {
  /** Its exit status; above 128 if a signal has ended it. */
  readonly code: number;
  readonly stdout: Uint8Array;
  readonly stderr: string;
}

/** A program is not installed, or a permission to run it is missing. */
export class ProgramUnavailable extends ConfigError {}

function spawn(program: string, args: readonly string[]): Deno.ChildProcess {
  try {
    return new Deno.Command(program, {
      args: [...args],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  } catch (cause) {
    if (cause instanceof Deno.errors.NotCapable) {
      throw new ProgramUnavailable(
        `no permission to run ${program}: run Deno with --allow-run=${program}`,
        { cause },
      );
    }
    if (cause instanceof Deno.errors.NotFound) {
      throw new ProgramUnavailable(`${program} is not installed`, { cause });
    }
    throw new ConfigError(`${program}: ${(cause as Error).message}`, { cause });
  }
}

async function nodePrograms(
  program: string,
): Promise<typeof import("./node_programs.ts")> {
  if (runtime === "node") return await import("./node_programs.ts");
  throw new ProgramUnavailable(`this runtime cannot run ${program}`);
}

async function feed(
  child: Deno.ChildProcess,
  input: Uint8Array,
): Promise<void> {
  const writer = child.stdin.getWriter();
  try {
    await writer.write(input);
    await writer.close();
  } catch {
    // A program may end before it reads all of its input; its exit status says why.
  }
}

function kill(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGKILL");
  } catch {
    // It has already ended.
  }
}

// Limits the processes that a thousand concurrent requests start.
const mostProcesses = 16;
let running = 0;
const waiting: (() => void)[] = [];

/**
 * Runs a program, without a shell, and waits for its end. At most 16 run at the same
 * time; others wait. Throws {@linkcode ProgramUnavailable} if it is not installed,
 * or a permission is missing. When `signal` is aborted, it kills the program, and
 * throws the reason.
 */
export async function runProgram(
  program: string,
  args: readonly string[],
  input: Uint8Array,
  signal?: AbortSignal,
): Promise<ProgramResult> {
  if (running < mostProcesses) running++;
  else await new Promise<void>((resolve) => waiting.push(resolve));
  try {
    signal?.throwIfAborted();
    return await runNow(program, args, input, signal);
  } finally {
    const next = waiting.shift();
    if (next === undefined) running--;
    else next();
  }
}

async function runNow(
  program: string,
  args: readonly string[],
  input: Uint8Array,
  signal: AbortSignal | undefined,
): Promise<ProgramResult> {
  if (runtime !== "deno") {
    const { runProgram } = await nodePrograms(program);
    return await runProgram(program, args, input, signal);
  }
  const child = spawn(program, args);
  const goOn = signal && onAbort(signal, () => kill(child));
  try {
    const [{ code, stdout, stderr }] = await Promise.all([
      child.output(),
      feed(child, input),
    ]);
    signal?.throwIfAborted();
    return { code, stdout, stderr: new TextDecoder().decode(stderr) };
  } finally {
    goOn?.();
  }
}

/**
 * Runs a program and yields its standard output as it arrives; then returns its
 * standard error and exit status. Leaving the loop early kills the program, and so
 * does an abort, after which the loop throws the reason.
 */
export async function* streamProgram(
  program: string,
  args: readonly string[],
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, ProgramResult> {
  if (runtime !== "deno") {
    const { streamProgram } = await nodePrograms(program);
    return yield* streamProgram(program, args, signal);
  }
  const child = spawn(program, args);
  const goOn = onAbort(signal, () => kill(child));
  const errors = new Response(child.stderr).text();
  await feed(child, new Uint8Array(0));
  let isComplete = false;
  try {
    yield* child.stdout;
    isComplete = true;
  } finally {
    if (!isComplete) kill(child);
    goOn();
    await Promise.all([errors, child.status]);
  }
  signal.throwIfAborted();
  const { code } = await child.status;
  return { code, stdout: new Uint8Array(0), stderr: await errors };
}
