/**
 * Converts between strings and bytes: as UTF-8, or, when UTF-8 support is off, with
 * one character for each byte.
 */
export interface Text {
  /** Whether strings are UTF-8 text. */
  readonly utf8: boolean;
  encode(text: string): Uint8Array;
  /** The string of some bytes; `undefined` if they are not UTF-8. */
  decode(bytes: Uint8Array): string | undefined;
  /** Whether a string can be encoded: no lone surrogate, or no character above U+00FF. */
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

// Most keys and values are short and ASCII. For them, a loop over the characters is
// much faster than a call of TextEncoder or TextDecoder.
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
    // The number of arguments of fromCharCode is limited.
    for (let at = 0; at < bytes.length; at += 4096) {
      text += characters(bytes.subarray(at, at + 4096));
    }
    return text;
  },
  valid: (text) => !aboveByte.test(text),
  fold: foldAscii,
};

/** The length of a string in bytes. */
export function byteLength(text: Text, string: string): number {
  return text.utf8 && notAscii.test(string)
    ? encoder.encode(string).length
    : string.length;
}

/** A line: a string, or its bytes if they are not text. */
export type Line = string | Uint8Array;

/** The lines of some bytes, without their line feeds. */
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

// Characters for which folding differs from lower(upper(lower(text))): dotless i
// does not change, and Cherokee folds to upper-case letters. The final sigma is the
// only letter whose lower case depends on its neighbours.
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
 * Full Unicode case folding (CaseFolding.txt, C and F), the same for all languages:
 * `STRAßE` becomes `strasse`.
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

/** Folds only the letters `A` to `Z`. */
export function foldAscii(text: string): string {
  return text.replace(upperAscii, (letters) => letters.toLowerCase());
}

// A configuration file is bytes, which are nearly always UTF-8. `configText` decodes
// them to a string. Each byte that is not UTF-8 becomes a lone low surrogate, U+DC00
// plus the byte; valid UTF-8 never decodes to one. So code that splits, compares or
// shows names needs no special case, and `configBytes` gives all bytes back.

const escapeStart = 0xdc00;

/**
 * Decodes the bytes of a configuration; `configBytes` is the inverse. Keeps a byte
 * order mark.
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

/** The length of the UTF-8 character at `at`; 0 if the bytes there are not UTF-8. */
function characterLength(bytes: Uint8Array, at: number): number {
  const first = bytes[at];
  if (first < 0x80) return 1;
  // UTF-8 has no overlong forms, no surrogates and no characters above U+10FFFF.
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

/** The bytes of a `configText`. */
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

/** The byte that a lone low surrogate at `at` stands for, if there is one. */
function escapedByte(text: string, at: number): number | undefined {
  const code = text.charCodeAt(at);
  if (!(code >= 0xdc80 && code <= 0xdcff)) return undefined;
  const isHalf = (text.charCodeAt(at - 1) & 0xfc00) === 0xd800;
  return isHalf ? undefined : code - escapeStart;
}

/** A `configText` as a byte string, with one character for each byte. */
export function configByteString(text: string): string {
  return byteText.decode(configBytes(text))!;
}

/** Whether all bytes of a `configText` are UTF-8. */
export function isUtf8(text: string): boolean {
  return text.isWellFormed();
}

/**
 * Corrects a `configText` that was joined from parts, such as `$a$b`: if bytes at
 * the end of one part and at the start of the next form a UTF-8 character, they
 * become this character.
 */
export function joinedText(text: string): string {
  return text.isWellFormed() ? text : configText(configBytes(text));
}
