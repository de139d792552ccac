import { root } from "./processes.ts";

/** The code block of README that has a text. Throws unless there is just one. */
export async function readmeExample(text: string): Promise<string> {
  const readme = await Deno.readTextFile(`${root}README.md`);
  const found = [...readme.matchAll(/^```ts[^\n]*\n([^]*?)^```$/gm)]
    .map(([, code]) => code).filter((code) => code.includes(text));
  if (found.length === 1) return found[0];
  throw new Error(`${found.length} examples of README have "${text}"`);
}

/** A code with a text in place of another one, which it must have. */
export function replaced(code: string, text: string, by: string): string {
  if (code.includes(text)) return code.replaceAll(text, by);
  throw new Error(`no "${text}" in: ${code}`);
}

/** README's Worker with nothing but lookups, as README says how. */
export async function lookupWorker(): Promise<string> {
  const worker = await readmeExample("inet:cache.example.com");
  const lookups = replaced(worker, "MemcacheTable", "MemcacheLookup");
  const name = "@postmaps/memcache-table";
  return replaced(lookups, `"${name}"`, `"${name}/lookup"`);
}
