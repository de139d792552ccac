import { type Option, usageOf } from "./options.ts";
import type { ReferencePage } from "./reference/page.ts";

/** The content of a help page. */
export interface HelpPage {
  /** The ways to call the command, without the name of the program. */
  readonly usage: readonly string[];
  /** What the command does. */
  readonly about: string;
  /** The options, in the order in which they are shown. */
  readonly options: readonly Option[];
  /** More information, line by line. */
  readonly notes?: readonly string[];
  /** Example commands, line by line. */
  readonly examples: readonly string[];
  /** The possible exit statuses and their meaning. */
  readonly exitStatus: string;
}

const program = "memcache-table";
// For a terminal of 80 columns.
const width = 79;
const secondColumn = 40;

/** Formats a help page for a terminal. */
export function formatPage(page: HelpPage): string {
  const { usage, about, options, notes, examples, exitStatus } = page;
  const blocks = [
    usage.map((line, number) =>
      `${number === 0 ? "Usage:" : "      "} ${program} ${line}`
    ),
    wrap(about),
    formatOptions(options),
    notes ?? [],
    examples.map((line) => `  ${line}`),
    wrap(`Exit status: ${exitStatus}`),
  ];
  return blocks.filter((block) => block.length > 0)
    .map((block) => block.join("\n") + "\n").join("\n");
}

/** Formats a page of the reference for a terminal. */
export function formatReference(page: ReferencePage): string {
  const { title, intro, terms = [], facts = [] } = page;
  const indented = (text: string, indent: number, first = "") =>
    wrap(text, width - indent).map((line, at) =>
      (at === 0 ? first : "").padEnd(indent) + line
    ).join("\n");
  const blocks = [
    title,
    ...intro.map((text) => wrap(text).join("\n")),
    ...terms.map(([term, text]) => `  ${term}\n${indented(text, 6)}`),
    ...facts.map((text) => indented(text, 4, "  -")),
  ];
  return blocks.join("\n\n") + "\n";
}

/** Formats the help on one option. */
export function formatOption(option: Option): string {
  const { letter, name, argument, help, detail } = option;
  const names = [
    ...(letter === undefined ? [] : [`-${letter}`]),
    ...(name === undefined ? [] : [`--${name}`]),
  ].join(", ");
  const lines = [
    `${names}${argument === undefined ? "" : ` ${argument}`}: ${help}`,
    ...(option.default === undefined ? [] : [`Default: ${option.default}`]),
    ...(detail === undefined ? [] : ["", ...wrap(detail)]),
  ];
  return lines.join("\n") + "\n";
}

/** Formats a list of options. Short ones come last, in two columns. */
function formatOptions(options: readonly Option[]): string[] {
  const rows: [string, string][] = [];
  for (const option of options) {
    const { name, help } = option;
    // The reader has just used it.
    if (name === "help") continue;
    const text = option.default === undefined
      ? help
      : `${help} (default ${option.default})`;
    const last = rows.at(-1);
    // Options with the same text share a row.
    if (last?.[1] === text) last[0] += ` ${usageOf(option)}`;
    else rows.push([usageOf(option), text]);
  }
  const isShort = ([term, text]: [string, string]) =>
    term.length + text.length + 6 <= secondColumn;
  return [
    ...inColumns(rows.filter((row) => !isShort(row))),
    ...inColumns(rows.filter(isShort)),
  ];
}

/** Formats rows of a term and its text. Two short rows are put on one line. */
export function inColumns(
  rows: readonly (readonly [string, string])[],
): string[] {
  const widest = Math.max(...rows.map(([term]) => term.length));
  const lines: string[] = [];
  let hasFreeColumn = false;
  for (const [term, text] of rows) {
    const cell = `${term.padEnd(widest)}  ${text}`;
    const last = lines.at(-1) ?? "";
    if (
      hasFreeColumn && last.length <= secondColumn - 2 &&
      secondColumn + cell.length <= width
    ) {
      lines[lines.length - 1] = last.padEnd(secondColumn) + cell;
      hasFreeColumn = false;
      continue;
    }
    const [first, ...more] = wrap(text, width - widest - 4);
    lines.push(`  ${term.padEnd(widest)}  ${first}`);
    for (const line of more) lines.push(" ".repeat(widest + 4) + line);
    hasFreeColumn = more.length === 0;
  }
  return lines;
}

/** Breaks a text into lines of at most `columns` characters. */
function wrap(text: string, columns = width): string[] {
  const lines = [""];
  for (const word of text.split(" ")) {
    const line = lines[lines.length - 1];
    if (line === "") lines[lines.length - 1] = word;
    else if (line.length + 1 + word.length <= columns) {
      lines[lines.length - 1] += ` ${word}`;
    } else lines.push(word);
  }
  return lines;
}
