import { root } from "./processes.ts";

/**
 * Measures the peak memory, in MiB, of the command line in a shell script.
 * `script` gets the command to call. Returns what the script prints as well.
 */
export async function peakMemory(
  script: (commandLine: string) => string,
): Promise<{ peak: number; stdout: string }> {
  const file = await Deno.makeTempFile();
  try {
    const timed = `/usr/bin/time -f %M -o "$1" "$0" run -A cli.ts`;
    const { stdout } = await new Deno.Command("bash", {
      args: ["-c", script(timed), Deno.execPath(), file],
      cwd: root,
    }).output();
    const peak = Number(await Deno.readTextFile(file)) / 1024;
    return { peak, stdout: new TextDecoder().decode(stdout) };
  } finally {
    await Deno.remove(file);
  }
}
