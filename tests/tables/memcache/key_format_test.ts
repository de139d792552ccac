import { parseKeyFormat } from "../../../lib/tables/memcache/key_format.ts";
import { assertEquals, assertThrows } from "../../support/assert.ts";

Deno.test("parseKeyFormat() takes a format apart", () => {
  assertEquals(parseKeyFormat("a%%b:%S@%2.%u"), {
    parts: [
      { literal: "a%b:" },
      { expand: "s" },
      { literal: "@" },
      { expand: "2" },
      { literal: "." },
      { expand: "u" },
    ],
    usesLocalPart: true,
    usesDomain: true,
    labels: 2,
  });
  assertEquals(parseKeyFormat("").parts, []);
});

Deno.test("parseKeyFormat() says what is wrong with a format", () => {
  assertThrows(
    () => parseKeyFormat("a%"),
    RangeError,
    `"%" at the end of "a%"`,
  );
  assertThrows(
    () => parseKeyFormat("%x"),
    RangeError,
    `"%x" in "%x" means nothing`,
  );
  assertThrows(() => parseKeyFormat("%0"), RangeError, "%1 to %9");
  assertThrows(
    () => parseKeyFormat("\xc3\xa9%\xc3\xa9", "é%é"),
    RangeError,
    `"%…" in "é%é" means nothing`,
  );
});
