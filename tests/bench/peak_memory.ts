import { root } from "../support/processes.ts";

/**
 * Measures the peak memory of a program that reads a stream, in MB (10^6 bytes).
 * Reads what the program prints. Throws unless that is `lines` lines.
 */
export async function peakMemory(
  command: string[],
  input: AsyncIterable<Uint8Array>,
  lines: number,
  { report, signal }: { report: string; signal: AbortSignal },
): Promise<number> {
  const child = new Deno.Command("/usr/bin/time", {
    args: ["-v", "-o", report, ...command],
    cwd: root,
    stdin: "piped",
    stdout: "piped",
    signal,
  }).spawn();
  const writing = ReadableStream.from(input).pipeTo(child.stdin)
    // It ended before it read everything; its exit status is checked below.
    .catch(() => undefined);
  let printed = 0;
  for await (const chunk of child.stdout) {
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) {
      printed++;
    }
  }
  const { success } = await child.status;
  await writing;
  signal.throwIfAborted();
  if (!success) throw new Error(`failed: ${command.join(" ")}`);
  if (printed !== lines) throw new Error(`${printed} of ${lines} lines came`);
  const said = /Maximum resident set size \(kbytes\): (\d+)/
    .exec(await Deno.readTextFile(report));
  if (said === null) throw new Error("/usr/bin/time -v says no memory");
  return Number(said[1]) * 1024 / 1e6;
}
