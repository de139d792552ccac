import {
  bracedPairs,
  splitItems,
  splitKeyValue,
  splitNameValue,
} from "../../lib/config/name_value.ts";
import { assertEquals, assertThrows } from "../support/assert.ts";

Deno.test("splitItems() keeps what braces hold together", () => {
  assertEquals(splitItems(" a, b\tc\n,d "), ["a", "b", "c", "d"]);
  assertEquals(splitItems("{ a, b } x{c d}e"), ["{ a, b }", "x{c d}e"]);
  assertEquals(splitItems("{a {b, c} d},e"), ["{a {b, c} d}", "e"]);
  assertEquals(splitItems("a} b"), ["a}", "b"]);
  assertEquals(splitItems(""), []);
});

Deno.test("bracedPairs() reads pairs, and says where braces are wrong", () => {
  assertEquals(
    bracedPairs("{ a=1, { b = 2 , 3 } {c=}}", splitNameValue),
    [["a", "1"], ["b", "2 , 3"], ["c", ""]],
  );
  const table: [string, string][] = [
    ["a=1", `no "{" at the start`],
    ["{a=1", `missing "}"`],
    ["{a=1}x", `text after "}"`],
    ["{a = 1}", `no "="`],
    ["{{a=1}x}", `text after "}"`],
    ["{=1}", "no name"],
  ];
  for (const [text, message] of table) {
    assertThrows(() => bracedPairs(text, splitNameValue), RangeError, message);
  }
});

Deno.test("splitKeyValue() leaves quotes on a key", () => {
  assertEquals(splitKeyValue(`"a b=c" = d e`), [`"a b=c"`, "d e"]);
  assertEquals(splitKeyValue(`a\\ b = c`), [`a\\ b`, "c"]);
  assertEquals(splitKeyValue("a=b=c"), ["a", "b=c"]);
  assertEquals(splitKeyValue("=v"), ["", "v"]);
  assertThrows(() => splitKeyValue(`"a = b`), RangeError, "unbalanced");
  assertThrows(() => splitKeyValue("a b = c"), RangeError, `no "="`);
});
