/** What a program printed and returned. */
export interface Finished {
  code: number;
  stdout: string;
  stderr: string;
}

/** What a program is given. */
export interface Given {
  stdin?: string | Uint8Array;
  env?: Record<string, string>;
  /** Deno's permissions, for `runCli`. */
  permissions?: string[];
}

export const root = new URL("../..", import.meta.url).pathname;
const cliPath = new URL("../../cli.ts", import.meta.url).pathname;

/** Bytes as a byte string: comparable, and nothing lost. */
export function latin1(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

/** Runs a program to its end. Output is a byte string. */
export async function run(
  program: string,
  args: string[],
  { stdin = "", env }: Given = {},
): Promise<Finished> {
  const child = new Deno.Command(program, {
    args,
    env,
    cwd: root,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const input = typeof stdin === "string"
    ? new TextEncoder().encode(stdin)
    : stdin;
  const written = (async () => {
    const writer = child.stdin.getWriter();
    try {
      await writer.write(input);
      await writer.close();
    } catch {
      // The program ended without reading it all.
    }
  })();
  const { code, stdout, stderr } = await child.output();
  await written;
  return {
    code,
    stdout: latin1(stdout),
    stderr: new TextDecoder().decode(stderr),
  };
}

/** Runs the command line. */
export function runCli(args: string[], given: Given = {}): Promise<Finished> {
  const permissions = given.permissions ?? ["-A"];
  return run(
    Deno.execPath(),
    ["run", "--no-prompt", ...permissions, cliPath, ...args],
    given,
  );
}

/** Runs Debian's postmap. */
export function runPostmap(
  args: string[],
  given: Given = {},
): Promise<Finished> {
  return run("postmap", args, given);
}

/** Does something for every item, so many at once: what waits does not count. */
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
