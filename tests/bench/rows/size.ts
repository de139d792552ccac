import { lookupWorker, readmeExample } from "../../support/readme.ts";
import type { Row, Wanted } from "../row.ts";

/** What a bundler makes of a module that uses the package, minified. */
function size(
  name: string,
  title: string,
  code: () => Promise<string>,
  wanted: Wanted[],
): Row {
  return {
    name,
    title,
    unit: "KiB",
    wanted,
    contestants: async (ground) => {
      const installed = await ground.installed();
      await installed.write(`${name}.ts`, await code());
      return {
        async tcp() {
          const options = { whole: true, minify: true };
          const bundle = await installed.bundle(name, options);
          return (await Deno.stat(bundle)).size / 1024;
        },
      };
    },
  };
}

/** README's Worker with lookups alone. */
export const lookup: Row = size(
  "size-lookup",
  "MemcacheLookup, minified bundle",
  lookupWorker,
  [{ atMost: 24 }],
);

/** README's Worker. */
export const table: Row = size(
  "size-table",
  "MemcacheTable, minified bundle",
  () => readmeExample("inet:cache.example.com"),
  [],
);

/** All that there is, but the command line. */
export const open: Row = size(
  "size-open",
  "openTable, minified bundle",
  () =>
    Promise.resolve('export { openTable } from "@postmaps/memcache-table";'),
  [],
);
