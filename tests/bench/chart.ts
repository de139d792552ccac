import type { Machine } from "./machine.ts";
import { type Column, columns } from "./row.ts";
import { figure } from "./table.ts";
import type { Result } from "./verdict.ts";

// All in pixels.
const margin = 16;
const panelWidth = 400;
const gutter = 32;
const labelWidth = 82;
const barsWidth = 236;
const barHeight = 12;
const pitch = 17;
const lineHeight = 16;
const panelGap = 26;
const headHeight = 92;
const footHeight = 52;
const width = 2 * margin + 2 * panelWidth + gutter;

const labels: Record<Column, string> = {
  tcp: "this, TCP",
  unix: "this, unix",
  postmap: "postmap",
  memjs: "memjs",
  memcached: "memcached",
  memcache: "memcache",
  mc: "mc",
  libmemcached: "libmemcached",
  "memcache-client": "mc-client",
  floor: "floor",
};

const kinds: Record<Column, string> = {
  tcp: "ours",
  unix: "ours pale",
  postmap: "postmap",
  memjs: "npm",
  memcached: "npm",
  memcache: "npm",
  mc: "npm",
  libmemcached: "c",
  "memcache-client": "npm",
  floor: "floor",
};

// There is no background, so that the chart fits any page, and all colours are
// readable on white and on black.
const style = `
text { font: 12px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #757b83 }
.head { font-size: 19px; font-weight: 600 }
.title { font-size: 13px; font-weight: 600 }
.small { font-size: 11px }
.end { text-anchor: end }
.strong { font-weight: 600; fill: #1f9148 }
.ours { fill: #1f9148 }
.pale { fill-opacity: .6 }
.postmap { fill: #3f7fd0 }
.npm { fill: #9b74c4 }
.c { fill: #c2883a }
.floor { fill: #757b83; fill-opacity: .25; stroke: #757b83; stroke-dasharray: 3 2 }
.rule { stroke: #757b83; stroke-opacity: .35 }
`;

/** Text for XML. */
export function escape(text: string): string {
  return text.replace(
    /[&<>"]/g,
    (character) => `&#${character.charCodeAt(0)};`,
  );
}

/** A text at a place; `classes` are those of the style. */
export function text(
  x: number,
  y: number,
  classes: string,
  content: string,
): string {
  return `<text x="${x}" y="${y}" class="${classes}">${escape(content)}</text>`;
}

function bar(x: number, y: number, length: number, kind: string): string {
  return `<rect x="${x}" y="${y}" width="${
    length.toFixed(1)
  }" height="${barHeight}" rx="2" class="${kind}"/>`;
}

interface Panel {
  height: number;
  /** The SVG elements, with the top left corner at 0, 0. */
  content: string;
}

function panel(result: Result): Panel {
  const { title, unit, note, medians } = result;
  const name = medians.unix === undefined ? { ...labels, tcp: "this" } : labels;
  const shown = columns.filter((column) => medians[column] !== undefined);
  const most = Math.max(...shown.map((column) => medians[column]!));
  const parts = [
    text(0, 13, "title", title),
    text(
      panelWidth,
      13,
      "small end",
      unit === "k/s" ? "more is better" : "less is better",
    ),
    `<path class="rule" d="M0 19.5H${panelWidth}"/>`,
  ];
  let y = 27;
  for (const column of shown) {
    const value = medians[column]!;
    // Half a pixel is still visible.
    const length = Math.max(0.5, barsWidth * value / most);
    const strong = kinds[column].startsWith("ours") ? " strong" : "";
    parts.push(
      text(labelWidth, y + 10, `small end${strong}`, name[column]),
      bar(labelWidth + 8, y, length, kinds[column]),
      text(
        labelWidth + 14 + Math.round(length),
        y + 10,
        `small${strong}`,
        `${figure(value)} ${unit}`,
      ),
    );
    y += pitch;
  }
  y += 12;
  if (note !== undefined) {
    parts.push(text(labelWidth + 8, y, "small", note));
    y += lineHeight;
  }
  return { height: y - lineHeight + 4, content: parts.join("\n") };
}

function legend(y: number): string {
  const entries: [string, string][] = [
    ["ours", "this project on Deno"],
    ["postmap", "Postfix's postmap"],
    ["npm", "clients from npm"],
    ["c", "libmemcached, in C"],
    ["floor", "floor: the least a bare script does"],
  ];
  const parts: string[] = [];
  let x = margin;
  for (const [kind, name] of entries) {
    parts.push(bar(x, y - 10, 14, kind), text(x + 20, y, "small", name));
    x += 42 + Math.round(name.length * 5.6);
  }
  return parts.join("\n");
}

function list(versions: Record<string, string>): string {
  return Object.entries(versions)
    .map(([name, version]) => `${name} ${version}`).join(", ");
}

/** The rows that a reader asks for first. */
const shownRows = ["bulk", "sequential", "concurrent", "whole", "cold"];

/** The main results as an SVG picture, for a page of any colour. */
export function chart(
  machine: Machine,
  runs: number,
  results: readonly Result[],
): string {
  const heights = [headHeight, headHeight];
  const shown = shownRows.flatMap((name) =>
    results.filter((result) => result.name === name)
  );
  const panels = shown.map((result) => {
    const { height, content } = panel(result);
    const side = heights[0] <= heights[1] ? 0 : 1;
    const x = margin + side * (panelWidth + gutter);
    const y = heights[side];
    heights[side] += height + panelGap;
    return `<g transform="translate(${x} ${y})">\n${content}\n</g>`;
  });
  const bottom = Math.max(...heights);
  const height = bottom + footHeight - margin;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" ` +
    `width="${width}" height="${height}" role="img">`,
    `<title>memcache-table: how fast it is</title>`,
    `<style>${style}</style>`,
    text(margin, 34, "head", "memcache-table: how fast it is"),
    text(
      margin,
      54,
      "small",
      `${machine.date}, ${machine.cpu}, ${machine.cores} CPUs, ` +
        `${machine.system}. Medians of ${runs} interleaved runs.`,
    ),
    legend(75),
    ...panels,
    text(margin, bottom + 6, "small", list(machine.versions)),
    text(
      margin,
      bottom + 6 + lineHeight,
      "small",
      `${
        list(machine.packages)
      }; each client on the runtime where it is fastest`,
    ),
    `</svg>`,
    "",
  ].join("\n");
}
