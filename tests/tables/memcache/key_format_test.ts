import {
  expandKeyFormat,
  parseKeyFormat,
} from "../../../lib/tables/memcache/key_format.ts";
import { assertEquals, assertThrows } from "../../support/assert.ts";

Deno.test("expandKeyFormat() expands, or skips what lacks a part", () => {
  const table: [string, string, string | undefined][] = [
    ["%s", "a@b", "a@b"],
    ["x:%s", "a", "x:a"],
    ["100%%", "a", "100%"],
    ["%S%U%D", "a@b.c", "a@b.cab.c"],
    ["%u", "a@b", "a"],
    ["%u", "a", "a"],
    ["%u", "@b", undefined],
    ["%s", "@b", "@b"],
    ["%u", "a@b@c", "a@b"],
    ["%d", "a@b@c", "c"],
    ["%d", "a", undefined],
    ["%d", "a@", undefined],
    ["%d", "@b", "b"],
    ["%u", "a@", "a"],
    ["%1", "a@mail.example.com", "com"],
    ["%3.%2.%1", "a@mail.example.com", "mail.example.com"],
    ["%4", "a@mail.example.com", undefined],
    ["%2", "a@example..com", "example"],
    ["%2", "a@.com", undefined],
    ["%9", "a@1.2.3.4.5.6.7.8.9", "1"],
    ["%u%1", "@b.c", undefined],
    ["", "a", ""],
    ["literal", "a", "literal"],
    ["%s'\"", "o'neil", "o'neil'\""],
  ];
  for (const [format, key, expected] of table) {
    assertEquals(
      expandKeyFormat(parseKeyFormat(format), key),
      expected,
      `${format} of ${key}`,
    );
  }
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
