import { configByteString, joinedText } from "../bytes/text.ts";
import { shownText } from "../errors.ts";
import { skipSpace } from "./name_value.ts";

/** Returns the value of a parameter; `undefined` if it has none. */
export type ParameterLookup = (name: string) => string | undefined;

const deepestNesting = 100;
// No useful value is longer. Without a limit, each line of main.cf could double the
// value of the line before.
const longestResult = 16777216;

/**
 * Expands the `$` expressions of main.cf, which may be nested: `$name`, `${name}`,
 * `$(name)`, `${name?text}`, `${name:text}`, `${name?{text}:{text}}`,
 * `${{text} == {text} ? {text} : {text}}` with any comparison operator, also for
 * levels (`<level`), and `$$` for a dollar sign. A parameter without a value expands
 * to nothing.
 *
 * Throws a `RangeError` for wrong syntax, for expressions that are nested more than
 * 100 deep, as in Postfix, and for results of more than 16,777,216 characters, where
 * Postfix would run out of memory.
 *
 * Implements "$name" of postconf(5).
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { expandParameters } from "./expand.ts";
 *
 * const values = new Map([["host", "mc.example"], ["server", "inet:$host:11211"]]);
 * const lookup = (name: string) => values.get(name);
 * assertEquals(expandParameters("$server", lookup), "inet:mc.example:11211");
 * assertEquals(expandParameters("${port?{$port}:{11211}}", lookup), "11211");
 * ```
 */
export function expandParameters(
  text: string,
  lookup: ParameterLookup,
): string {
  return joinedText(new Expansion(lookup).expand(text, 0));
}

/** A text in braces, and the end of the white space after it. */
interface Braced {
  readonly text: string;
  readonly end: number;
}

class Expansion {
  #lookup: ParameterLookup;
  /** Expanded values: each parameter is expanded only once. */
  #expanded = new Map<string, string>();
  #length = 0;

  constructor(lookup: ParameterLookup) {
    this.#lookup = lookup;
  }

  expand(text: string, depth: number): string {
    if (depth > deepestNesting) {
      throw new RangeError(
        `"${shownText(text)}" refers to itself, or nests too deeply`,
      );
    }
    let expansion = "";
    let at = 0;
    for (let dollar; (dollar = text.indexOf("$", at)) >= 0;) {
      expansion += this.#counted(text.slice(at, dollar));
      at = dollar + 1;
      const next = text[at];
      if (next === "$") {
        expansion += this.#counted("$");
        at++;
      } else if (next === "{" || next === "(") {
        const end = closing(text, at, next === "{" ? "}" : ")");
        const expression = text.slice(at + 1, end);
        if (expression === "") {
          throw new RangeError(`no name in "${shownText(text)}"`);
        }
        expansion += this.#counted(this.#evaluate(expression, depth));
        at = end + 1;
      } else {
        const end = nameEnd(text, at);
        if (end === at) {
          throw new RangeError(
            `no name after "$" in "${shownText(text)}": ` +
              `write "$$" for a dollar sign`,
          );
        }
        expansion += this.#counted(this.#value(text.slice(at, end), depth));
        at = end;
      }
    }
    return expansion + this.#counted(text.slice(at));
  }

