import { root } from "./processes.ts";

/** What a user sees of a program in a terminal. */
export interface TerminalRun {
  code: number;
  /** The rows of the screen, each time that it had changed. */
  screens: string[][];
}

/**
 * Runs a shell script in a terminal. In the script, `cli` is the command line.
 * Standard input, output and error are the terminal unless the script redirects
 * them.
 */
export async function runInTerminal(
  script: string,
  columns = 80,
): Promise<TerminalRun> {
  const file = await Deno.makeTempFile({ suffix: ".sh" });
  try {
    const cli = `${Deno.execPath()} run --no-prompt -A ${root}cli.ts`;
    await Deno.writeTextFile(
      file,
      `stty cols ${columns}\ncli() { ${cli} "$@"; }\n${script}\n`,
    );
    const { code, stdout } = await new Deno.Command("script", {
      args: ["-qec", `sh ${file}`, "/dev/null"],
      cwd: root,
      stdin: "null",
    }).output();
    const text = new TextDecoder().decode(stdout);
    return { code, screens: screensOf(text, columns) };
  } finally {
    await Deno.remove(file);
  }
}

/** The screen before each carriage return and line end, and at the end. */
export function screensOf(text: string, columns: number): string[][] {
  const screens: string[][] = [];
  const rows: string[][] = [[]];
  let column = 0;
  const look = () => {
    const seen = rows.map((row) => row.join("").trimEnd());
    while (seen.at(-1) === "") seen.pop();
    const before = screens.at(-1) ?? [];
    if (seen.join("\n") !== before.join("\n")) screens.push(seen);
  };
  for (const character of text) {
    if (character === "\r") {
      look();
      column = 0;
    } else if (character === "\n") {
      look();
      rows.push([]);
    } else {
      if (column === columns) {
        rows.push([]);
        column = 0;
      }
      const row = rows.at(-1)!;
      while (row.length < column) row.push(" ");
      row[column++] = character;
    }
  }
  look();
  return screens;
}
