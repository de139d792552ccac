const separators = /[, \t\r\n]/;
const surroundingSpace = /^[ \t\r\n\v\f]+|[ \t\r\n\v\f]+$/g;

/** Drops the white space around a text, as C's `isspace` sees it. */
export function trimSpace(text: string): string {
  return text.replace(surroundingSpace, "");
}

/**
 * The length of the text in balanced braces that `text` begins with, braces
 * included; 0 when it does not begin with one, or never closes it.
 */
export function bracedLength(text: string): number {
  let level = 0;
  for (let at = 0; at < text.length; at++) {
    if (text[at] === "{") level++;
    else if (text[at] === "}") level--;
    if (level === 0) return at === 0 ? 0 : text[0] === "{" ? at + 1 : 0;
  }
  return 0;
}

/** Items separated by comma or white space; braces hold both together. */
export function splitItems(text: string): string[] {
  const items: string[] = [];
  let item = "";
  let level = 0;
  for (const character of text) {
    if (level === 0 && separators.test(character)) {
      if (item !== "") items.push(item);
      item = "";
      continue;
    }
    if (character === "{") level++;
    else if (character === "}" && level > 0) level--;
    item += character;
  }
  if (item !== "") items.push(item);
  return items;
}

/**
 * What stands in the braces around `text`, without the white space there.
 * Throws a `RangeError` when there are no such braces.
 */
export function withoutBraces(text: string): string {
  const length = bracedLength(text);
  if (length === 0) {
    throw new RangeError(
      text.startsWith("{")
        ? `missing "}" in "${text}"`
        : `no "{" at the start of "${text}"`,
    );
  }
  if (length < text.length) {
    throw new RangeError(`text after "}" in "${text}"`);
  }
  return trimSpace(text.slice(1, -1));
}

const isSpace = /[ \t\r\n\v\f]/;

/**
 * Splits `name = value` at the first `=` after a name, white space around both
 * dropped. Throws a `RangeError` when there is no name or no `=`.
 */
export function splitNameValue(text: string): [name: string, value: string] {
  const trimmed = trimSpace(text);
  const parts = /^([^= \t\r\n\v\f]*)[ \t\r\n\v\f]*(=?)/.exec(trimmed)!;
  if (parts[1] === "") throw new RangeError(`no name before "=": "${trimmed}"`);
  if (parts[2] === "") {
    throw new RangeError(`no "=" after the name: "${trimmed}"`);
  }
  return [parts[1], trimSpace(trimmed.slice(parts[0].length))];
}

/**
 * The same for keys that may hold white space and `=` in double quotes, which
 * stay part of the key: the items of `inline:`.
 */
export function splitKeyValue(text: string): [key: string, value: string] {
  const trimmed = trimSpace(text);
  if (trimmed === "") throw new RangeError("no key");
  let quoted = false;
  let end = 0;
  for (; end < trimmed.length; end++) {
    const character = trimmed[end];
    if (character === "\\") end++;
    else if (character === '"') quoted = !quoted;
    else if (!quoted && (character === "=" || isSpace.test(character))) break;
  }
  if (quoted) throw new RangeError(`unbalanced '"' in "${trimmed}"`);
  const rest = trimSpace(trimmed.slice(end));
  if (!rest.startsWith("=")) {
    throw new RangeError(`no "=" after the key: "${trimmed}"`);
  }
  return [trimmed.slice(0, end), trimSpace(rest.slice(1))];
}

/**
 * The pairs of `{ name=value, { name = value with, commas }, … }`. `split` takes
 * one item apart.
 */
export function bracedPairs(
  text: string,
  split: (item: string) => [string, string],
): [string, string][] {
  return splitItems(withoutBraces(text)).map((item) =>
    split(item.startsWith("{") ? withoutBraces(item) : item)
  );
}
