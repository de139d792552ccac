// Lookups one after the other over one connection: by a table, and by a bare
// loop that writes and then reads, in turn. Prints thousands a second of both,
// and the ratio, as medians.
import { openTable } from "../../lib/open.ts";
import { median } from "./median.ts";

const rounds = 2000;
const turns = 15;
const [table, server] = Deno.args;

async function rate(once: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  for (let round = 0; round < rounds; round++) await once();
  return rounds / (performance.now() - started);
}

const [, hostname, port] = server.split(":");
using connection = await Deno.connect({ hostname, port: Number(port) });
connection.setNoDelay();
const request = new TextEncoder().encode("get a:user123@example.com\r\n");
const buffer = new Uint8Array(65536);
const bare = async () => {
  await connection.write(request);
  await connection.read(buffer);
};
await using open = await openTable(table);
const lookup = () => open.lookup("user123@example.com");

for (let warm = 0; warm < 3; warm++) {
  await rate(lookup);
  await rate(bare);
}
const pairs: [number, number][] = [];
for (let turn = 0; turn < turns; turn++) {
  pairs.push([await rate(lookup), await rate(bare)]);
}
console.log(
  median(pairs.map(([ours]) => ours)),
  median(pairs.map(([, theirs]) => theirs)),
  median(pairs.map(([ours, theirs]) => ours / theirs)),
);
