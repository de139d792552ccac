const folder = new URL("miniflare/", import.meta.url).pathname;

/**
 * Runs a program of the folder `miniflare` in another process, which ends when its
 * standard input is closed. Returns the line that it prints when it is ready.
 */
export async function startMiniflare(
  program: string,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<{ child: Deno.ChildProcess; printed: string }> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      "--no-prompt",
      `--config=${folder}deno.json`,
      folder + program,
      ...args,
    ],
    env,
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  let printed = "";
  for await (const chunk of child.stdout) {
    printed += new TextDecoder().decode(chunk);
    if (printed.endsWith("\n")) break;
  }
  if (printed !== "") return { child, printed: printed.trim() };
  await child.stdin.close().catch(() => {});
  await child.status;
  throw new Error(`miniflare does not run ${program} ${args.join(" ")}`);
}
