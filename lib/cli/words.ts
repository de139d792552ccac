import { describe, helpOn, versionLine } from "./help.ts";
import { UsageError } from "./command_line.ts";
import { whatWord } from "./mistakes.ts";
import { parseArguments, runSubcommand } from "./subcommands/subcommand.ts";
import { subcommands } from "./subcommands/subcommands.ts";

/**
 * Does what a command line says whose first argument is a word, and not an option:
 * a subcommand, `help` or `version`. Returns the exit status.
 */
export async function runWord(args: readonly string[]): Promise<number> {
  const [word, ...rest] = args;
  if (word === "help") return await describe(await helpOn(rest));
  if (word === "version") return await describe(versionLine);
  if (!Object.hasOwn(subcommands, word)) throw new UsageError(whatWord(args));
  const subcommand = await subcommands[word].load();
  const parsed = parseArguments(subcommand, rest);
  if (parsed.has("help")) return await describe(await helpOn([word]));
  return await runSubcommand(subcommand, parsed);
}
