import { NetstringParser, tooLong } from "../../lib/socketmap/netstring.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { latin1 } from "../support/latin1.ts";
import { bytesOf, netstring } from "../support/socketmap.ts";

/** All that a parser finds in bytes that come in pieces. */
function parse(text: string, size: number, limit = 10_000) {
  const parser = new NetstringParser(limit);
  const found: string[] = [];
  const buffer = new Uint8Array(size);
  for (let at = 0; at < text.length; at += size) {
    const piece = bytesOf(text.slice(at, at + size));
    // As a socket does, it uses the same memory again.
    buffer.set(piece);
    parser.push(buffer.subarray(0, piece.length));
    for (let next; (next = parser.next()) !== undefined;) {
      found.push(next === tooLong ? "too long" : latin1(next));
    }
  }
  return { found, partial: parser.partial, broken: parser.broken };
}

Deno.test("NetstringParser reads netstrings however they are cut", () => {
  const long = "x".repeat(300);
  const text = `7:a alice,0:,3:,1:,2:\xff\0,300:${long},5:ha`;
  for (let size = 1; size <= text.length; size++) {
    assertEquals(parse(text, size), {
      found: ["a alice", "", ",1:", "\xff\0", long],
      partial: true,
      broken: undefined,
    });
  }
  assertEquals(parse("1:a,", 1).partial, false);
});

Deno.test("NetstringParser says what is wrong, as soon as it is", () => {
  const table: [string, string][] = [
    ["x", "no length"],
    [",", "no length"],
    [":", "no length"],
    ["-1:", "no length"],
    ["1 :a,", "no length"],
    ["1:ab", "no comma"],
    ["0:a", "no comma"],
    ["01:a,", "zeros"],
    ["00:,", "zeros"],
    ["11:0123456789a;", "no comma"],
    ["1000000000", "more than 999999999 bytes"],
    ["99999999999999999999999", "more than 999999999 bytes"],
  ];
  for (const [text, reason] of table) {
    for (const size of [1, text.length]) {
      const { found, broken, partial } = parse(`1:a,${text}`, size, 10);
      assertEquals(found, ["a"], text);
      assertEquals(broken?.includes(reason), true, `${text}: ${broken}`);
      assertEquals(partial, false);
    }
  }
  assertEquals(parse("10:0123456789,", 4, 10).found, ["0123456789"]);
});

Deno.test("NetstringParser skips what is too long, and keeps nothing of it", () => {
  const long = "y".repeat(1000);
  const text = `1:a,11:01234567890,10:0123456789,1000:${long},0:,12:${long}`;
  for (let size = 1; size <= 50; size++) {
    const { found, partial, broken } = parse(text.slice(0, -988), size, 10);
    assertEquals(found, ["a", "too long", "0123456789", "too long", ""]);
    assertEquals([partial, broken], [true, undefined]);
  }
  const parser = new NetstringParser(1000);
  parser.push(bytesOf("999999999:"));
  const chunk = new Uint8Array(65536);
  for (let count = 0; count < 100; count++) {
    assertEquals(parser.next(), undefined);
    assertEquals([parser.partial, parser.held], [true, 0]);
    parser.push(chunk);
  }
});

Deno.test("NetstringParser takes linear time, however small the pieces are", () => {
  const long = bytesOf(netstring("z".repeat(1_000_000)));
  const parser = new NetstringParser(1_000_000);
  const start = performance.now();
  for (let at = 0; at < long.length; at++) {
    parser.push(long.subarray(at, at + 1));
    const found = parser.next();
    assertEquals(found === undefined, at < long.length - 1);
  }
  // With a copy for each piece it is a minute, on a machine that does nothing else.
  assert(performance.now() - start < 30_000);
  assertEquals(parser.next(), undefined);
  assertEquals(parser.held, 0);
});
