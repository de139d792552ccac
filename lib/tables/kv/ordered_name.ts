import { byteText, utf8Text } from "../../bytes/text.ts";

// The last character of all, and of no script: where it stands, bytes follow.
const last = "\u{10ffff}";

// Code points in their order, without the surrogates, which have no UTF-8.
const beforeSurrogates = 0xd800;
const surrogates = 0x800;

function character(number: number): string {
  return String.fromCodePoint(
    number < beforeSurrogates ? number : number + surrogates,
  );
}

/** Whether bytes come before others. */
export function comesBefore(left: Uint8Array, right: Uint8Array): boolean {
  const length = Math.min(left.length, right.length);
  for (let at = 0; at < length; at++) {
    if (left[at] !== right[at]) return left[at] < right[at];
  }
  return left.length < right.length;
}

/** How long a UTF-8 character is by its first byte. */
function lengthOf(first: number): number {
  return first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

/** How many of the bytes are characters, of UTF-8 and other than the last. */
function textLength(bytes: Uint8Array): number {
  let at = 0;
  while (at < bytes.length) {
    const length = lengthOf(bytes[at]);
    const decoded = utf8Text.decode(bytes.subarray(at, at + length));
    if (decoded === undefined || decoded === last) break;
    at += length;
  }
  return at;
}

/** The last of the characters that come before these bytes, which are none. */
function characterBefore(bytes: Uint8Array): string {
  let least = 0;
  let most = 0x10ffff - surrogates;
  while (most - least > 1) {
    const middle = (least + most) >> 1;
    if (comesBefore(utf8Text.encode(character(middle)), bytes)) least = middle;
    else most = middle;
  }
  return character(least);
}

/**
 * Any bytes as a string, for databases whose keys are text. The UTF-8 bytes of
 * the strings are in the order of the bytes they stand for, and no two bytes
 * have one string.
 *
 * UTF-8 stands for itself. From the first byte on that is not UTF-8, or is of
 * U+10FFFF, there come: the last character before it in byte order, U+10FFFF,
 * and one character U+0000 to U+00FF for each byte.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { orderedName } from "./ordered_name.ts";
 *
 * assertEquals(orderedName(new TextEncoder().encode("käse")), "käse");
 * assertEquals(orderedName(Uint8Array.of(107, 0xc3)), "k¿\u{10ffff}Ã");
 * ```
 */
export function orderedName(bytes: Uint8Array): string {
  const whole = utf8Text.decode(bytes);
  if (whole !== undefined && !whole.includes(last)) return whole;
  const length = textLength(bytes);
  const rest = bytes.subarray(length);
  return utf8Text.decode(bytes.subarray(0, length)) + characterBefore(rest) +
    last + byteText.decode(rest);
}

/** The bytes of a string of {@linkcode orderedName}; `undefined` for any other. */
export function bytesOfName(name: string): Uint8Array | undefined {
  const at = name.indexOf(last);
  if (at < 0) return utf8Text.encode(name);
  const rest = name.slice(at + last.length);
  if (!byteText.valid(rest)) return undefined;
  const before = [...name.slice(0, at)].slice(0, -1).join("");
  const bytes = new Uint8Array([
    ...utf8Text.encode(before),
    ...byteText.encode(rest),
  ]);
  return orderedName(bytes) === name ? bytes : undefined;
}
