import { key } from "../data.mjs";
import type { Environment } from "../environment.ts";
import { printingProgram } from "../program.ts";
import type { Column, Row, Turn } from "../row.ts";

const quick = Deno.env.get("QUICK") === "1";

/** How many keys are looked up. */
export const sizes = quick
  ? [1, 100, 10_000]
  : [1, 10, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000];

// postmap takes a minute for a million keys.
const mostOfPostmap = 100_000;

/** A file of so many keys, of which all up to 100,000 are there. */
async function keysFile(
  { folder }: Environment,
  size: number,
): Promise<string> {
  const path = `${folder.path}/keys-${size}`;
  using file = await Deno.open(path, { create: true, write: true });
  const encoder = new TextEncoder();
  const piece = 10_000;
  for (let start = 0; start < size; start += piece) {
    const lines = Array.from(
      { length: Math.min(piece, size - start) },
      (_, at) => `${key((start + at) % 100_000)}\n`,
    );
    const bytes = encoder.encode(lines.join(""));
    for (let sent = 0; sent < bytes.length;) {
      sent += await file.write(bytes.subarray(sent));
    }
  }
  return path;
}

/** `-q -` of so many keys, the whole process. */
function growth(size: number): Row {
  return {
    name: `growth-${size}`,
    title: `-q - of ${size.toLocaleString("en")} keys, whole process`,
    unit: "ms",
    targets: [],
    contestants: async (environment) => {
      const { signal } = environment;
      const { table } = await environment.server("tcp");
      const stdin = await keysFile(environment, size);
      const turn = (name: string, program: string[]): Turn => {
        const stdout = `${environment.folder.path}/growth-${name}`;
        const command = [...program, "-q", "-", table];
        return () => printingProgram({ command, stdin, stdout, signal }, size);
      };
      const turns: Partial<Record<Column, Turn>> = {
        tcp: turn("ours", await environment.cli()),
      };
      if (size <= mostOfPostmap) turns.postmap = turn("postmap", ["postmap"]);
      return turns;
    },
  };
}

/** How the time of `-q -` grows with the number of keys. */
export const growths: Row[] = sizes.map(growth);
