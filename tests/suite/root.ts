/** The folder of deno.json, with a slash behind it. */
export const root = new URL("../..", import.meta.url).pathname;
