import { ConfigError } from "../errors.ts";
import { runtime } from "./runtime.ts";

// The one place of the library that runs programs, with node_programs.ts for
// Node and Bun.

/** A program that ran to its end. */
export interface Ended {
  /** Its exit status. */
  readonly code: number;
  /** What it printed. */
  readonly stdout: Uint8Array;
  /** What it complained of. */
  readonly stderr: string;
}

/** A program that is not there, or may not be run. */
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

/** What runs programs here, where Deno does not. */
async function elsewhere(
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
    // It ended without reading all of it; its exit status says why.
  }
}

function kill(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGKILL");
  } catch {
    // It ended by itself.
  }
}

// Whoever asks for a thousand things at once gets them, but not as a thousand
// processes at once.
const mostAtOnce = 16;
let running = 0;
const waiting: (() => void)[] = [];

/**
 * Runs a program, without a shell, to its end; when many are running, after one
 * of them has ended. Throws {@linkcode ProgramUnavailable} when it is not there,
 * or may not be run.
 */
export async function runProgram(
  program: string,
  args: readonly string[],
  input: Uint8Array,
): Promise<Ended> {
  if (running < mostAtOnce) running++;
  else await new Promise<void>((resolve) => waiting.push(resolve));
  try {
    return await runNow(program, args, input);
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
): Promise<Ended> {
  if (runtime !== "deno") {
    return await (await elsewhere(program)).runProgram(program, args, input);
  }
  const child = spawn(program, args);
  const [{ code, stdout, stderr }] = await Promise.all([
    child.output(),
    feed(child, input),
  ]);
  return { code, stdout, stderr: new TextDecoder().decode(stderr) };
}

/**
 * Runs a program and yields what it prints as it comes; returns what it
 * complained of, and its exit status, in the end. Leaving it ends the program.
 */
export async function* streamProgram(
  program: string,
  args: readonly string[],
): AsyncGenerator<Uint8Array, Ended> {
  if (runtime !== "deno") {
    return yield* (await elsewhere(program)).streamProgram(program, args);
  }
  const child = spawn(program, args);
  const complaints = new Response(child.stderr).text();
  await feed(child, new Uint8Array(0));
  let ended = false;
  try {
    yield* child.stdout;
    ended = true;
  } finally {
    if (!ended) kill(child);
    await Promise.all([complaints, child.status]);
  }
  const { code } = await child.status;
  return { code, stdout: new Uint8Array(0), stderr: await complaints };
}
