/** Looks a parameter up; `undefined` when it has no value. */
export type ParameterLookup = (name: string) => string | undefined;

const deepest = 100;
const spaces = /^[ \t\r\n\v\f]*/;

/**
 * Expands the `$` expressions of main.cf, also within each other: `$name`,
 * `${name}`, `$(name)`, `${name?text}`, `${name:text}`,
 * `${name?{text}:{text}}`, `${{text} == {text} ? {text} : {text}}` and its
 * relatives, `<level` and its, and `$$` for a dollar sign. A parameter without a value expands
 * to nothing. Throws a `RangeError` that says what is wrong.
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
  return expand(text, lookup, 0);
}

function expand(text: string, lookup: ParameterLookup, depth: number): string {
  if (depth > deepest) {
    throw new RangeError(`"${text}" refers to itself, or nests too deeply`);
  }
  let expansion = "";
  let at = 0;
  while (at < text.length) {
    const dollar = text.indexOf("$", at);
    if (dollar < 0) return expansion + text.slice(at);
    expansion += text.slice(at, dollar);
    at = dollar + 1;
    const next = text[at];
    if (next === "$") {
      expansion += "$";
      at++;
    } else if (next === "{" || next === "(") {
      const end = closing(text, at, next === "{" ? "}" : ")");
      const expression = text.slice(at + 1, end);
      if (expression === "") throw new RangeError(`no name in "${text}"`);
      expansion += evaluate(expression, lookup, depth);
      at = end + 1;
    } else {
      const name = /^[A-Za-z0-9_]*/.exec(text.slice(at))![0];
      if (name === "") {
        throw new RangeError(
          `no name after "$" in "${text}": write "$$" for a dollar sign`,
        );
      }
      expansion += expand(lookup(name) ?? "", lookup, depth + 1);
      at += name.length;
    }
  }
  return expansion;
}

function closing(text: string, open: number, close: string): number {
  let level = 0;
  for (let at = open; at < text.length; at++) {
    if (text[at] === text[open]) level++;
    else if (text[at] === close && --level === 0) return at;
  }
  throw new RangeError(`missing "${close}" in "${text}"`);
}

/** Takes `{text}` and the white space around it off the front of `rest`. */
function takeBraced(rest: string): { text: string; rest: string } | undefined {
  const start = spaces.exec(rest)![0].length;
  if (rest[start] !== "{") return undefined;
  const end = closing(rest, start, "}");
  return {
    text: rest.slice(start + 1, end),
    rest: rest.slice(end + 1).replace(spaces, ""),
  };
}

function evaluate(
  expression: string,
  lookup: ParameterLookup,
  depth: number,
): string {
  let value: string | undefined;
  let rest: string;
  const left = takeBraced(expression);
  if (left !== undefined) {
    const [whole = "", operator = "", level] =
      /^([<>!=]=?)(level)?/.exec(left.rest) ?? [];
    const right = takeBraced(left.rest.slice(whole.length));
    const compare = level === undefined ? compareTexts : compareLevels;
    if (!(operator in relations) || right === undefined) {
      throw new RangeError(
        `"{text} operator {text}" expected in "${expression}"; ` +
          `operators are ${
            Object.keys(relations).join(" ")
          }, and these with "level"`,
      );
    }
    const holds = relations[operator](
      compare(
        expand(left.text, lookup, depth + 1),
        expand(right.text, lookup, depth + 1),
      ),
    );
    value = holds ? "true" : "";
    rest = right.rest;
    if (rest === "") return value;
  } else {
    const parts = /^[ \t\r\n\v\f]*([A-Za-z0-9_]*)[ \t\r\n\v\f]*/.exec(
      expression,
    )!;
    rest = expression.slice(parts[0].length);
    value = lookup(parts[1]);
    if (rest === "") return expand(value ?? "", lookup, depth + 1);
  }
  const choice = rest[0];
  rest = rest.slice(1);
  if (choice === "?") {
    const whenSet = takeBraced(rest);
    if (whenSet === undefined) {
      return value ? expand(rest, lookup, depth + 1) : "";
    }
    if (value) {
      if (whenSet.rest !== "" && whenSet.rest[0] !== ":") {
        throw new RangeError(`":" expected before "${whenSet.rest}"`);
      }
      return expand(whenSet.text, lookup, depth + 1);
    }
    if (whenSet.rest === "") return "";
    rest = whenSet.rest;
    if (rest[0] !== ":") throw new RangeError(`":" expected before "${rest}"`);
    rest = rest.slice(1);
  } else if (choice !== ":") {
    throw new RangeError(`"?" or ":" expected before "${choice}${rest}"`);
  }
  if (value) return "";
  const otherwise = takeBraced(rest);
  if (otherwise === undefined) return expand(rest, lookup, depth + 1);
  if (otherwise.rest !== "") {
    throw new RangeError(`unexpected "${otherwise.rest}"`);
  }
  return expand(otherwise.text, lookup, depth + 1);
}

const relations: Record<string, (order: number) => boolean> = {
  "==": (order) => order === 0,
  "!=": (order) => order !== 0,
  "<": (order) => order < 0,
  "<=": (order) => order <= 0,
  ">=": (order) => order >= 0,
  ">": (order) => order > 0,
};

function compareTexts(left: string, right: string): number {
  if (/^\d+$/.test(left) && /^\d+$/.test(right)) {
    return Number(left) - Number(right);
  }
  return left < right ? -1 : left > right ? 1 : 0;
}

/** Compares versions: `3.10` comes after `3.9`, and `3` is `3.0.0`. */
function compareLevels(left: string, right: string): number {
  const [leftParts, rightParts] = [left, right].map((level) => {
    if (!/^\d+(\.\d+){0,2}$/.test(level)) {
      throw new RangeError(`"${level}" is no level: need 3, 3.6 or 3.6.1`);
    }
    return level.split(".").map(Number);
  });
  for (let at = 0; at < 3; at++) {
    const difference = (leftParts[at] ?? 0) - (rightParts[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
