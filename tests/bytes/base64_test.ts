import { decodeBase64, encodeBase64 } from "../../lib/bytes/base64.ts";
import { assertEquals } from "../support/assert.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("decodeBase64() takes what Postfix takes", () => {
  const table: [string, string | undefined][] = [
    ["", ""],
    ["YQ==", "a"],
    ["YWI=", "ab"],
    ["YWJj", "abc"],
    ["YWJjZA==", "abcd"],
    // What follows the first "=" does not matter.
    ["YQ=x", "a"],
    ["YQ==YQ==", "a"],
    ["YWI=....", "ab"],
    // The bits that are too many neither.
    ["YX==", "a"],
    ["YQ", undefined],
    ["YQ=", undefined],
    ["Y===", undefined],
    ["====", undefined],
    ["YWJj====", undefined],
    ["Y Q=", undefined],
    ["YW\nI", undefined],
    ["YW-_", undefined],
  ];
  for (const [encoded, expected] of table) {
    assertEquals(
      decodeBase64(bytes(encoded)),
      expected === undefined ? undefined : bytes(expected),
      encoded,
    );
  }
});

Deno.test("encodeBase64() encodes any bytes, and as many", () => {
  for (const length of [0, 1, 2, 3, 255, 100_000]) {
    const given = Uint8Array.from({ length }, (_, at) => at);
    const encoded = encodeBase64(given);
    assertEquals(encoded.length, Math.ceil(length / 3) * 4);
    assertEquals(decodeBase64(bytes(encoded)), given);
  }
});
