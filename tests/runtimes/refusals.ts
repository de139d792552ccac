// A Node that is too old: prints how each way to a table is refused.
import { MemcacheTable, openTable } from "@postmaps/memcache-table";
import { MemcacheLookup } from "@postmaps/memcache-table/lookup";
import { connectNode } from "@postmaps/memcache-table/node";

const ways: (() => Promise<unknown>)[] = [
  () => openTable("static:v"),
  () => new MemcacheTable({}).lookup("ä"),
  () => new MemcacheLookup({}, { connect: connectNode }).lookup("ä"),
];
const refusals = ways.map(async (way) => {
  try {
    return await way();
  } catch (error) {
    return String(error);
  }
});
console.log(JSON.stringify(await Promise.all(refusals)));
