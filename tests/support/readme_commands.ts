// The blocks of README.md that are run as they stand.
import { root } from "./processes.ts";

/** A file that README shows: its first line is a comment with the path. */
export interface ShownFile {
  readonly kind: "file";
  readonly path: string;
  readonly content: string;
}

/** A command that README shows, with its output. */
export interface ShownCommand {
  readonly kind: "command";
  readonly command: string;
  /** A line `…` stands for any lines. */
  readonly output: string;
}

/** What README shows, in its order: blocks of `console`, and files. */
export async function shownInReadme(): Promise<(ShownFile | ShownCommand)[]> {
  const readme = await Deno.readTextFile(`${root}README.md`);
  const shown: (ShownFile | ShownCommand)[] = [];
  for (const [, language, text] of readme.matchAll(blocks)) {
    if (language === "console") shown.push(...commandsIn(text));
    else if (language === "ini" || language === "cf" || language === "") {
      const [first, ...lines] = text.split("\n");
      const path = /^# (\/\S+)$/.exec(first)?.[1];
      if (path !== undefined) {
        shown.push({ kind: "file", path, content: lines.join("\n") });
      }
    }
  }
  return shown;
}

const blocks = /^```(\S*)[^\n]*\n([^]*?)^```$/gm;

/** Commands begin with `$ `; lines of `> ` continue them, those of `# ` are comments. */
function commandsIn(text: string): ShownCommand[] {
  const commands: { kind: "command"; command: string; output: string }[] = [];
  for (const line of text.trimEnd().split("\n")) {
    const last = commands.at(-1);
    if (line.startsWith("# ")) continue;
    if (line.startsWith("$ ")) {
      commands.push({ kind: "command", command: line.slice(2), output: "" });
    } else if (last === undefined) {
      throw new Error(`README: no command before "${line}"`);
    } else if (line.startsWith("> ")) last.command += `\n${line.slice(2)}`;
    else last.output += `${line}\n`;
  }
  return commands;
}

/** Whether an output is the expected one, in which `…` is any text of a line or more. */
export function isAsShown(output: string, shown: string): boolean {
  const pattern = shown.split("…").map((part) =>
    part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")
  ).join("[^]*?");
  return new RegExp(`^${pattern}$`).test(output);
}
