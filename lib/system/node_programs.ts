import { ConfigError } from "../errors.ts";
import { onAbort } from "./abort.ts";
import { loadNodeModule } from "./runtime.ts";
import { type ProgramResult, ProgramUnavailable } from "./programs.ts";

type Child = import("node:child_process").ChildProcessWithoutNullStreams;

/** Starts a program; rejects when that fails. */
async function spawn(program: string, args: readonly string[]): Promise<Child> {
  const processes = await loadNodeModule("node:child_process");
  if (processes === undefined) {
    throw new ProgramUnavailable(`this runtime cannot run ${program}`);
  }
  const child = processes.spawn(program, [...args], { stdio: "pipe" });
  await new Promise<void>((resolve, reject) => {
    child.once("spawn", resolve);
    child.once("error", (cause: Error & { code?: string }) => {
      reject(
        cause.code === "ENOENT"
          ? new ProgramUnavailable(`${program} is not installed`, { cause })
          : new ConfigError(`${program}: ${cause.message}`, { cause }),
      );
    });
  });
  // A program may end before it reads all of its input; its exit status says why.
  child.stdin.on("error", () => {});
  return child;
}

// Which one it was does not matter.
const endedBySignal = 129;

function whenClosed(child: Child): Promise<number> {
  return new Promise((resolve) => {
    child.once("close", (code) => resolve(code ?? endedBySignal));
  });
}

async function collect(
  stream: AsyncIterable<Uint8Array>,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

/** As in programs.ts, on Node and Bun. */
export async function runProgram(
  program: string,
  args: readonly string[],
  input: Uint8Array,
  signal?: AbortSignal,
): Promise<ProgramResult> {
  const child = await spawn(program, args);
  const goOn = signal && onAbort(signal, () => child.kill("SIGKILL"));
  try {
    child.stdin.end(input);
    const [code, stdout, stderr] = await Promise.all([
      whenClosed(child),
      collect(child.stdout),
      collect(child.stderr),
    ]);
    signal?.throwIfAborted();
    return { code, stdout, stderr: new TextDecoder().decode(stderr) };
  } finally {
    goOn?.();
  }
}

/** As in programs.ts, on Node and Bun. */
export async function* streamProgram(
  program: string,
  args: readonly string[],
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, ProgramResult> {
  const child = await spawn(program, args);
  const goOn = onAbort(signal, () => child.kill("SIGKILL"));
  const closed = whenClosed(child);
  const errors = collect(child.stderr);
  child.stdin.end();
  let isComplete = false;
  try {
    for await (const chunk of child.stdout) yield chunk as Uint8Array;
    isComplete = true;
  } finally {
    if (!isComplete) child.kill("SIGKILL");
    goOn();
    await Promise.all([closed, errors]);
  }
  signal.throwIfAborted();
  return {
    code: await closed,
    stdout: new Uint8Array(0),
    stderr: new TextDecoder().decode(await errors),
  };
}
