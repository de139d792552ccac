// PATH: Deno KV without a table, in a database that `kv:PATH` filled.
import { keys } from "../data.mjs";
import { serve } from "./serve.mjs";

const [path] = Deno.args;
const encoder = new TextEncoder();
const prepared = keys.map((key) => ["table", "", encoder.encode(key)]);

await serve("sequential", async () => {
  const database = await Deno.openKv(path);
  return {
    async get(_key: string, at: number) {
      return (await database.get(prepared[at])).value ?? undefined;
    },
    close: () => database.close(),
  };
});
