// Deno, Node and Bun: given a world, prints what holds. Then it ends by itself,
// for nothing may be left open.
import { holdTo } from "./requirements.ts";

const { Deno, process } = globalThis as unknown as {
  Deno?: { args: string[] };
  process: { argv: string[] };
};
const [world] = Deno?.args ?? process.argv.slice(2);
console.log(JSON.stringify(await holdTo(JSON.parse(world))));
