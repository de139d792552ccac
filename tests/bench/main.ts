// `deno task bench`: times what users wait for beside bare scripts that do the
// least, in turn, and prints medians. Never part of the tests.
import { Memcached } from "../support/memcached.ts";
import { median } from "./median.ts";
import { root } from "../support/processes.ts";

const runs = Number(Deno.env.get("RUNS") ?? 20);

/** Milliseconds that a whole program takes. */
async function wholeProgram(args: string[]): Promise<number> {
  const started = performance.now();
  const { success } = await new Deno.Command(Deno.execPath(), {
    args,
    cwd: root,
    stdin: "null",
    stdout: "null",
  }).output();
  if (!success) throw new Error(`failed: deno ${args.join(" ")}`);
  return performance.now() - started;
}

/** What a script prints: ours, the peer's, the ratio. */
async function measured(args: string[]): Promise<number[]> {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", ...args],
    cwd: root,
  }).output();
  return new TextDecoder().decode(stdout).trim().split(" ").map(Number);
}

function printRow(
  name: string,
  [ours, peer, ratio]: number[],
  unit: string,
  wanted: string,
): void {
  console.log(
    `${name.padEnd(48)} ${ours.toFixed(1).padStart(9)} ${
      peer.toFixed(1).padStart(9)
    } ` +
      `${unit.padEnd(4)} ${ratio.toFixed(2).padStart(6)}  ${wanted}`,
  );
}

/** Two programs in turn: medians, and the median of the pairs' ratios. */
async function inTurn(
  ours: () => Promise<number>,
  peer: () => Promise<number>,
): Promise<number[]> {
  await ours();
  await peer();
  const pairs: [number, number][] = [];
  for (let run = 0; run < runs; run++) pairs.push([await ours(), await peer()]);
  return [
    median(pairs.map(([mine]) => mine)),
    median(pairs.map(([, theirs]) => theirs)),
    median(pairs.map(([mine, theirs]) => mine / theirs)),
  ];
}

/** The median of each figure over several runs of a script. */
async function several(args: string[]): Promise<number[]> {
  const figures: number[][] = [];
  for (let run = 0; run < Math.ceil(runs / 3); run++) {
    figures.push(await measured(args));
  }
  return figures[0].map((_, at) => median(figures.map((figure) => figure[at])));
}

await using memcached = await Memcached.tcp();
await memcached.set("a:user123@example.com", "12345678901234567890");
const folder = await Deno.makeTempDir();
try {
  const empty = `${folder}/empty.ts`;
  await Deno.writeTextFile(empty, "");
  const file = `${folder}/t.cf`;
  await Deno.writeTextFile(
    file,
    `memcache = ${memcached.server}\nkey_format = a:%s\n`,
  );
  const table = `memcache:${file}`;
  console.log(
    `${"".padEnd(48)} ${"ours".padStart(9)} ${"peer".padStart(9)} ${
      "".padEnd(4)
    } ${"ratio".padStart(6)}  wanted`,
  );
  const cold = ["run", "-A", "cli.ts", "-q", "user123@example.com", table];
  printRow(
    "cold -q, against an empty script",
    await inTurn(
      () => wholeProgram(cold),
      () => wholeProgram(["run", "-A", empty]),
    ),
    "ms",
    "at most 1.5",
  );
  printRow(
    "sequential lookups, against a bare socket loop",
    await several(["tests/bench/sequential.ts", table, memcached.server]),
    "k/s",
    "at least 0.9",
  );
} finally {
  await Deno.remove(folder, { recursive: true });
}
