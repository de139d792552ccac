import { byteText } from "../../lib/bytes/text.ts";
import { asciiBytes } from "../../lib/memcached/protocol.ts";
import { isLine, ReplyLines } from "../../lib/memcached/reply_lines.ts";
import { assert, assertEquals } from "../support/assert.ts";

/** The line that was completed last. */
function lineOf({ bytes, start, end }: ReplyLines): string {
  return byteText.decode(bytes.subarray(start, end))!;
}

/** The lines of a text that comes in pieces of so many bytes. */
function read(text: string, size: number, limit: number): string[] {
  const lines = new ReplyLines(limit);
  const found: string[] = [];
  for (let from = 0; from < text.length; from += size) {
    const bytes = byteText.encode(text.slice(from, from + size));
    for (let at = 0; at < bytes.length;) {
      at = lines.take(bytes, at);
      if (lines.tooLong) return [...found, "too long"];
      if (lines.complete) found.push(lineOf(lines));
    }
  }
  return lines.isHolding ? [...found, "…"] : found;
}

Deno.test("ReplyLines takes lines of up to 5 bytes, however they are cut", () => {
  const table: [string, ...string[]][] = [
    [""],
    ["\n", ""],
    ["\r\n", ""],
    ["\n\r\n\n", "", "", ""],
    ["a", "…"],
    ["a\r", "…"],
    ["a\n", "a"],
    ["abc\r\nd\n", "abc", "d"],
    ["a\rb\n", "a\rb"],
    ["a\r\r\n", "a\r"],
    ["\0\xff\n", "\0\xff"],
    // The LF of a CR LF does not count.
    ["abcd\n", "abcd"],
    ["abcd\r\n", "abcd"],
    ["abcd\r", "…"],
    ["abcde", "too long"],
    ["abcde\n", "too long"],
    ["abcde\r\n", "too long"],
    ["abc\rde\r\n", "too long"],
    ["a\nabcd\r\nabcde\n", "a", "abcd", "too long"],
  ];
  for (const [text, ...expected] of table) {
    for (const size of [1, 2, 3, 100]) {
      assertEquals(
        read(text, size, 5),
        expected,
        `${JSON.stringify(text)}, ${size} bytes at a time`,
      );
    }
  }
});

Deno.test("ReplyLines stops behind each line, and copies none that comes whole", () => {
  const lines = new ReplyLines(100);
  const bytes = asciiBytes("one\r\ntwo\nthree");
  assertEquals(lines.take(bytes, 0), 5);
  assertEquals([lineOf(lines), lines.bytes === bytes], ["one", true]);
  assertEquals(lines.take(bytes, 5), 9);
  assertEquals([lineOf(lines), lines.bytes === bytes], ["two", true]);
  assertEquals(lines.take(bytes, 9), 14);
  assertEquals([lines.complete, lines.isHolding], [false, true]);
  assertEquals(lines.take(asciiBytes("!\n?"), 0), 2);
  assertEquals([lineOf(lines), lines.isHolding], ["three!", false]);
  // A CR before the start belongs to what was taken before.
  assertEquals(lines.take(asciiBytes("\r\n"), 1), 2);
  assertEquals([lines.start, lines.end], [1, 1]);
});

Deno.test("ReplyLines.clear() forgets all that was taken", () => {
  const lines = new ReplyLines(5);
  assertEquals([lines.complete, lines.tooLong], [false, false]);
  lines.take(asciiBytes("a"), 0);
  lines.clear();
  assertEquals(lines.isHolding, false);
  lines.take(asciiBytes("b\n"), 0);
  assertEquals([lineOf(lines), lines.complete], ["b", true]);
  lines.clear();
  assertEquals(lines.complete, false);
  lines.take(asciiBytes("abcdef"), 0);
  assertEquals(lines.tooLong, true);
  lines.clear();
  assertEquals(lines.tooLong, false);
});

Deno.test("isLine() compares a line with a word", () => {
  const table: [line: string, word: string, is: boolean][] = [
    ["END", "END", true],
    ["END ", "END", false],
    ["ENDING", "END", false],
    ["EN", "END", false],
    ["", "END", false],
    ["XND", "END", false],
    ["ENX", "END", false],
    ["end", "END", false],
    [" END", "END", false],
  ];
  for (const [line, word, is] of table) {
    const lines = new ReplyLines(100);
    // The line starts somewhere in its chunk, and the word goes on behind it.
    const bytes = asciiBytes(`before\n${line}\n${word}`);
    lines.take(bytes, lines.take(bytes, 0));
    assertEquals(isLine(lines, asciiBytes(word)), is, JSON.stringify(line));
  }
  // The rest of the word is not taken from what stands behind a line.
  const lines = new ReplyLines(100);
  lines.take(asciiBytes("E\nND"), 0);
  assert(!isLine(lines, asciiBytes("E\nND")));
});
