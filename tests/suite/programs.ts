/** Runs a program to its end; whether it could be run, and succeeded. */
export async function succeeds(
  program: string,
  args: readonly string[],
  options: Omit<Deno.CommandOptions, "args"> = {},
): Promise<boolean> {
  try {
    const { success } = await new Deno.Command(program, {
      stdin: "null",
      ...options,
      args: [...args],
    }).spawn().status;
    return success;
  } catch {
    return false;
  }
}
