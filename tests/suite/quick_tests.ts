import { root } from "./root.ts";

/** These run programs, but nothing besides Deno and git. */
const alwaysQuick = ["tests/house_test.ts"];

// Starting Deno once more counts too: it takes long.
const startsProgram = /\bDeno\.Command\b|"node:child[_]process"/;

/**
 * The test files that start no program: neither by themselves nor by a module
 * under tests/ that they import. They are found by what they import, so there is
 * no list to keep.
 */
export async function quickTests(): Promise<string[]> {
  const quick: string[] = [];
  for await (const path of testFiles("tests")) {
    if (alwaysQuick.includes(path) || !await startsAProgram(path)) {
      quick.push(path);
    }
  }
  return quick.sort();
}

async function* testFiles(folder: string): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(root + folder)) {
    const path = `${folder}/${name}`;
    if (isDirectory) yield* testFiles(path);
    else if (name.endsWith("_test.ts")) yield path;
  }
}

/** Whether a module starts a program, or imports one under tests/ that does. */
async function startsAProgram(
  path: string,
  seen = new Set<string>(),
): Promise<boolean> {
  if (seen.has(path)) return false;
  seen.add(path);
  const text = await Deno.readTextFile(root + path);
  if (startsProgram.test(text)) return true;
  for (const imported of importsOf(path, text)) {
    if (await startsAProgram(imported, seen)) return true;
  }
  return false;
}

/** The modules under tests/ that a module imports, by their paths. */
function importsOf(path: string, text: string): string[] {
  const imports = text.matchAll(/(?:\bfrom|\bimport\(?)\s*"(\.[^"]+\.ts)"/g);
  return [...imports]
    .map(([, specifier]) =>
      new URL(specifier, `file:///${path}`).pathname.slice(1)
    )
    .filter((imported) => imported.startsWith("tests/"));
}
