// `deno task bench [--row NAME]… [--out FOLDER]`: compares the speed with Debian's
// postmap, clients from npm and bare scripts, and prints medians. Starts its own
// memcached. Not part of the tests.
//
// RUNS=n: how many turns count, 5 by default. QUICK=1: measures the memory for a
// million keys instead of ten million. RUNTIME=node|bun|deno: runs the clients from
// npm only on that runtime.
//
// A full run writes results.json, results.svg and growth.svg into this folder. A run of some
// rows, or a quick run, writes them only with --out.
import { parseArgs } from "node:util";
import { chart } from "./chart.ts";
import { growthChart } from "./growth_chart.ts";
import { Environment } from "./environment.ts";
import { interleave } from "./interleave.ts";
import { thisMachine } from "./machine.ts";
import { type Column, columns, type Row } from "./row.ts";
import { cold, coldBun, coldNode, coldSource } from "./rows/cold.ts";
import { growths } from "./rows/growth.ts";
import * as kv from "./rows/kv.ts";
import * as library from "./rows/library.ts";
import { memory } from "./rows/memory.ts";
import * as size from "./rows/size.ts";
import { served } from "./rows/served.ts";
import * as tls from "./rows/tls.ts";
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
  tls.wholeProcessTls,
  tls.bulkTls,
  tls.sequentialTls,
  cold,
  coldSource,
  coldNode,
  coldBun,
  memory,
  kv.list,
  kv.load,
  kv.loadAlone,
  kv.bulk,
  kv.lookup,
  kv.backup,
  kv.warm,
  size.lookup,
  size.table,
  size.open,
  ...served,
  ...growths,
];

async function measure(
  row: Row,
  environment: Environment,
  runs: number,
): Promise<Result> {
  await using stack = new AsyncDisposableStack();
  const contestants = await row.contestants(environment, stack);
  return judge(row, await interleave<Column>(contestants, runs));
}

/** Measures rows and prints them. Returns whether none failed. */
async function measureAll(
  chosen: Row[],
  runs: number,
  results: Result[],
  signal: AbortSignal,
): Promise<boolean> {
  await using environment = await Environment.make(signal);
  let good = true;
  for (const row of chosen) {
    if (signal.aborted) return false;
    try {
      const result = await measure(row, environment, runs);
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
// The measured programs need commands in these folders.
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
  const files = ["results.json", "results.svg", "growth.svg"]
    .map((name) => `${out}/${name}`);
  await Deno.writeTextFile(files[0], JSON.stringify(report));
  await Deno.writeTextFile(files[1], chart(machine, runs, results));
  await Deno.writeTextFile(files[2], growthChart(machine, runs, results));
  // `deno task check` checks the format of these files too.
  await new Deno.Command(Deno.execPath(), { args: ["fmt", "-q", ...files] })
    .output();
}
Deno.exit(good ? 0 : 1);
