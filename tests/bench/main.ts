// `deno task bench [--row NAME]… [--out FOLDER]`: times what users wait for,
// beside Debian's postmap, npm's clients and bare scripts, in turn, and prints
// medians. Starts its own memcached. Never part of the tests.
//
// RUNS=n: turns that count, 5 by default. QUICK=1: the memory of a million keys
// and not ten. RUNTIME=node|bun|deno: npm's clients on that one alone.
//
// All rows together are also written as results.json and results.svg, here; some
// rows, or a quick run, only with --out.
import { parseArgs } from "node:util";
import { chart } from "./chart.ts";
import { Ground } from "./ground.ts";
import { interleave } from "./interleave.ts";
import { thisMachine } from "./machine.ts";
import { type Column, columns, type Row } from "./row.ts";
import { cold, coldBun, coldNode } from "./rows/cold.ts";
import * as kv from "./rows/kv.ts";
import * as library from "./rows/library.ts";
import { memory } from "./rows/memory.ts";
import * as size from "./rows/size.ts";
import { served } from "./rows/served.ts";
import { wholeProcess, wholeProcessPinned } from "./rows/whole_process.ts";
import { heading, line } from "./table.ts";
import { judge, type Result } from "./verdict.ts";

const rows: Row[] = [
  wholeProcess,
  wholeProcessPinned,
  library.bulk,
  library.concurrent,
  library.update,
  library.sequential,
  library.sequentialPinned,
  cold,
  coldNode,
  coldBun,
  memory,
  kv.list,
  kv.load,
  kv.lookup,
  kv.backup,
  kv.warm,
  size.lookup,
  size.table,
  size.open,
  ...served,
];

async function measure(
  row: Row,
  ground: Ground,
  runs: number,
): Promise<Result> {
  await using stack = new AsyncDisposableStack();
  const contestants = await row.contestants(ground, stack);
  return judge(row, await interleave<Column>(contestants, runs));
}

/** Measures rows and prints them; whether none failed. */
async function measureAll(
  chosen: Row[],
  runs: number,
  results: Result[],
  signal: AbortSignal,
): Promise<boolean> {
  await using ground = await Ground.make(signal);
  let good = true;
  for (const row of chosen) {
    if (signal.aborted) return false;
    try {
      const result = await measure(row, ground, runs);
      results.push(result);
      console.log(line(result));
    } catch (error) {
      good = false;
      console.log(`${row.title}: failed: ${(error as Error).message}`);
    }
  }
  return good && !signal.aborted;
}

const { values: options } = parseArgs({
  options: {
    row: { type: "string", multiple: true, default: [] },
    out: { type: "string" },
  },
});
const names = options.row;
const unknown = names.filter((name) => !rows.some((row) => row.name === name));
if (unknown.length > 0) {
  console.error(
    `no such row: ${unknown.join(", ")}; there are ${
      rows.map(({ name }) => name).join(", ")
    }`,
  );
  Deno.exit(2);
}
const runs = Number(Deno.env.get("RUNS") ?? 5);
const whole = names.length === 0 && Deno.env.get("QUICK") !== "1";
const here = new URL(".", import.meta.url).pathname;
const out = options.out ?? (whole ? here : undefined);
// The programs that are being timed need what is in these as well.
Deno.env.set("PATH", `${Deno.env.get("PATH")}:/usr/sbin:/sbin`);

const stopped = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.addSignalListener(signal, () => stopped.abort(new Error(signal)));
}

console.log(heading());
const results: Result[] = [];
const good = await measureAll(
  rows.filter(({ name }) => names.length === 0 || names.includes(name)),
  runs,
  results,
  stopped.signal,
);
if (out !== undefined && results.length > 0 && good) {
  const machine = await thisMachine();
  const report = { ...machine, runs, columns, results };
  const files = [`${out}/results.json`, `${out}/results.svg`];
  await Deno.writeTextFile(files[0], JSON.stringify(report));
  await Deno.writeTextFile(files[1], chart(machine, runs, results));
  // The house is checked for its format, these files too.
  await new Deno.Command(Deno.execPath(), { args: ["fmt", "-q", ...files] })
    .output();
}
Deno.exit(good ? 0 : 1);
