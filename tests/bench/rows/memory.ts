import { count } from "../data.mjs";
import type { Environment, ServerName } from "../environment.ts";
import { peakMemory } from "../peak_memory.ts";
import type { Row, Turn } from "../row.ts";

const quick = Deno.env.get("QUICK") === "1";
const many = quick ? 10 : 100;
const fewer = many / 10;

/** The same keys again and again. */
async function* repeated(block: Uint8Array, times: number) {
  for (let time = 0; time < times; time++) yield await Promise.resolve(block);
}

async function lookUp(
  environment: Environment,
  name: ServerName,
  times: number,
): Promise<Turn> {
  const { table } = await environment.server(name);
  const block = await Deno.readFile(await environment.keysFile());
  const { signal } = environment;
  const report = `${environment.folder.path}/time`;
  const cli = await environment.cli();
  return () =>
    peakMemory(
      [...cli, "-q", "-", table],
      repeated(block, times),
      times * count,
      { report, signal },
    );
}

const million = (times: number) => `${times * count / 1e6} million keys`;

/** The peak memory of `-q -`, and that it does not grow with the number of keys. */
export const memory: Row = {
  name: "memory",
  title: `-q - of ${million(many)}, peak memory`,
  unit: "MB",
  note: `floor: -q - of ${million(fewer)}`,
  targets: [{ atMost: 100 }, { against: "floor", atMost: 1.1 }],
  contestants: async (environment) => ({
    tcp: await lookUp(environment, "tcp", many),
    unix: await lookUp(environment, "unix", many),
    floor: await lookUp(environment, "tcp", fewer),
  }),
};