  #counted(part: string): string {
    this.#length += part.length;
    if (this.#length > longestResult) {
      throw new RangeError(
        `it expands to more than ${longestResult} characters: ` +
          "is there a parameter that names another one many times?",
      );
    }
    return part;
  }

  /** The expanded value of a parameter. */
  #value(name: string, depth: number): string {
    const known = this.#expanded.get(name);
    if (known !== undefined) return known;
    const value = this.expand(this.#lookup(name) ?? "", depth + 1);
    this.#expanded.set(name, value);
    return value;
  }

  #evaluate(expression: string, depth: number): string {
    const left = braced(expression, 0);
    if (left !== undefined) {
      const right = this.#compare(expression, left, depth);
      return right.end === expression.length
        ? (right.holds ? "true" : "")
        : this.#choose(expression, right.end, right.holds, depth);
    }
    const start = skipSpace(expression);
    const end = nameEnd(expression, start);
    const name = expression.slice(start, end);
    const choice = skipSpace(expression, end);
    return choice === expression.length
      ? this.#value(name, depth)
      : this.#choose(expression, choice, Boolean(this.#lookup(name)), depth);
  }

  /** Evaluates `{left} operator {right}`; also returns where that ends. */
  #compare(
    expression: string,
    left: Braced,
    depth: number,
  ): { holds: boolean; end: number } {
    operators.lastIndex = left.end;
    const [whole = "", operator = "", level] = operators.exec(expression) ?? [];
    const right = braced(expression, left.end + whole.length);
    const compare = level === undefined ? compareTexts : compareLevels;
    if (!(operator in relations) || right === undefined) {
      throw new RangeError(
        `"{text} operator {text}" expected in "${shownText(expression)}"; ` +
          `operators are ${
            Object.keys(relations).join(" ")
          }, and these with "level"`,
      );
    }
    const order = compare(
      this.expand(left.text, depth + 1),
      this.expand(right.text, depth + 1),
    );
    return { holds: relations[operator](order), end: right.end };
  }

  /** Expands `?text`, `:text` or `?{text}:{text}`. */
  #choose(
    expression: string,
    at: number,
    holds: boolean,
    depth: number,
  ): string {
    const rest = (from: number) => shownText(expression.slice(from));
    let chosen = holds ? "" : undefined;
    if (expression[at] === "?") {
      const whenSet = braced(expression, at + 1);
      if (whenSet === undefined) {
        return holds ? this.expand(expression.slice(at + 1), depth + 1) : "";
      }
      at = whenSet.end;
      chosen = holds ? whenSet.text : undefined;
      if (at === expression.length) {
        return holds ? this.expand(whenSet.text, depth + 1) : "";
      }
      if (expression[at] !== ":") {
        throw new RangeError(`":" expected before "${rest(at)}"`);
      }
    } else if (expression[at] !== ":") {
      throw new RangeError(`"?" or ":" expected before "${rest(at)}"`);
    }
    // As in Postfix, its braces must be right also where it is not chosen.
    const otherwise = braced(expression, at + 1);
    if (otherwise !== undefined && otherwise.end !== expression.length) {
      throw new RangeError(`unexpected "${rest(otherwise.end)}"`);
    }
    if (chosen === "") return "";
    const text = chosen ?? otherwise?.text ?? expression.slice(at + 1);
    return this.expand(text, depth + 1);
  }
}

/** The end of the name that starts at `at`. */
function nameEnd(text: string, at: number): number {
  while (/\w/.test(text[at] ?? "")) at++;
  return at;
}

/** The position of the bracket that closes the one at `open`. */
function closing(text: string, open: number, close: string): number {
  let level = 0;
  for (let at = open; at < text.length; at++) {
    if (text[at] === text[open]) level++;
    else if (text[at] === close && --level === 0) return at;
  }
  throw new RangeError(`missing "${close}" in "${shownText(text)}"`);
}

/** The `{text}` at `at`, if there is one; skips the white space around it. */
function braced(text: string, at: number): Braced | undefined {
  const start = skipSpace(text, at);
  if (text[start] !== "{") return undefined;
  const end = closing(text, start, "}");
  return { text: text.slice(start + 1, end), end: skipSpace(text, end + 1) };
}

const operators = /([<>!=]=?)(level)?/y;

const relations: Record<string, (order: number) => boolean> = {
  "==": (order) => order === 0,
  "!=": (order) => order !== 0,
  "<": (order) => order < 0,
  "<=": (order) => order <= 0,
  ">=": (order) => order >= 0,
  ">": (order) => order > 0,
};

const largestNumber = 2n ** 63n - 1n;

function compareTexts(left: string, right: string): number {
  if (/^\d+$/.test(left) && /^\d+$/.test(right)) {
    const [one, other] = [left, right].map(wholeNumber);
    return one < other ? -1 : one > other ? 1 : 0;
  }
  const [one, other] = [left, right].map(configByteString);
  return one < other ? -1 : one > other ? 1 : 0;
}

/** Parses a number. Throws a `RangeError` if it is too large for Postfix. */
function wholeNumber(digits: string): bigint {
  const significant = digits.replace(/^0+/, "");
  // The largest number has nineteen digits; parsing very many digits would be slow.
  if (significant.length < 20) {
    const number = BigInt(significant);
    if (number <= largestNumber) return number;
  }
  throw new RangeError(
    `"${
      shownText(digits)
    }" is too large: the largest number is ${largestNumber}`,
  );
}

/** Compares compatibility levels: `3.10` is greater than `3.9`; `3` means `3.0.0`. */
function compareLevels(left: string, right: string): number {
  const [leftParts, rightParts] = [left, right].map((level) => {
    if (!/^\d+(\.\d+){0,2}$/.test(level)) {
      throw new RangeError(
        `"${shownText(level)}" is no level: need 3, 3.6 or 3.6.1`,
      );
    }
    return level.split(".").map(Number);
  });
  for (let at = 0; at < 3; at++) {
    const difference = (leftParts[at] ?? 0) - (rightParts[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
