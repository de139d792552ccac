// @ts-types="./parse_args.d.ts"
import { parseArgs } from "@std/cli/parse-args";
import { type CommandLine, UsageError } from "./command_line.ts";

const withValue = ["c", "d", "q"];
const withoutValue = [..."FNUbfhijmnoprsuvw"];

/**
 * Takes the arguments apart as getopt(3) does for postmap: options may be
 * clustered, a value may follow at once or as the next argument, and the first
 * argument that is no option ends them. Throws {@linkcode UsageError}.
 */
export function parseCommandLine(args: readonly string[]): CommandLine {
  const { options, tables } = splitOptions(args);
  const parsed = parseArgs(options, {
    boolean: [...withoutValue, "help", "version"],
    string: withValue,
    collect: [...withValue, "v"],
    unknown: (option) => {
      throw new UsageError(`unknown option ${option}; try --help`);
    },
    "--": true,
  });
  const given = (letter: string) => parsed[letter] === true;
  const values = (letter: string) => parsed[letter] as string[];

  const keys = [...values("q"), ...values("d")];
  const action = parsed.help
    ? "help"
    : parsed.version
    ? "version"
    : chooseAction(given, values);
  const message = chooseMessage(given);
  if (action !== "help" && action !== "version") {
    if (message !== undefined && (action !== "lookup" || keys[0] !== "-")) {
      throw new UsageError(
        'give -b, -h and -m only with "-q -": the message comes on standard input',
      );
    }
    checkTables(action, tables);
  }
  return {
    action,
    key: keys[0] ?? "",
    tables,
    message,
    fold: !given("f"),
    utf8: given("u") ? false : given("U")
      ? true
      // Messages are what they are: any bytes.
      : message?.headers || message?.body
      ? false
      : undefined,
    json: given("j"),
    fileValues: given("F"),
    duplicates: given("r") ? "replace" : given("w") ? "ignore" : "warn",
    configDirectory: values("c").at(-1),
    verbose: (parsed.v as boolean[]).length,
  };
}

function chooseAction(
  given: (letter: string) => boolean,
  values: (letter: string) => string[],
): CommandLine["action"] {
  const actions: CommandLine["action"][] = [
    ...values("q").map(() => "lookup" as const),
    ...values("d").map(() => "delete" as const),
    ...(given("i") ? ["load" as const] : []),
    ...(given("s") ? ["list" as const] : []),
  ];
  if (actions.length === 0) {
    throw new UsageError(
      "nothing to do: give one of -q KEY, -d KEY, -i, -s; try --help",
    );
  }
  if (actions.length > 1) {
    throw new UsageError("give only one of -q, -d, -i and -s, and only once");
  }
  return actions[0];
}

function chooseMessage(
  given: (letter: string) => boolean,
): CommandLine["message"] {
  const message = { headers: given("h"), body: given("b"), mime: given("m") };
  return Object.values(message).includes(true) ? message : undefined;
}

function checkTables(
  action: CommandLine["action"],
  tables: readonly string[],
): void {
  const late = tables.find((table) => table.startsWith("-"));
  if (late !== undefined) {
    throw new UsageError(`options come before the tables: ${late}`);
  }
  if (tables.length === 0) {
    throw new UsageError(
      "no table: name at least one, such as memcache:/etc/postfix/aliases.cf",
    );
  }
  if (tables.length > 1 && (action === "load" || action === "list")) {
    throw new UsageError(
      `${
        action === "load" ? "-i" : "-s"
      } takes one table, not ${tables.length}`,
    );
  }
}

/** One long option for each letter, so that a value is never taken for more. */
function splitOptions(
  args: readonly string[],
): { options: string[]; tables: string[] } {
  const options: string[] = [];
  let at = 0;
  for (; at < args.length; at++) {
    const arg = args[at];
    if (arg === "--") {
      at++;
      break;
    }
    if (!arg.startsWith("-") || arg === "-") break;
    if (arg.startsWith("--")) {
      options.push(arg);
      continue;
    }
    for (let letter = 1; letter < arg.length; letter++) {
      if (!withValue.includes(arg[letter])) {
        if (!withoutValue.includes(arg[letter])) {
          throw new UsageError(`unknown option -${arg[letter]}; try --help`);
        }
        options.push(`--${arg[letter]}`);
        continue;
      }
      const value = letter + 1 < arg.length
        ? arg.slice(letter + 1)
        : args[++at];
      if (value === undefined) {
        throw new UsageError(`-${arg[letter]} needs a value; try --help`);
      }
      options.push(`--${arg[letter]}=${value}`);
      break;
    }
  }
  return { options, tables: args.slice(at) };
}
