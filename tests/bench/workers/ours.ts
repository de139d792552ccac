// KIND TABLE: this project's library.
import { openTable } from "../../../lib/open.ts";
import { serve } from "./serve.mjs";

const [kind, name] = Deno.args;

await serve(kind, async () => {
  const table = await openTable(name, { write: kind === "update" });
  return {
    get: (key: string) => table.lookup(key),
    async getAll(keys: string[]) {
      let found = 0;
      for await (const { value } of table.lookupMany(keys)) {
        if (value !== undefined) found++;
      }
      return found;
    },
    async setAll(keys: string[], values: string[]) {
      let done = 0;
      const entries = keys.map((key, at) => ({ key, value: values[at] }));
      for await (const { stored } of table.updateMany(entries)) {
        if (stored) done++;
      }
      return done;
    },
    close: () => table.close(),
  };
});
