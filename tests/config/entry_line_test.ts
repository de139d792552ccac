import { parseEntryLine } from "../../lib/config/entry_line.ts";
import {
  assertEquals,
  assertStringIncludes,
  assertThrows,
} from "../support/assert.ts";

Deno.test("parseEntryLine() splits at the first white space outside quotes", () => {
  const table: [string, string, string][] = [
    ["a b", "a", "b"],
    ["a \t b c \t", "a", "b c"],
    [`"a b" c`, `"a b"`, "c"],
    [`"a \\" b" c`, `"a \\" b"`, "c"],
    [`a"b c"d e`, `a"b c"d`, "e"],
    ["a\\ b c", "a\\ b", "c"],
    ["a\r\nb", "a", "b"],
  ];
  for (const [line, key, value] of table) {
    assertEquals(parseEntryLine(line), { key, value }, line);
  }
});

Deno.test("parseEntryLine() refuses a line without a value, and doubts an alias", () => {
  for (const line of ["a", "a ", "  ", ""]) {
    assertThrows(
      () => parseEntryLine(line),
      RangeError,
      "key white-space value",
    );
  }
  assertThrows(() => parseEntryLine(`"a b`), RangeError, "unbalanced");
  assertEquals(parseEntryLine("root: me").doubt?.includes("alias file"), true);
});

Deno.test("parseEntryLine() keeps a byte order mark in the key, and doubts it", () => {
  for (const mark of ["\ufeff", "\xef\xbb\xbf"]) {
    const { key, value, doubt } = parseEntryLine(`${mark}a b`);
    assertEquals([key, value], [`${mark}a`, "b"]);
    assertStringIncludes(
      doubt!,
      'U+FEFF) is part of the key that looks like "a"',
    );
  }
});
