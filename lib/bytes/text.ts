/**
 * How strings stand for bytes: as UTF-8, or one character for each byte when
 * UTF-8 support is off.
 */
export interface Text {
  /** Whether strings are UTF-8 text. */
  readonly utf8: boolean;
  /** The bytes of a string. */
  encode(text: string): Uint8Array;
  /** The string of some bytes; `undefined` when they are not UTF-8. */
  decode(bytes: Uint8Array): string | undefined;
  /** Whether a string has bytes at all: no lone surrogate, no character above a byte. */
  valid(text: string): boolean;
  /** Folds a key to lower case. */
  fold(text: string): string;
}

const encoder = new TextEncoder();
const strictDecoder = new TextDecoder("utf-8", {
  fatal: true,
  ignoreBOM: true,
});
const notAscii = /[\u0080-\uffff]/;
const aboveByte = /[\u0100-\uffff]/;

// Most keys and values are short and ASCII: then going through each character
// here takes a fraction of what the runtime's coders take to be called.
const shortLength = 256;

function encodeAscii(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code > 127) return undefined;
    bytes[at] = code;
  }
  return bytes;
}

function decodeAscii(bytes: Uint8Array): string | undefined {
  for (let at = 0; at < bytes.length; at++) {
    if (bytes[at] > 127) return undefined;
  }
  return characters(bytes);
}

// Ten times as fast as spreading the bytes into the arguments.
function characters(bytes: Uint8Array): string {
  return String.fromCharCode.apply(null, bytes as unknown as number[]);
}

/** Strings are Unicode text, bytes are UTF-8. */
export const utf8Text: Text = {
  utf8: true,
  encode(text) {
    const ascii = text.length <= shortLength ? encodeAscii(text) : undefined;
    return ascii ?? encoder.encode(text);
  },
  decode(bytes) {
    if (bytes.length <= shortLength) {
      const ascii = decodeAscii(bytes);
      if (ascii !== undefined) return ascii;
    }
    try {
      return strictDecoder.decode(bytes);
    } catch {
      return undefined;
    }
  },
  valid: (text) => !notAscii.test(text) || text.isWellFormed(),
  fold: foldCase,
};

/** Strings are byte strings: U+0000 to U+00FF stand for the bytes 0 to 255. */
export const byteText: Text = {
  utf8: false,
  encode(text) {
    const bytes = new Uint8Array(text.length);
    for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
    return bytes;
  },
  decode(bytes) {
    let text = "";
    // fromCharCode takes its bytes as arguments, of which there is a limit.
    for (let at = 0; at < bytes.length; at += 4096) {
      text += characters(bytes.subarray(at, at + 4096));
    }
    return text;
  },
  valid: (text) => !aboveByte.test(text),
  fold: foldAscii,
};

/** How many bytes a string has. */
export function byteLength(text: Text, string: string): number {
  return text.utf8 && notAscii.test(string)
    ? encoder.encode(string).length
    : string.length;
}

/** A line: text, or the bytes of a line that is no text. */
export type Line = string | Uint8Array;

/** The lines of some bytes, without their ends. */
export function splitLines(text: Text, bytes: Uint8Array): Line[] {
  const whole = text.decode(bytes);
  if (whole !== undefined) return whole.split("\n");
  const lines: Line[] = [];
  for (let start = 0; start <= bytes.length;) {
    const lf = bytes.indexOf(10, start);
    const line = bytes.subarray(start, lf < 0 ? bytes.length : lf);
    lines.push(text.decode(line) ?? line);
    start += line.length + 1;
  }
  return lines;
}

const upperOrNotAscii = /[A-Z\u0080-\uffff]/;
const upperAscii = /[A-Z]+/g;

// Where folding is not what lower(upper(lower(text))) gives: dotless i stays,
// and Cherokee folds to its older, upper-case letters. The final sigma is the
// one letter whose lower case depends on its neighbours.
const exceptions = /[\u0131\u03c2\u13a0-\u13fd\uab70-\uabbf]/;
const keptOrMapped = /[\u0131\u13a0-\u13fd\uab70-\uabbf]/;

function foldCherokeeOrDotless(character: string): string {
  const code = character.charCodeAt(0);
  if (code >= 0xab70) return String.fromCharCode(code - 0xab70 + 0x13a0);
  if (code >= 0x13f8) return String.fromCharCode(code - 8);
  return character;
}

function foldPlain(text: string): string {
  return text.toLowerCase().toUpperCase().toLowerCase().replaceAll("ς", "σ");
}

/**
 * Full Unicode case folding (CaseFolding.txt, C and F), without regard to any
 * language: `STRAßE` becomes `strasse`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { foldCase } from "./text.ts";
 *
 * assertEquals(foldCase("STRAßE"), "strasse");
 * assertEquals(foldCase("ΣΊΣΥΦΟΣ"), "σίσυφοσ");
 * ```
 */
