import {
  type KeyFormat,
  parseKeyFormat,
} from "../../../lib/tables/memcache/key_format.ts";
import { assertEquals, assertThrows } from "../../support/assert.ts";

/** The parts in one line: literal text in quotes, and what is expanded. */
function shown({ parts }: KeyFormat): string {
  return parts.map((part) =>
    "literal" in part ? JSON.stringify(part.literal) : part.expand
  ).join(" ");
}

Deno.test("parseKeyFormat() takes a format apart", () => {
  const table: [
    format: string,
    parts: string,
    usesLocalPart: boolean,
    usesDomain: boolean,
    labels: number,
  ][] = [
    ["", "", false, false, 0],
    ["%s", "s", false, false, 0],
    ["%S", "s", false, false, 0],
    ["%u", "u", true, false, 0],
    ["%U", "u", true, false, 0],
    ["%d", "d", false, true, 0],
    ["%D", "d", false, true, 0],
    ["%u@%d", 'u "@" d', true, true, 0],
    ["%s%u%d", "s u d", true, true, 0],
    ["%1", "1", false, true, 1],
    ["%9", "9", false, true, 9],
    ["%3.%1", '3 "." 1', false, true, 3],
    ["%1.%3", '1 "." 3', false, true, 3],
    ["%2%2", "2 2", false, true, 2],
    ["%%", '"%"', false, false, 0],
    ["%%s", '"%s"', false, false, 0],
    ["%%%s", '"%" s', false, false, 0],
    ["100%%", '"100%"', false, false, 0],
    ["x%s", '"x" s', false, false, 0],
    ["x%sx", '"x" s "x"', false, false, 0],
    ["a%%b:%S@%2.%u", '"a%b:" s "@" 2 "." u', true, true, 2],
    [" %s\t", '" " s "\\t"', false, false, 0],
    ["\xc3\xa9\0%s", '"\xc3\xa9\\u0000" s', false, false, 0],
    ["sud19", '"sud19"', false, false, 0],
  ];
  for (const [format, parts, usesLocalPart, usesDomain, labels] of table) {
    const parsed = parseKeyFormat(format);
    assertEquals(
      [shown(parsed), parsed.usesLocalPart, parsed.usesDomain, parsed.labels],
      [parts, usesLocalPart, usesDomain, labels],
      format,
    );
  }
});

Deno.test("parseKeyFormat() says what is wrong with a format", () => {
  const atEnd = (shown: string) =>
    `"%" at the end of "${shown}": write "%%" for a percent sign`;
  const unknown = (part: string, shown: string) =>
    `"${part}" in "${shown}" means nothing: ` +
    `use %s, %u, %d, %1 to %9, or "%%" for a percent sign`;
  const table: [format: string, message: string, shown?: string][] = [
    ["%", atEnd("%")],
    ["a%", atEnd("a%")],
    ["%s%%%", atEnd("%s%%%")],
    ["%x", unknown("%x", "%x")],
    ["%X", unknown("%X", "%X")],
    ["%0", unknown("%0", "%0")],
    ["%:", unknown("%:", "%:")],
    ["%/", unknown("%/", "%/")],
    ["%t", unknown("%t", "%t")],
    ["%~", unknown("%~", "%~")],
    ["% s", unknown("% ", "% s")],
    ["%s %n", unknown("%n", "%s %n")],
    // One byte of a character is nothing that can be shown.
    ["\xc3\xa9%\xc3\xa9", unknown("%…", "é%é"), "é%é"],
    ["%\x7f", unknown("%…", "%\x7f")],
  ];
  for (const [format, message, shown] of table) {
    const error = assertThrows(
      () => parseKeyFormat(format, shown),
      RangeError,
    );
    assertEquals(error.message, message);
  }
});
