import { NetstringParser } from "../../lib/socketmap/netstring.ts";
import { assertEquals } from "../support/assert.ts";
import { latin1 } from "../support/processes.ts";
import { bytesOf } from "../support/socketmap.ts";

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
    for (let next = parser.next(); next; next = parser.next()) {
      found.push(latin1(next));
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
    ["11:", "more than 10 bytes"],
    ["99999999999999999999999", "more than 10 bytes"],
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
