import { count } from "../data.mjs";
import type { Ground, ServerName } from "../ground.ts";
import { peakMemory } from "../peak_memory.ts";
import type { Row, Turn } from "../row.ts";
import { cli } from "./whole_process.ts";

const quick = Deno.env.get("QUICK") === "1";
const many = quick ? 10 : 100;
const fewer = many / 10;

/** The same keys again and again. */
async function* repeated(block: Uint8Array, times: number) {
  for (let time = 0; time < times; time++) yield await Promise.resolve(block);
}

async function lookUp(
  ground: Ground,
  name: ServerName,
  times: number,
): Promise<Turn> {
  const { table } = await ground.server(name);
  const block = await Deno.readFile(await ground.keysFile());
  const { signal } = ground;
  const report = `${ground.folder.path}/time`;
  return () =>
    peakMemory(
      [...cli, "-q", "-", table],
      repeated(block, times),
      times * count,
      { report, signal },
    );
}

const million = (times: number) => `${times * count / 1e6} million keys`;

/** The most memory that `-q -` takes, and that more keys take no more. */
export const memory: Row = {
  name: "memory",
  title: `-q - of ${million(many)}, peak memory`,
  unit: "MB",
  note: `floor: -q - of ${million(fewer)}`,
  wanted: [{ atMost: 100 }, { against: "floor", atMost: 1.1 }],
  contestants: async (ground) => ({
    tcp: await lookUp(ground, "tcp", many),
    unix: await lookUp(ground, "unix", many),
    floor: await lookUp(ground, "tcp", fewer),
  }),
};
