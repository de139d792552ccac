import { byteText, utf8Text } from "../../bytes/text.ts";

// The last code point, which no script uses: it marks that bytes follow.
const marker = "\u{10ffff}";

// Code points are numbered without the surrogates, which have no UTF-8.
const beforeSurrogates = 0xd800;
const surrogates = 0x800;

function character(number: number): string {
  return String.fromCodePoint(
    number < beforeSurrogates ? number : number + surrogates,
  );
}

/** Whether `left` comes before `right` in byte order. */
export function comesBefore(left: Uint8Array, right: Uint8Array): boolean {
  const length = Math.min(left.length, right.length);
  for (let at = 0; at < length; at++) {
    if (left[at] !== right[at]) return left[at] < right[at];
  }
  return left.length < right.length;
}

/** The length in bytes of a UTF-8 character, from its first byte. */
function lengthOf(first: number): number {
  return first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

/** The length of the UTF-8 text, without markers, at the start of the bytes. */
function textLength(bytes: Uint8Array): number {
  let at = 0;
  while (at < bytes.length) {
    const length = lengthOf(bytes[at]);
    const decoded = utf8Text.decode(bytes.subarray(at, at + length));
    if (decoded === undefined || decoded === marker) break;
    at += length;
  }
  return at;
}

/** The last character that comes before these bytes, which are not UTF-8. */
function characterBefore(bytes: Uint8Array): string {
  let low = 0;
  let high = 0x10ffff - surrogates;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (comesBefore(utf8Text.encode(character(middle)), bytes)) low = middle;
    else high = middle;
  }
  return character(low);
}

/**
 * Encodes any bytes as a string, for databases whose keys are text. Different
 * bytes give different strings, and the strings, as UTF-8, have the same order as
 * the bytes.
 *
 * UTF-8 text is encoded as itself, up to the first byte that is not UTF-8 or
 * begins U+10FFFF. From there on follow: the last character that comes before the
 * remaining bytes, U+10FFFF, and one character (U+0000 to U+00FF) for each byte.
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
  if (whole !== undefined && !whole.includes(marker)) return whole;
  const length = textLength(bytes);
  const rest = bytes.subarray(length);
  return utf8Text.decode(bytes.subarray(0, length)) + characterBefore(rest) +
    marker + byteText.decode(rest);
}

/** The reverse of {@linkcode orderedName}; `undefined` for any other string. */
export function bytesOfName(name: string): Uint8Array | undefined {
  const at = name.indexOf(marker);
  if (at < 0) return utf8Text.encode(name);
  const rest = name.slice(at + marker.length);
  if (!byteText.valid(rest)) return undefined;
  const before = [...name.slice(0, at)].slice(0, -1).join("");
  const bytes = new Uint8Array([
    ...utf8Text.encode(before),
    ...byteText.encode(rest),
  ]);
  return orderedName(bytes) === name ? bytes : undefined;
}
