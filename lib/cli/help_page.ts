import { type Option, usageOf } from "./options.ts";

/** What `--help` says of a command, as data. */
export interface HelpPage {
  /** What follows the name of the program, one for each way to call it. */
  readonly usage: readonly string[];
  /** What the command does. */
  readonly about: string;
  /** Its options, in the order in which they are shown. */
  readonly options: readonly Option[];
  /** More to know, line by line. */
  readonly notes?: readonly string[];
  /** Commands to try, line by line. */
  readonly examples: readonly string[];
  /** The exit status: what it is when. */
  readonly exitStatus: string;
}

const program = "memcache-table";
// A terminal that has 80 columns.
const width = 79;
const half = 40;

/** The page, as it is printed on a terminal. */
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

/** What there is to say of one option. */
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

/** Options, those whose texts are short in two columns behind the others. */
function formatOptions(options: readonly Option[]): string[] {
  const rows: [string, string][] = [];
  for (const option of options) {
    const { name, help } = option;
    // Who reads this knows.
    if (name === "help") continue;
    const text = option.default === undefined
      ? help
      : `${help}; ${option.default}`;
    const last = rows.at(-1);
    // What is said of several in a row is said once.
    if (last?.[1] === text) last[0] += ` ${usageOf(option)}`;
    else rows.push([usageOf(option), text]);
  }
  const isShort = ([term, text]: [string, string]) =>
    term.length + text.length + 6 <= half;
  return [
    ...inColumns(rows.filter((row) => !isShort(row))),
    ...inColumns(rows.filter(isShort)),
  ];
}

/** Rows of a term and a text; two that are short stand side by side. */
export function inColumns(
  rows: readonly (readonly [string, string])[],
): string[] {
  const widest = Math.max(...rows.map(([term]) => term.length));
  const lines: string[] = [];
  let isFree = false;
  for (const [term, text] of rows) {
    const cell = `${term.padEnd(widest)}  ${text}`;
    const last = lines.at(-1) ?? "";
    if (isFree && last.length <= half - 2 && half + cell.length <= width) {
      lines[lines.length - 1] = last.padEnd(half) + cell;
      isFree = false;
      continue;
    }
    const [first, ...more] = wrap(text, width - widest - 4);
    lines.push(`  ${term.padEnd(widest)}  ${first}`);
    for (const line of more) lines.push(" ".repeat(widest + 4) + line);
    isFree = more.length === 0;
  }
  return lines;
}

/** A text in lines of so many characters. */
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
