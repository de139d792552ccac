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
