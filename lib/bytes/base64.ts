import { byteText } from "./text.ts";

export function encodeBase64(bytes: Uint8Array): string {
  return btoa(byteText.decode(bytes)!);
}

const digits = /[A-Za-z0-9+/]*/y;

/**
 * Decodes base64; `undefined` if it is invalid. As in Postfix, the length must be a
 * multiple of four, and anything after the first `=` is ignored.
 */
export function decodeBase64(encoded: Uint8Array): Uint8Array | undefined {
  if (encoded.length % 4 !== 0) return undefined;
  const text = byteText.decode(encoded)!;
  digits.lastIndex = 0;
  const [used] = digits.exec(text)!;
  const ended = used.length === text.length ||
    (text[used.length] === "=" && used.length % 4 >= 2);
  return ended ? byteText.encode(atob(used)) : undefined;
}
