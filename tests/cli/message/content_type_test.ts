import { parseContentType } from "../../../lib/cli/message/content_type.ts";
import { assertEquals } from "../../support/assert.ts";

Deno.test("parseContentType() tells messages, multiparts and the rest apart", () => {
  const table: [string, boolean | undefined, boolean?][] = [
    ["text/plain", false],
    ["text", false],
    ["TEXT / (a (b) \\) c) html", false],
    ["text/plain; boundary=b", false],
    ["(a)message(b)/(c)rfc822", true],
    ["message/rfc822", true],
    [" Message/RFC822; x=y", true],
    ["message/global", true],
    ["message/partial; id=1", false],
    ["message/external-body", false],
    ["message", false],
    ["message rfc822", false],
    ['"message"/rfc822', undefined],
    ['message/"rfc822"', false],
    ["multipart/digest", false, true],
    ["multipart/mixed", false],
    ["multipart", false],
    ["application/pdf", undefined],
    ["", false],
    [";", false],
    ["(all of it", false],
    ["/", undefined],
  ];
  for (const [value, message, digest = false] of table) {
    assertEquals(
      parseContentType(value),
      { message, digest, boundaries: [] },
      value,
    );
  }
});

Deno.test("parseContentType() finds every boundary", () => {
  const table: [string, string[]][] = [
    ["; boundary=a", ["a"]],
    [';boundary="a b"', ["a b"]],
    ['; boundary="a\\"b\\\\"', ['a"b\\']],
    ['; boundary="a  \n\t b"', ["a\t b"]],
    ['; boundary="never closed', ["never closed"]],
    ['; boundary="x\\', ["x"]],
    ['; boundary=""', [""]],
    ["; BOUNDARY = (comment) a", ["a"]],
    ["; boundary=a; charset=x; boundary=b", ["a", "b"]],
    ["; boundary=a/b", ["a"]],
    ["; boundary==", ["="]],
    ["; boundary=a b c", ["a"]],
    ["; boundary", []],
    ["; boundary=", []],
    ['; "boundary"=a', []],
    ["; x boundary=a", []],
    [";; ; boundary=a;", ["a"]],
    ["; boundary=é\x01", ["é"]],
    ["; type=x;\r\n boundary=a\r", ["a"]],
    [" boundary=a", []],
  ];
  for (const [rest, boundaries] of table) {
    const { boundaries: found } = parseContentType(`multipart/mixed${rest}`);
    assertEquals(found, boundaries, rest);
  }
});

Deno.test("parseContentType() takes no longer for what is made to be hard", () => {
  for (const hard of ["(", ")", '"\n ', "\\", "\n", ";", '"', "a\n ", "="]) {
    const value = `multipart/x;boundary="${hard.repeat(100_000)}`;
    assertEquals(parseContentType(value).message, false);
  }
});
