import { nearestName } from "../bytes/nearest_name.ts";
import { UsageError } from "./command_line.ts";

/**
 * An option, declared once: arguments are taken apart by it, help pages list it,
 * and a misspelt one is compared with it.
 */
export interface Option {
  /** Its letter: `v` is given as `-v`. */
  readonly letter?: string;
  /** Its long name: `watch` is given as `--watch`. */
  readonly name?: string;
  /** What stands for its argument in texts; missing where it takes none. */
  readonly argument?: string;
  /** Whether it may be given more than once where others may not. */
  readonly repeats?: boolean;
  /** What it does, in a few words, for a line of a help page. */
  readonly help: string;
  /** What holds where it is not given. */
  readonly default?: string;
  /** What it does, in full. */
  readonly detail?: string;
  /** Other words that people use for it. */
  readonly words?: readonly string[];
}

/** What the arguments of a command may be. */
export interface Grammar {
  readonly options: readonly Option[];
  /**
   * Options may stand anywhere. An argument that is empty or looks like an option
   * is a mistake, and so is a second one. Otherwise the rules are those of
   * getopt(3), as for postmap: the first argument that is no option ends the
   * options, and what follows an option that takes an argument is its argument,
   * whatever it looks like.
   */
  readonly anywhere: boolean;
}

/** Arguments, taken apart. Options are named by their long name, or their letter. */
export class Parsed {
  /** What is no option. */
  readonly operands: string[] = [];
  #values = new Map<string, string[]>();

  /** How often an option was given. */
  count(name: string): number {
    return this.#values.get(name)?.length ?? 0;
  }

  /** Whether an option was given. */
  has(name: string): boolean {
    return this.#values.has(name);
  }

  /** The arguments of all times that an option was given. */
  values(name: string): readonly string[] {
    return this.#values.get(name) ?? [];
  }

  /** The argument of an option, the last time that it was given. */
  value(name: string): string | undefined {
    return this.values(name).at(-1);
  }

  /** Takes one more; for the parser. */
  add(option: Option, value = ""): void {
    const name = nameOf(option);
    const values = this.#values.get(name);
    if (values === undefined) this.#values.set(name, [value]);
    else values.push(value);
  }
}

/**
 * Takes arguments apart. Letters may be clustered, a letter's argument may follow
 * at once or as the next argument, a long option's after `=` or as the next one;
 * `--` ends the options. Throws {@linkcode UsageError}.
 */
export function parseOptions(
  args: readonly string[],
  { options, anywhere }: Grammar,
): Parsed {
  const parsed = new Parsed();
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

/** Whether an argument looks like an option; `-` alone is standard input. */
export function isOption(argument: string): boolean {
  return argument.startsWith("-") && argument !== "-";
}

function nameOf({ name, letter }: Option): string {
  return name ?? letter!;
}

/** An option as it is shortest to type: `-v`, `--watch`. */
export function spelling({ letter, name }: Option): string {
  return letter === undefined ? `--${name}` : `-${letter}`;
}

/** The same with what stands for its argument: `-c DIR`. */
export function usageOf(option: Option): string {
  const { argument } = option;
  return spelling(option) + (argument === undefined ? "" : ` ${argument}`);
}

function unknownOption(
  written: string,
  options: readonly Option[],
  whole = written,
): UsageError {
  // A long name behind one "-" was taken for letters.
  const tries = whole.length > 3 ? [written, whole] : [written];
  for (const given of tries) {
    const meant = optionMeant(given, options);
    if (meant === undefined) continue;
    // A word is answered with a word, where the option has one.
    const { name } = meant;
    const usage = given.length > 2 && name !== undefined
      ? usageOf({ ...meant, letter: undefined })
      : usageOf(meant);
    return new UsageError(`unknown option ${given}: did you mean ${usage}?`);
  }
  return new UsageError(`unknown option ${written}; try --help`);
}

/** The option that a misspelt one, or a word, may have been meant to be. */
export function optionMeant(
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
  const owners = new Map<string, Option>();
  for (const option of options) {
    for (const word of option.words ?? []) owners.set(word, option);
  }
  for (const option of options) {
    if (option.name !== undefined) owners.set(option.name, option);
  }
  const nearest = nearestName(word, [...owners.keys()]);
  return nearest === undefined ? undefined : owners.get(nearest);
}
