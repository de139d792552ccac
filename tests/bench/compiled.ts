/**
 * Compiles a program in C, if there is a compiler and what the program needs (on
 * Debian the packages gcc and libmemcached-dev). Returns its path; `undefined`
 * otherwise.
 */
export async function compiled(
  source: string,
  folder: string,
  libraries: readonly string[],
): Promise<string | undefined> {
  const path = `${folder}/${source.slice(source.lastIndexOf("/") + 1)}.out`;
  const flags = libraries.map((name) => `-l${name}`);
  try {
    const { success } = await new Deno.Command("cc", {
      args: ["-O2", "-o", path, source, ...flags],
      stderr: "null",
    }).output();
    return success ? path : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
