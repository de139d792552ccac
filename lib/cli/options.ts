import { nearestName } from "../bytes/nearest_name.ts";
import { UsageError } from "./command_line.ts";

/**
 * The declaration of an option. The parser, the help pages and the suggestions
 * for misspelt options all use it.
 */
export interface Option {
  /** Its letter: `v` is given as `-v`. */
  readonly letter?: string;
  /** Its long name: `watch` is given as `--watch`. */
  readonly name?: string;
  /** The placeholder for its argument in texts; missing if it takes none. */
  readonly argument?: string;
  /** Whether a subcommand accepts it more than once. */
  readonly repeats?: boolean;
  /** What it does, in a few words, for a line of a help page. */
  readonly help: string;
  /** The default value, for texts only. */
  readonly default?: string;
  /** What it does, in full. */
  readonly detail?: string;
  /** Other names that users may try. */
  readonly words?: readonly string[];
}

/** How the arguments of a command are parsed. */
export interface Grammar {
  readonly options: readonly Option[];
  /**
   * If true, options may come anywhere, and an option's argument must not be
   * empty, look like an option, or be given twice. If false, the rules are those
   * of getopt(3), as in postmap: the first argument that is not an option ends
   * the options, and an option that takes an argument takes the next one,
   * whatever it is.
   */
  readonly anywhere: boolean;
}

/** Parsed arguments. The name of an option is its long name or else its letter. */
export class ParsedArguments {
  /** The arguments that are not options. */
  readonly operands: string[] = [];
  #values = new Map<string, string[]>();
  /** The names of all options, in the order in which they were given. */
  #order: string[] = [];

  /** How often an option was given. */
  count(name: string): number {
    return this.#values.get(name)?.length ?? 0;
  }

  /** Whether an option was given. */
  has(name: string): boolean {
    return this.#values.has(name);
  }

  /** All arguments of an option, if it was given more than once. */
  values(name: string): readonly string[] {
    return this.#values.get(name) ?? [];
  }

  /** Which of these options was given last; `undefined` if none was. */
  lastOf<Name extends string>(names: readonly Name[]): Name | undefined {
    return this.#order.findLast((name): name is Name =>
      (names as readonly string[]).includes(name)
    );
  }

  /** The last argument of an option. */
  value(name: string): string | undefined {
    return this.values(name).at(-1);
  }

  /** Adds an option. Only for the parser. */
  add(option: Option, value = ""): void {
    const name = nameOf(option);
    this.#order.push(name);
    const values = this.#values.get(name);
    if (values === undefined) this.#values.set(name, [value]);
    else values.push(value);
  }
}

/**
 * Parses arguments. Letters may be clustered. The argument of a letter may be
 * attached to it, that of a long option may follow `=`; otherwise it is the next
 * argument. `--` ends the options. Throws {@linkcode UsageError}.
 */
export function parseOptions(
  args: readonly string[],
  { options, anywhere }: Grammar,
): ParsedArguments {
  const parsed = new ParsedArguments();
  let at = 0;
  const addWithArgument = (option: Option, attached: string | undefined) => {
    if (anywhere && !option.repeats && parsed.has(nameOf(option))) {
      throw new UsageError(`give ${spelling(option)} only once`);
    }
    const value = attached ?? args[++at];
    const isMissing = value === undefined ||
      anywhere && (value === "" || attached === undefined && isOption(value));
    if (isMissing) {
      throw new UsageError(
        `${spelling(option)} needs a value: ${usageOf(option)}`,
      );
    }
    parsed.add(option, value);
  };
  const addLong = (argument: string) => {
    const equals = argument.indexOf("=");
    const name = equals < 0 ? argument : argument.slice(0, equals);
    const attached = equals < 0 ? undefined : argument.slice(equals + 1);
    const option = options.find((option) => `--${option.name}` === name);
    if (option === undefined) throw unknownOption(name, options);
    if (option.argument !== undefined) addWithArgument(option, attached);
    else if (attached === undefined) parsed.add(option);
    else throw new UsageError(`${name} takes no value: ${argument}`);
  };
  const addLetters = (argument: string) => {
    const letters = [...argument.slice(1)];
    for (const [number, letter] of letters.entries()) {
      const option = options.find((option) => option.letter === letter);
      if (option === undefined) {
        throw unknownOption(`-${letter}`, options, argument);
      }
      if (option.argument === undefined) {
        parsed.add(option);
        continue;
      }
      const attached = letters.slice(number + 1).join("");
      addWithArgument(option, attached === "" ? undefined : attached);
      return;
    }
  };
  for (; at < args.length; at++) {
    const argument = args[at];
    if (argument === "--") {
      at++;
      break;
    }
    if (!isOption(argument)) {
      if (!anywhere) break;
      parsed.operands.push(argument);
    } else if (argument.startsWith("--")) addLong(argument);
    else addLetters(argument);
  }
  parsed.operands.push(...args.slice(at));
  return parsed;
}

/** Whether an argument looks like an option. `-` alone means standard input. */
export function isOption(argument: string): boolean {
  return argument.startsWith("-") && argument !== "-";
}

function nameOf({ name, letter }: Option): string {
  return name ?? letter!;
}

/** The shortest form of an option: `-v`, `--watch`. */
export function spelling({ letter, name }: Option): string {
  return letter === undefined ? `--${name}` : `-${letter}`;
}

/** The same with the placeholder for its argument: `-c DIR`. */
export function usageOf(option: Option): string {
  const { argument } = option;
  return spelling(option) + (argument === undefined ? "" : ` ${argument}`);
}

function unknownOption(
  written: string,
  options: readonly Option[],
  whole = written,
): UsageError {
  // The user may have typed a long name after a single "-".
  const attempts = whole.length > 3 ? [written, whole] : [written];
  for (const attempt of attempts) {
    const suggestion = suggestOption(attempt, options);
    if (suggestion === undefined) continue;
    // For a long name, suggest a long name if the option has one.
    const { name } = suggestion;
    const usage = attempt.length > 2 && name !== undefined
      ? usageOf({ ...suggestion, letter: undefined })
      : usageOf(suggestion);
    return new UsageError(`unknown option ${attempt}: did you mean ${usage}?`);
  }
  return new UsageError(`unknown option ${written}; try --help`);
}

/** The option that the user probably meant by a misspelt one or by a word. */
export function suggestOption(
  written: string,
  options: readonly Option[],
): Option | undefined {
  const word = written.replace(/^-+/, "");
  const named = options.find(({ words }) => words?.includes(word)) ??
    options.find(({ letter }) => letter === word);
  if (named !== undefined) return named;
  if (word.length < 2) {
    const other = word === word.toLowerCase()
      ? word.toUpperCase()
      : word.toLowerCase();
    return options.find(({ letter }) => letter === other && letter !== word);
  }
  const optionsByWord = new Map<string, Option>();
  for (const option of options) {
    for (const word of option.words ?? []) optionsByWord.set(word, option);
  }
  for (const option of options) {
    if (option.name !== undefined) optionsByWord.set(option.name, option);
  }
  const nearest = nearestName(word, [...optionsByWord.keys()]);
  return nearest === undefined ? undefined : optionsByWord.get(nearest);
}
