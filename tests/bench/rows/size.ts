import { lookupWorker, plainWorker } from "../../support/readme.ts";
import type { Row, Target } from "../row.ts";

/** The size of a minified bundle of a module that uses the package. */
function size(
  name: string,
  title: string,
  code: () => Promise<string>,
  targets: Target[],
): Row {
  return {
    name,
    title,
    unit: "KiB",
    targets,
    contestants: async (environment) => {
      const installed = await environment.installed();
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

/** README's Worker for lookups only. */
export const lookup: Row = size(
  "size-lookup",
  "MemcacheLookup, minified bundle",
  lookupWorker,
  [{ atMost: 31 }],
);

/** README's Worker. */
export const table: Row = size(
  "size-table",
  "MemcacheTable, minified bundle",
  plainWorker,
  [],
);

/** Everything except the command line. */
export const open: Row = size(
  "size-open",
  "openTable, minified bundle",
  () =>
    Promise.resolve('export { openTable } from "@postmaps/memcache-table";'),
  [],
);
