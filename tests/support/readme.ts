import { root } from "./processes.ts";

/** The code block of README that contains a text. Throws unless there is just one. */
export async function readmeExample(text: string): Promise<string> {
  const readme = await Deno.readTextFile(`${root}README.md`);
  const found = [...readme.matchAll(/^```ts[^\n]*\n([^]*?)^```$/gm)]
    .map(([, code]) => code).filter((code) => code.includes(text));
  if (found.length === 1) return found[0];
  throw new Error(`${found.length} examples of README have "${text}"`);
}

/** The names of the metrics in a table of README. */
export async function readmeMetrics(): Promise<string[]> {
  const readme = await Deno.readTextFile(`${root}README.md`);
  const rows = readme.matchAll(/^\| `((?:memcache_table|process)_\w+)` +\|/gm);
  return [...rows].map(([, name]) => name);
}

/** Replaces a text in a code. Throws if it is not there. */
export function replaced(code: string, text: string, by: string): string {
  if (code.includes(text)) return code.replaceAll(text, by);
  throw new Error(`no "${text}" in: ${code}`);
}

/** README's Worker with a whole table, without TLS and log-in. */
export async function wholeWorker(): Promise<string> {
  return await readmeExample("{ connect: connectCloudflare }");
}

/** README's Worker for lookups only, changed as README describes. */
export async function lookupWorker(): Promise<string> {
  const worker = await wholeWorker();
  const lookups = replaced(worker, "MemcacheTable", "MemcacheLookup");
  const name = "@postmaps/memcache-table";
  return replaced(lookups, `"${name}"`, `"${name}/lookup"`);
}

/** README's configuration of nutcracker, without the comment with its path. */
export async function readmePool(): Promise<string> {
  const readme = await Deno.readTextFile(`${root}README.md`);
  const [, code] = /^```yaml\n#.*nutcracker\.yml\n([^]*?)^```$/m.exec(readme) ??
    [];
  if (code === undefined) throw new Error("README has no nutcracker.yml");
  return code;
}