export function foldCase(text: string): string {
  if (!upperOrNotAscii.test(text)) return text;
  if (!notAscii.test(text)) return text.toLowerCase();
  if (!exceptions.test(text)) return foldPlain(text);
  let folded = "";
  let plain = 0;
  for (let at = 0; at < text.length; at++) {
    if (!keptOrMapped.test(text[at])) continue;
    folded += foldPlain(text.slice(plain, at)) +
      foldCherokeeOrDotless(text[at]);
    plain = at + 1;
  }
  return folded + foldPlain(text.slice(plain));
}

/** Folds `A` to `Z` and nothing else. */
export function foldAscii(text: string): string {
  return text.replace(upperAscii, (letters) => letters.toLowerCase());
}

// A configuration file is bytes, for Postfix and for us, and nearly always UTF-8.
// Its string is ordinary Unicode text. Each byte that is not UTF-8 becomes a lone
// low surrogate, U+DC00 plus the byte; valid UTF-8 never decodes to one. So code
// that splits, compares or shows names needs no special case, and code that needs
// the bytes gets all of them back.

const escapeStart = 0xdc00;

/**
 * The text of some bytes of a configuration. `configBytes` gives the same bytes
 * back. A byte order mark is kept.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { configBytes, configText } from "./text.ts";
 *
 * const bytes = Uint8Array.of(0xc3, 0xa9, 0xe9);
 * assertEquals(configText(bytes), "é\udce9");
 * assertEquals(configBytes("é\udce9"), bytes);
 * ```
 */
export function configText(bytes: Uint8Array): string {
  return utf8Text.decode(bytes) ?? mixedText(bytes);
}

function mixedText(bytes: Uint8Array): string {
  const parts: string[] = [];
  let start = 0;
  for (let at = 0; at < bytes.length;) {
    const length = characterLength(bytes, at);
    at += Math.max(length, 1);
    if (length > 0 && at < bytes.length) continue;
    const end = length > 0 ? at : at - 1;
    if (end > start) parts.push(utf8Text.decode(bytes.subarray(start, end))!);
    if (length === 0) parts.push(String.fromCharCode(escapeStart + bytes[end]));
    start = at;
  }
  return parts.join("");
}

/** How many bytes the UTF-8 character has that begins there; 0 where none does. */
function characterLength(bytes: Uint8Array, at: number): number {
  const first = bytes[at];
  if (first < 0x80) return 1;
  // Overlong forms, surrogates and what is above U+10FFFF are not UTF-8.
  const least = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
  const most = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
  const length = first < 0xc2
    ? 0
    : first < 0xe0
    ? 2
    : first < 0xf0
    ? 3
    : first < 0xf5
    ? 4
    : 0;
  if (length === 0 || at + length > bytes.length) return 0;
  if (bytes[at + 1] < least || bytes[at + 1] > most) return 0;
  for (let next = at + 2; next < at + length; next++) {
    if (bytes[next] < 0x80 || bytes[next] > 0xbf) return 0;
  }
  return length;
}

/** The bytes of the text of a configuration. */
export function configBytes(text: string): Uint8Array {
  if (text.isWellFormed()) return utf8Text.encode(text);
  // No character of UTF-16 takes more than three bytes.
  const bytes = new Uint8Array(text.length * 3);
  let length = 0;
  let start = 0;
  for (let at = 0; at <= text.length; at++) {
    const byte = escapedByte(text, at);
    if (byte === undefined && at < text.length) continue;
    const part = text.slice(start, at);
    length += encoder.encodeInto(part, bytes.subarray(length)).written;
    if (byte !== undefined) bytes[length++] = byte;
    start = at + 1;
  }
  return bytes.subarray(0, length);
}

/** The byte that a lone low surrogate stands for. */
function escapedByte(text: string, at: number): number | undefined {
  const code = text.charCodeAt(at);
  if (!(code >= 0xdc80 && code <= 0xdcff)) return undefined;
  const isHalf = (text.charCodeAt(at - 1) & 0xfc00) === 0xd800;
  return isHalf ? undefined : code - escapeStart;
}

/** The same bytes as a byte string: one character for each. */
export function configByteString(text: string): string {
  return byteText.decode(configBytes(text))!;
}

/** Whether all bytes of a text of a configuration are UTF-8. */
export function isUtf8(text: string): boolean {
  return text.isWellFormed();
}

/**
 * Corrects text that was put together, such as `$a$b`: where the end of one part
 * and the start of the next are bytes of one character, they become it.
 */
export function joinedText(text: string): string {
  return text.isWellFormed() ? text : configText(configBytes(text));
}
