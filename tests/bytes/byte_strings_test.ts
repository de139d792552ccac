import {
  admitStrings,
  countOf,
  decodeStrings,
  encodeAsciiStrings,
  encodeStrings,
  firstNotText,
  lineStrings,
  stringAt,
} from "../../lib/bytes/byte_strings.ts";
import { byteText, type Text, utf8Text } from "../../lib/bytes/text.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { Random } from "../support/random.ts";

const bytes = (text: string) => byteText.encode(text);

Deno.test("lineStrings cuts where split does", () => {
  const random = Random.seeded("byte_strings lines");
  for (let round = 0; round < 200; round++) {
    const text = random.list(
      0,
      60,
      () => random.pick(["\n", "\n\n", "ab", "c"]),
    )
      .join("");
    const { decoded } = decodeStrings(lineStrings(bytes(text)), byteText);
    assertEquals(decoded, text.split("\n"));
  }
});

/** What one key after the other makes of keys. */
function admitEach(
  keys: readonly Uint8Array[],
  text: Text,
  fold: boolean,
): (string | undefined)[] {
  return keys.map((key) => {
    const decoded = text.decode(key);
    return decoded !== undefined && fold ? text.fold(decoded) : decoded;
  });
}

Deno.test("admitStrings does to many keys what is done to one", () => {
  const random = Random.seeded("byte_strings keys");
  const pieces = [
    ..."@AZ[`az{09 .\x00\x7f",
    "\x80",
    "\xff",
    "\xc3\x84",
    "\xc4\xb0",
    "\xef\xbb\xbf",
    "",
  ];
  for (let round = 0; round < 2000; round++) {
    // Most chunks are all ASCII, many have one case only.
    const some = random.pick([
      pieces,
      pieces.slice(0, 16),
      [..."az09@.{`["],
      [..."az0A"],
    ]);
    const line = random.list(0, 40, () => random.pick(some)).join("");
    const offset = random.pick([0, 1, 4]);
    const memory = bytes("x".repeat(offset) + line);
    const keys = lineStrings(memory.subarray(offset));
    const each = line.split("\n").map(bytes);
    for (const text of [utf8Text, byteText]) {
      for (const fold of [true, false]) {
        const invalid: Uint8Array[] = [];
        const admitted = admitStrings(
          keys,
          text,
          fold,
          (key) => invalid.push(key),
        );
        const wanted = admitEach(each, text, fold);
        assertEquals(decodeStrings(admitted, text).decoded, wanted, line);
        assertEquals(
          invalid.length,
          wanted.filter((key) => key === undefined).length,
        );
      }
    }
  }
});

Deno.test("strings become bytes and strings again", () => {
  const values = ["a", "", undefined, "käse", "x".repeat(3000), "日本", "b"];
  const encoded = encodeStrings(values, utf8Text);
  assertEquals(countOf(encoded), values.length);
  assertEquals(stringAt(encoded, 2), undefined);
  assertEquals(decodeStrings(encoded, utf8Text).decoded, values);
  const many = Array.from({ length: 500 }, (_, at) => `value ${at}`);
  const ascii = encodeAsciiStrings(many)!;
  for (const text of [utf8Text, byteText]) {
    assertEquals(decodeStrings(ascii, text).decoded, many);
  }
  // As UTF-8, two of these bytes would be one character.
  const latin1 = many.map((value) => `${value} \u00c3\u00a4`);
  const all = encodeStrings(latin1, byteText);
  assertEquals(decodeStrings(all, byteText).decoded, latin1);
  assertEquals(encodeAsciiStrings(["a", "ä"]), undefined);
  assertEquals(encodeAsciiStrings(["a", 1 as unknown as string]), undefined);
});

Deno.test("a string that is no text is found, and the others before it decoded", () => {
  // Each half of a character is none, though both together are one.
  const halves = encodeStrings(["a", "\xc3", "\xa4"], byteText);
  assertEquals(firstNotText(halves, utf8Text), 1);
  assertEquals(decodeStrings(halves, utf8Text), { decoded: ["a"], notText: 1 });
  assertEquals(firstNotText(halves, byteText), -1);
  const fine = encodeStrings(["a", "ä"], utf8Text);
  assertEquals(firstNotText(fine, utf8Text), -1);
  assert(fine.bytes.length > 0);
});
