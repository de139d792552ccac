/** What a Content-Type header says about the structure of a message. */
export interface ContentType {
  /**
   * Whether the body is a message with its own headers; `undefined` if the type
   * does not say.
   */
  readonly message: boolean | undefined;
  /** Whether parts without a Content-Type are messages: `multipart/digest`. */
  readonly digest: boolean;
  /** All boundaries of a multipart. */
  readonly boundaries: readonly string[];
}

interface Token {
  readonly kind: "word" | "quoted" | "special";
  readonly text: string;
}

interface Parameter {
  /** The first three tokens. A parameter needs no more. */
  readonly tokens: readonly Token[];
  /** Where the next one begins. */
  readonly next: number;
}

const tokensKept = 3;
const space = " \t\r\n";
const specials = '()<>@,;:\\"/[]?=';
// deno-lint-ignore no-control-regex -- control characters end a word
const word = /[^ \t\r\n\0-\x1f\x7f()<>@,;:\\"/[\]?=]+/y;
// deno-lint-ignore no-control-regex -- control characters are tokens
const controlCharacter = /[\0-\x1f\x7f]/;

/**
 * Parses the value of a Content-Type header, a byte string that may contain line
 * ends. Like Postfix it tolerates errors, reads comments and quotes as in RFC 822,
 * and takes all boundaries of a header that has several.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { parseContentType } from "./content_type.ts";
 *
 * assertEquals(parseContentType(' multipart/mixed;\n boundary="a b"'), {
 *   message: false,
 *   digest: false,
 *   boundaries: ["a b"],
 * });
 * ```
 */
export function parseContentType(value: string): ContentType {
  const first = readParameter(value, 0);
  if (first === undefined || first.tokens.length === 0) {
    return { message: false, digest: false, boundaries: [] };
  }
  const [type, slash, subtype] = first.tokens;
  const isSubtype = (name: string) =>
    slash?.kind === "special" && slash.text === "/" && isWord(subtype, name);
  const message = isWord(type, "message")
    ? isSubtype("rfc822") || isSubtype("global")
    : isWord(type, "text") || isWord(type, "multipart")
    ? false
    : undefined;
  if (!isWord(type, "multipart")) {
    return { message, digest: false, boundaries: [] };
  }
  const boundaries: string[] = [];
  for (
    let parameter = readParameter(value, first.next);
    parameter !== undefined;
    parameter = readParameter(value, parameter.next)
  ) {
    const [name, equals, boundary] = parameter.tokens;
    if (
      boundary !== undefined && isWord(name, "boundary") &&
      equals.kind === "special" && equals.text === "="
    ) boundaries.push(boundary.text);
  }
  return { message, digest: isSubtype("digest"), boundaries };
}

function isWord(token: Token | undefined, name: string): boolean {
  return token?.kind === "word" && token.text.toLowerCase() === name;
}

/** Reads the tokens up to the next `;`. Returns `undefined` at the end. */
function readParameter(value: string, at: number): Parameter | undefined {
  const tokens: Token[] = [];
  while (at < value.length) {
    const character = value[at];
    if (character === ";") return { tokens, next: at + 1 };
    if (space.includes(character)) {
      at++;
    } else if (character === "(") {
      at = endOfComment(value, at);
    } else {
      const [token, next] = readToken(value, at, tokens.length < tokensKept);
      if (token !== undefined) tokens.push(token);
      at = next;
    }
  }
  return tokens.length === 0 ? undefined : { tokens, next: at };
}

function readToken(
  value: string,
  at: number,
  kept: boolean,
): [token: Token | undefined, next: number] {
  const character = value[at];
  if (character === '"') {
    const { text, next } = readQuoted(value, at + 1);
    return [kept ? { kind: "quoted", text } : undefined, next];
  }
  if (specials.includes(character) || controlCharacter.test(character)) {
    return [kept ? { kind: "special", text: character } : undefined, at + 1];
  }
  word.lastIndex = at;
  const text = word.exec(value)![0];
  return [kept ? { kind: "word", text } : undefined, at + text.length];
}

function endOfComment(value: string, at: number): number {
  let level = 0;
  for (; at < value.length; at++) {
    if (value[at] === "\\") at++;
    else if (value[at] === "(") level++;
    else if (value[at] === ")" && --level === 0) return at + 1;
  }
  return value.length;
}

/** Reads a quoted string, without its line ends. `at` is after the first quote. */
function readQuoted(
  value: string,
  at: number,
): { text: string; next: number } {
  const text: string[] = [];
  for (; at < value.length; at++) {
    if (value[at] === '"') return { text: text.join(""), next: at + 1 };
    if (value[at] === "\n") {
      while (text.length > 0 && space.includes(text[text.length - 1])) {
        text.pop();
      }
      continue;
    }
    if (value[at] === "\\" && ++at === value.length) break;
    text.push(value[at]);
  }
  return { text: text.join(""), next: value.length };
}
