import { root } from "./processes.ts";

/** The code block of README that contains a text. Throws unless there is just one. */
export async function readmeExample(text: string): Promise<string> {
  return only(await Deno.readTextFile(`${root}README.md`), text, "README.md");
}

/** The example in the comments of a module that contains a text. */
export async function docExample(path: string, text: string): Promise<string> {
  const source = await Deno.readTextFile(root + path);
  return only(source.replaceAll(/^ +\* ?/gm, ""), text, path);
}

function only(markdown: string, text: string, path: string): string {
  const found = [...markdown.matchAll(/^```ts[^\n]*\n([^]*?)^```$/gm)]
    .map(([, code]) => code).filter((code) => code.includes(text));
  if (found.length === 1) return found[0];
  throw new Error(`${found.length} examples of ${path} have "${text}"`);
}

/** The names of the metrics in a table of README. */
export async function readmeMetrics(): Promise<string[]> {
  const readme = await Deno.readTextFile(`${root}README.md`);
  const rows = readme.match(/^\| `(?:memcache_table|process)_.*$/gm) ?? [];
  return rows.flatMap((row) =>
    row.match(/(?<=`)(?:memcache_table|process)_\w+(?=`)/g) ?? []
  );
}

/** Replaces a text in a code. Throws if it is not there. */
export function replaced(code: string, text: string, by: string): string {
  if (code.includes(text)) return code.replaceAll(text, by);
  throw new Error(`no "${text}" in: ${code}`);
}

/** README's Worker with a whole table, with TLS and log-in. */
export async function readmeWorker(): Promise<string> {
  return await readmeExample("{ connect: connectCloudflare }");
}

/** README's Worker without TLS and log-in. */
export async function plainWorker(): Promise<string> {
  const worker = replaced(await readmeWorker(), '"tls:', '"inet:');
  return replaced(
    worker,
    '      user: "worker",\n      password: env.PASSWORD,\n',
    "",
  );
}

/** That for lookups only. */
export async function lookupWorker(): Promise<string> {
  const lookups = replaced(
    await plainWorker(),
    "MemcacheTable",
    "MemcacheLookup",
  );
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
