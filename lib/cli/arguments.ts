import { type CommandLine, UsageError } from "./command_line.ts";
import {
  explainMisplacedOptions,
  explainMissingAction,
  explainMissingTable,
} from "./mistakes.ts";
import { isOption, type ParsedArguments, parseOptions } from "./options.ts";
import { postmapOptions } from "./postmap_options.ts";

/**
 * Parses the arguments as getopt(3) does for postmap: options may be clustered,
 * a value may be attached to its option or be the next argument, and the first
 * argument that is not an option ends the options. Throws
 * {@linkcode UsageError}.
 */
export function parseCommandLine(args: readonly string[]): CommandLine {
  const parsed = parseOptions(args, {
    options: postmapOptions,
    anywhere: false,
  });
  const { operands: tables } = parsed;
  const action = parsed.has("help")
    ? "help"
    : parsed.has("version")
    ? "version"
    : chooseAction(args, parsed);
  const key = parsed.value("q") ?? parsed.value("d") ?? "";
  const message = chooseMessage(parsed);
  if (action !== "help" && action !== "version") {
    if (message !== undefined && (action !== "lookup" || key !== "-")) {
      throw new UsageError(
        'give -b, -h and -m only with "-q -": the message comes on standard input',
      );
    }
    checkTables(action, key, args, tables);
  }
  return {
    action,
    key,
    tables,
    message,
    fold: !parsed.has("f"),
    utf8: parsed.has("u") ? false : parsed.has("U")
      ? true
      // A message may have any bytes.
      : message?.headers || message?.body
      ? false
      : undefined,
    json: parsed.has("j"),
    fileValues: parsed.has("F"),
    duplicates: duplicatesBy[parsed.lastOf(["r", "w"]) ?? ""],
    configDirectory: parsed.value("c"),
    verbose: parsed.count("v"),
  };
}

const duplicatesBy = { r: "replace", w: "ignore", "": "warn" } as const;

function chooseAction(
  args: readonly string[],
  parsed: ParsedArguments,
): CommandLine["action"] {
  const actions: CommandLine["action"][] = [
    ...parsed.values("q").map(() => "lookup" as const),
    ...parsed.values("d").map(() => "delete" as const),
    ...(parsed.has("i") ? ["load" as const] : []),
    ...(parsed.has("s") ? ["list" as const] : []),
  ];
  if (actions.length === 0) {
    throw new UsageError(explainMissingAction(args, parsed.operands));
  }
  if (actions.length > 1) {
    throw new UsageError("give only one of -q, -d, -i and -s, and only once");
  }
  return actions[0];
}

function chooseMessage(parsed: ParsedArguments): CommandLine["message"] {
  const message = {
    headers: parsed.has("h"),
    body: parsed.has("b"),
    mime: parsed.has("m"),
  };
  return Object.values(message).includes(true) ? message : undefined;
}

function checkTables(
  action: CommandLine["action"],
  key: string,
  args: readonly string[],
  tables: readonly string[],
): void {
  if (tables.some(isOption)) {
    throw new UsageError(explainMisplacedOptions(args));
  }
  if (tables.length === 0) {
    throw new UsageError(explainMissingTable(action, key));
  }
  if (tables.length > 1 && (action === "load" || action === "list")) {
    const option = action === "load" ? "-i" : "-s";
    throw new UsageError(`${option} takes one table, not ${tables.length}`);
  }
}
