import { helpOn, printText, versionLine } from "./help.ts";
import { UsageError } from "./command_line.ts";
import { explainUnknownWord } from "./mistakes.ts";
import { parseArguments, runSubcommand } from "./subcommands/subcommand.ts";
import { subcommands } from "./subcommands/subcommands.ts";

/**
 * Runs a command line that begins with a subcommand, `help` or `version`.
 * Returns the exit status.
 */
export async function runWord(args: readonly string[]): Promise<number> {
  const [word, ...rest] = args;
  if (word === "help") return await printText(await helpOn(rest));
  if (word === "version") return await printText(versionLine);
  if (!Object.hasOwn(subcommands, word)) {
    throw new UsageError(explainUnknownWord(args));
  }
  const subcommand = await subcommands[word].load();
  const parsed = parseArguments(subcommand, rest);
  if (parsed.has("help")) return await printText(await helpOn([word]));
  return await runSubcommand(subcommand, parsed);
}
