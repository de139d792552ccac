import { shownText } from "../errors.ts";

/**
 * A line of configuration for a message, without the password that may be in it: what
 * stands behind "password", or what looks like that word, is left out. The name of a
 * file with a password is no secret.
 */
export function shownLine(text: string): string {
  const trimmed = trimSpace(text);
  for (const found of trimmed.matchAll(/pas+w[a-z]*(_file\b)?/gi)) {
    if (found[1] !== undefined) continue;
    const end = found.index + found[0].length;
    return end === trimmed.length
      ? shownText(trimmed)
      : `${shownText(trimmed.slice(0, end))} (not shown)`;
  }
  return shownText(trimmed);
}

/** Whether a parameter holds a password: its value is in no message. */
export function isSecretName(name: string): boolean {
  // A regular expression for all letters at the end would take quadratic time.
  let start = name.length;
  while (start > 0 && /[a-z]/i.test(name[start - 1])) start--;
  return /pas+w/i.test(name.slice(start));
}

/** Whether the character at `at` is white space, as defined by C's `isspace`. */
export function isSpaceAt(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code === 32 || (code >= 9 && code <= 13);
}

/** The position of the first character from `at` that is not white space. */
export function skipSpace(text: string, at = 0): number {
  while (isSpaceAt(text, at)) at++;
  return at;
}

/** Removes the white space around a text, as defined by C's `isspace`. */
export function trimSpace(text: string): string {
  // A regular expression would take quadratic time on long white space inside.
  const start = skipSpace(text);
  let end = text.length;
  while (end > start && isSpaceAt(text, end - 1)) end--;
  return text.slice(start, end);
}

/**
 * The length of the braced text at the start of `text`, with its braces; 0 if `text`
 * does not start with a brace, or the brace is not closed.
 */
export function bracedLength(text: string): number {
  if (!text.startsWith("{")) return 0;
  let level = 0;
  for (let at = 0; at < text.length; at++) {
    if (text[at] === "{") level++;
    else if (text[at] === "}" && --level === 0) return at + 1;
  }
  return 0;
}

/** Splits at commas and white space, but not inside braces. */
export function splitItems(text: string, separators = ", \t\r\n"): string[] {
  const items: string[] = [];
  let start = 0;
  let level = 0;
  for (let at = 0; at < text.length; at++) {
    if (text[at] === "{") level++;
    else if (text[at] === "}") {
      if (level > 0) level--;
    } else if (level === 0 && separators.includes(text[at])) {
      if (at > start) items.push(text.slice(start, at));
      start = at + 1;
    }
  }
  if (start < text.length) items.push(text.slice(start));
  return items;
}

/**
 * Removes the braces around `text`, and white space inside them. Throws a
 * `RangeError` if `text` is not in braces.
 */
export function withoutBraces(text: string): string {
  const length = bracedLength(text);
  if (length === 0) {
    throw new RangeError(
      text.startsWith("{")
        ? `missing "}" in "${shownLine(text)}"`
        : `no "{" at the start of "${shownLine(text)}"`,
    );
  }
  if (length < text.length) {
    throw new RangeError(
      `text after "}" in "${shownLine(text)}": ` +
        `"${shownLine(text.slice(length))}"`,
    );
  }
  return trimSpace(text.slice(1, -1));
}

/**
 * Splits `name = value`, and removes white space around both. Throws a `RangeError`
 * if there is no name or no `=`.
 */
export function splitNameValue(text: string): [name: string, value: string] {
  const start = skipSpace(text);
  let end = start;
  while (end < text.length && text[end] !== "=" && !isSpaceAt(text, end)) end++;
  if (end === start) {
    throw new RangeError(`no name before "=": "${shownLine(text)}"`);
  }
  const equals = skipSpace(text, end);
  if (text[equals] !== "=") {
    throw new RangeError(`no "=" after the name: "${shownLine(text)}"`);
  }
  return [text.slice(start, end), trimSpace(text.slice(equals + 1))];
}

/**
 * The length of the key at the start of `text`. The key ends at white space, or at
 * the character `also`, outside of double quotes. Throws a `RangeError` if a quote
 * is not closed.
 */
export function keyLength(text: string, also?: string): number {
  let quoted = false;
  let end = 0;
  for (; end < text.length; end++) {
    const character = text[end];
    if (character === "\\") end++;
    else if (character === '"') quoted = !quoted;
    else if (!quoted && (character === also || isSpaceAt(text, end))) break;
  }
  if (quoted) {
    throw new RangeError(`unbalanced '"' in "${shownText(text)}"`);
  }
  return Math.min(end, text.length);
}

/**
 * Splits `key = value` of `inline:`. Unlike a name, a key may have white space and
 * `=` in double quotes, which stay part of the key.
 */
export function splitKeyValue(text: string): [key: string, value: string] {
  const trimmed = trimSpace(text);
  if (trimmed === "") throw new RangeError("no key");
  const end = keyLength(trimmed, "=");
  const equals = skipSpace(trimmed, end);
  if (trimmed[equals] !== "=") {
    throw new RangeError(`no "=" after the key: "${shownText(trimmed)}"`);
  }
  return [trimmed.slice(0, end), trimSpace(trimmed.slice(equals + 1))];
}

/**
 * Parses `{ name=value, { name = value with, commas }, … }`; `split` splits one item
 * into name and value.
 */
export function bracedPairs(
  text: string,
  split: (item: string) => [string, string],
): [string, string][] {
  return splitItems(withoutBraces(text)).map((item) =>
    split(item.startsWith("{") ? withoutBraces(item) : item)
  );
}
