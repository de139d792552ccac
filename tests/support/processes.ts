import { latin1 } from "./latin1.ts";

/** The output and the exit status of a program. */
export interface ProgramResult {
  code: number;
  stdout: string;
  stderr: string;
}

/** Options for running a program. */
export interface ProgramOptions {
  stdin?: string | Uint8Array;
  env?: Record<string, string>;
  /** Deno's permissions, for `runCli`. */
  permissions?: string[];
}

export const root = new URL("../..", import.meta.url).pathname;

/** Where Deno keeps what it has fetched: a program with another HOME need not fetch it again. */
export const denoCache: string = Deno.env.get("DENO_DIR") ??
  `${Deno.env.get("HOME")}/.cache/deno`;

const cliPath = new URL("../../cli.ts", import.meta.url).pathname;

/**
 * Runs a program to its end. Its output is a byte string. Standard input is a
 * file: on a busy machine the end of a pipe may come late, and a program that
 * waits for it would answer earlier.
 */
export async function run(
  program: string,
  args: string[],
  { stdin = "", env }: ProgramOptions = {},
): Promise<ProgramResult> {
  if (stdin.length === 0) return await finish(program, args, env);
  const input = await Deno.makeTempFile();
  try {
    await Deno.writeFile(
      input,
      typeof stdin === "string" ? new TextEncoder().encode(stdin) : stdin,
    );
    const command = ['input=$1; shift; exec "$@" <"$input"', "sh", input];
    return await finish("sh", ["-c", ...command, program, ...args], env);
  } finally {
    await Deno.remove(input);
  }
}

async function finish(
  program: string,
  args: string[],
  env: ProgramOptions["env"],
): Promise<ProgramResult> {
  const { code, stdout, stderr } = await new Deno.Command(program, {
    args,
    env,
    cwd: root,
    stdin: "null",
  }).output();
  return {
    code,
    stdout: latin1(stdout),
    stderr: new TextDecoder().decode(stderr),
  };
}

/** Runs the command line. */
export function runCli(
  args: string[],
  options: ProgramOptions = {},
): Promise<ProgramResult> {
  const permissions = options.permissions ?? ["-A"];
  return run(
    Deno.execPath(),
    ["run", "--no-prompt", ...permissions, cliPath, ...args],
    options,
  );
}

/** Runs Debian's postmap. */
export function runPostmap(
  args: string[],
  options: ProgramOptions = {},
): Promise<ProgramResult> {
  return run("postmap", args, options);
}

/** Runs `work` for every item, for `workers` items at a time. */
export async function atOnce<T>(
  workers: number,
  items: readonly T[],
  work: (item: T, number: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < items.length) {
      const number = next++;
      await work(items[number], number);
    }
  };
  await Promise.all(Array.from({ length: workers }, worker));
}
