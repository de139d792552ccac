import { text } from "./chart.ts";
import type { Machine } from "./machine.ts";
import type { Column } from "./row.ts";
import type { Result } from "./verdict.ts";

// All in pixels.
const width = 560;
const height = 340;
const left = 64;
const right = 110;
const top = 70;
const bottom = 44;

const style = `
text { font: 12px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #757b83 }
.head { font-size: 16px; font-weight: 600 }
.small { font-size: 11px }
.end { text-anchor: end }
.middle { text-anchor: middle }
.rule { stroke: #757b83; stroke-opacity: .25 }
.line { fill: none; stroke-width: 2 }
.ours { stroke: #1f9148 }
.postmap { stroke: #3f7fd0 }
.ours-text { fill: #1f9148; font-weight: 600 }
.postmap-text { fill: #3f7fd0 }
`;

interface Point {
  readonly keys: number;
  readonly milliseconds: number;
}

function points(results: readonly Result[], column: Column): Point[] {
  return results.flatMap(({ name, medians }) => {
    const keys = /^growth-(\d+)$/.exec(name)?.[1];
    const milliseconds = medians[column];
    return keys === undefined || milliseconds === undefined
      ? []
      : [{ keys: Number(keys), milliseconds }];
  });
}

function count(keys: number): string {
  return keys < 1e6 ? keys.toLocaleString("en") : `${keys / 1e6} M`;
}

function duration(milliseconds: number): string {
  return milliseconds < 1000
    ? `${milliseconds} ms`
    : `${milliseconds / 1000} s`;
}

/** How the time of `-q -` grows with the number of keys, as an SVG picture. */
export function growthChart(
  machine: Machine,
  runs: number,
  results: readonly Result[],
): string {
  const series = [
    { name: "this", kind: "ours", at: points(results, "tcp") },
    { name: "postmap", kind: "postmap", at: points(results, "postmap") },
  ];
  const all = series.flatMap(({ at }) => at);
  const decades = Math.max(
    1,
    Math.ceil(Math.log10(Math.max(1, ...all.map(({ keys }) => keys)))),
  );
  const times = all.map(({ milliseconds }) => Math.log10(milliseconds));
  const low = Math.floor(Math.min(...times));
  const high = Math.max(low + 1, Math.ceil(Math.max(...times)));
  const x = (keys: number) =>
    left + (width - left - right) * Math.log10(keys) / decades;
  const y = (milliseconds: number) =>
    height - bottom -
    (height - top - bottom) * (Math.log10(milliseconds) - low) / (high - low);
  const parts: string[] = [];
  for (let power = low; power <= high; power++) {
    const value = 10 ** power;
    const at = y(value).toFixed(1);
    parts.push(
      `<path class="rule" d="M${left} ${at}H${width - right}"/>`,
      text(left - 8, y(value) + 4, "small end", duration(value)),
    );
  }
  for (let power = 0; power <= decades; power++) {
    const keys = 10 ** power;
    parts.push(
      text(
        x(keys),
        height - bottom + 18,
        "small middle",
        count(keys),
      ),
    );
  }
  for (const { name, kind, at } of series) {
    if (at.length === 0) continue;
    const path = at.map(({ keys, milliseconds }, number) =>
      `${number === 0 ? "M" : "L"}${x(keys).toFixed(1)} ${
        y(milliseconds).toFixed(1)
      }`
    ).join("");
    const last = at[at.length - 1];
    parts.push(
      `<path class="line ${kind}" d="${path}"/>`,
      text(
        x(last.keys) + 8,
        y(last.milliseconds) + 4,
        `small ${kind}-text`,
        `${name}: ${duration(Number(last.milliseconds.toPrecision(2)))}`,
      ),
    );
  }
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" ` +
    `width="${width}" height="${height}" role="img">`,
    "<title>The time of -q - by the number of keys</title>",
    `<style>${style}</style>`,
    text(16, 28, "head", "-q - of so many keys, from start to end"),
    text(
      16,
      48,
      "small",
      `${machine.date}, ${machine.cores} CPUs, medians of ${runs} runs; both ` +
        "scales are logarithmic",
    ),
    ...parts,
    "</svg>",
    "",
  ].join("\n");
}
