import { columns } from "./row.ts";
import type { Result, Verdict } from "./verdict.ts";

const titleWidth = 38;
const width = 10;

const headings: Record<typeof columns[number], string> = {
  tcp: "Deno TCP",
  unix: "Deno unix",
  postmap: "postmap",
  memjs: "memjs",
  memcached: "memcached",
  memcache: "memcache",
  mc: "mc",
  libmemcached: "libmc, C",
  "memcache-client": "mc-client",
  floor: "floor",
};

/** Formats a number with three significant digits. */
export function figure(value: number): string {
  return value >= 100
    ? value.toFixed(0)
    : value >= 10
    ? value.toFixed(1)
    : value.toFixed(2);
}

function cell(text: string): string {
  return text.padStart(width);
}

/** The heading of the table. */
export function heading(): string {
  return "".padEnd(titleWidth) + "unit" +
    columns.map((column) => cell(headings[column])).join("") +
    cell("ratio") + "  wanted";
}

function verdict({ ratio, against, wanted, met }: Verdict): string {
  const bound = against === undefined ? wanted : `${wanted} × ${against}`;
  return `${cell(figure(ratio))}  ${bound.padEnd(18)} ${
    met ? "met" : "not met"
  }`;
}

/** Formats a row of the table, with one line for each target. */
export function line({ title, unit, note, medians, verdicts }: Result) {
  const cells = columns.map((column) => {
    const median = medians[column];
    return cell(median === undefined ? "" : figure(median));
  });
  const first = title.padEnd(titleWidth) + unit.padEnd(4) + cells.join("");
  const [one, ...more] = verdicts.map(verdict);
  const second = note === undefined ? "" : `  ${note}`;
  const lines = [one === undefined ? first : first + one];
  if (second !== "" || more.length > 0) {
    lines.push(second.padEnd(first.length) + (more[0] ?? ""));
  }
  for (const each of more.slice(1)) lines.push("".padEnd(first.length) + each);
  return lines.map((text) => text.trimEnd()).join("\n");
}
