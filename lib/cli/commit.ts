/** The commit of the program, which `deno task build` fills in. */
export const commit: string | undefined = undefined;
