// Node and Bun: prints a kv: table that Deno wrote, and writes to it.
import { openTable } from "@postmaps/memcache-table";

const { process } = globalThis as unknown as { process: { argv: string[] } };
const [name, value] = process.argv.slice(2);
// Not known where this file is checked.
const library: string = "@deno/kv";
const { openKv, makeLimitedV8Serializer } = await import(library);

await using table = await openTable(name, {
  write: true,
  utf8: true,
  // Values are bytes, which need no serializer; Bun has none that would do.
  openKv: (path) => openKv(path, makeLimitedV8Serializer()),
});
const entries = [];
for await (const entry of table) entries.push(entry);
await table.update("written by", value);
console.log(JSON.stringify(entries));
