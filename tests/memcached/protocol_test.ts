import { byteText } from "../../lib/bytes/text.ts";
import {
  beforeNull,
  canSkip,
  type Command,
  encodeGet,
  keyOfGet,
  quoted,
  readRefusal,
  type Reply,
} from "../../lib/memcached/protocol.ts";
import { ReplyParser } from "../../lib/memcached/reply_parser.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { Random } from "../support/random.ts";

const k = encodeGet(byteText.encode("k"));
const limits = { lineSizeLimit: 64, dataSizeLimit: 16 };
const longLine = `VALUE ${"k".repeat(60)} 0 5\r\nhello\r\nEND\r\n`;

/** A value of which the flags have so many digits. */
function flagged(digits: number): string {
  return `VALUE k ${"0".repeat(digits)} 5\r\nhello\r\nEND\r\n`;
}

/** Bytes in; a word for the reply, and how many bytes it took. */
const table: [Command, string, string, number][] = [
  ["get", "END\r\n", "not found", 5],
  ["get", "END\n", "not found", 4],
  ["get", "END\r\nEND\r\n", "not found", 5],
  ["get", "END", "…", 3],
  ["get", "", "…", 0],
  ["get", "VALUE k 0 5\r\nhello\r\nEND\r\n", "hello", 25],
  ["get", "VALUE k 0 5\r\nhello\r\nEND\r\nX", "hello", 25],
  ["get", "VALUE k 0 0\r\n\r\nEND\r\n", "", 20],
  ["get", "VALUE k 0 5\r\nhello\r\n", "…", 20],
  ["get", "VALUE k 0 5\r\nhello\r\nOOPS\r\n", "hello, broken", 26],
  ["get", "VALUE k 0 5\r\nhello\nEND\r\n", "failure", 19],
  ["get", "VALUE k 0 5\r\nhello!\r\nEND\r\n", "failure", 19],
  [
    "get",
    "VALUE k 0 16\r\n0123456789abcdef\r\nEND\r\n",
    "0123456789abcdef",
    37,
  ],
  ["get", "VALUE k 0 17\r\n", "…", 14],
  ["get", `VALUE k 0 17\r\n${"x".repeat(17)}\r\nEND\r\n`, "refused", 38],
  ["get", `VALUE k 0 17\r\n${"x".repeat(17)}\r\nEN\r\n`, "failure", 37],
  ["get", `VALUE k 0 17\r\n${"x".repeat(19)}\r\nEND\r\n`, "failure", 32],
  ["get", "VALUE k 0 99999999\r\n", "failure", 20],
  ["get", "VALUE other 0 5\r\nhello\r\nEND\r\n", "failure", 17],
  ["get", "VALUE kk 0 5\r\nhello\r\nEND\r\n", "failure", 14],
  ["get", "VALUE  k\t0 5\r\nhello\r\nEND\r\n", "hello", 26],
  ["get", "SERVER_ERROR busy\r\nEND\r\n", "refused", 19],
  ["get", "VALUE k 0 -1\r\n", "failure", 14],
  ["get", "STORED\r\n", "failure", 8],
  ["get", "toString\r\n", "failure", 10],
  ["get", longLine, "failure", 71],
  // A word ends at a null byte, as for Postfix.
  ["get", "END\0junk\r\n", "not found", 10],
  ["get", "ENDS\r\n", "failure", 6],
  ["get", "END \r\n", "failure", 6],
  ["get", "VALUE k 0 5\r\nhello\r\nEND\0x\r\n", "hello", 27],
  ["get", "VALUF k 0 5\r\nhello\r\nEND\r\n", "failure", 13],
  // The length is read as by sscanf; what follows it is free.
  ["get", "VALUE k 0 5 77\r\nhello\r\nEND\r\n", "hello", 28],
  ["get", "VALUE k 0 5:\r\nhello\r\nEND\r\n", "hello", 26],
  ["get", "VALUE k 0 +5\r\nhello\r\nEND\r\n", "hello", 26],
  ["get", "VALUE k 0 -0\r\n\r\nEND\r\n", "", 21],
  ["get", "VALUE k 0 ++5\r\nhello\r\nEND\r\n", "failure", 15],
  ["get", "VALUE k 0 9\r\n123456789\r\nEND\r\n", "123456789", 29],
  ["get", "VALUE k 0 10\r\n0123456789\r\nEND\r\n", "0123456789", 31],
  ["get", "VALUE k 0\r5\r\nhello\r\nEND\r\n", "hello", 25],
  ["get", "VALUE k 0\x0e5\r\nhello\r\nEND\r\n", "failure", 13],
  ["get", "VALUE k 0\x085\r\nhello\r\nEND\r\n", "failure", 13],
  ["get", "VALUE k 0\0 5\r\nhello\r\nEND\r\n", "failure", 14],
  ["get", "VALUE k 0\x01 5\r\nhello\r\nEND\r\n", "hello", 26],
  ["get", "VALUE k 0 \r\n\r\nEND\r\n", "failure", 12],
  ["get", "VALUE k 0\r\n\r\nEND\r\n", "failure", 11],
  ["get", "VALUE k\r\n\r\nEND\r\n", "failure", 9],
  // A line has 64 bytes at most, the LF of a CR LF not counted.
  ["get", flagged(53), "hello", 77],
  ["get", flagged(54), "failure", 65],
  ["set", "STORED\r\n", "stored", 8],
  ["set", "NOT_STORED\r\n", "refused", 12],
  ["set", "END\r\n", "failure", 5],
  ["set", "VALUE k 0 5\r\n", "failure", 13],
  ["delete", "DELETED\r\n", "deleted", 9],
  ["delete", "NOT_FOUND\r\n", "not found", 11],
  ["delete", "ERROR\r\n", "refused", 7],
];

function word(reply: Reply | undefined): string {
  if (reply === undefined) return "…";
  if (reply.kind !== "value") return reply.kind;
  return byteText.decode(reply.data) + (reply.broken ? ", broken" : "");
}

Deno.test("ReplyParser reads replies, and takes no byte too many", () => {
  for (const [command, text, expected, used] of table) {
    const parser = new ReplyParser(limits);
    parser.start(command, k);
    const taken = parser.push(byteText.encode(text), 0);
    assertEquals(
      [word(parser.reply), taken],
      [expected, used],
      `${command} ${text}`,
    );
  }
});

Deno.test("ReplyParser reads the same however the bytes are cut", () => {
  const random = new Random(7);
  for (const [command, text, expected] of table) {
    for (let round = 0; round < 40; round++) {
      const parser = new ReplyParser(limits);
      parser.start(command, k);
      const bytes = byteText.encode(text);
      for (let at = 0; at < bytes.length && parser.reply === undefined;) {
        const length = round === 0 ? 1 : random.integer(1, 8);
        const piece = bytes.slice(at, at + length);
        parser.push(piece, 0);
        // A socket reads the next bytes into the same memory.
        if (parser.reply === undefined) piece.fill(0);
        at += length;
      }
      assertEquals(word(parser.reply), expected, `${command} ${text}`);
    }
  }
});

Deno.test("ReplyParser reads one reply after another from one chunk", () => {
  const parser = new ReplyParser(limits);
  const bytes = byteText.encode(
    "VALUE k 0 1\r\n1\r\nEND\r\nEND\r\nVALUE k 0 1\r\n2\r\nEND\r\n",
  );
  const words: string[] = [];
  for (let at = 0; at < bytes.length;) {
    parser.start("get", k);
    at = parser.push(bytes, at);
    words.push(word(parser.reply));
  }
  assertEquals(words, ["1", "not found", "2"]);
});

Deno.test("ReplyParser.hasPart is true while a part of the reply has come", () => {
  const parser = new ReplyParser(limits);
  parser.start("get", k);
  const pieces: [string, boolean][] = [
    ["", false],
    ["V", true],
    ["ALUE k 0 5\r\n", true],
    ["hel", true],
    ["lo", true],
    ["\r", true],
    ["\n", true],
    ["EN", true],
    ["D\r\n", false],
  ];
  for (const [piece, hasPart] of pieces) {
    parser.push(byteText.encode(piece), 0);
    assertEquals(parser.hasPart, hasPart, JSON.stringify(piece));
  }
  assertEquals(word(parser.reply), "hello");
});

Deno.test("ReplyParser.start() forgets a reply of which a part has come", () => {
  for (const part of ["EN", "VALUE k 0 5\r\nhel", "VALUE k 0 0\r\n\r"]) {
    const parser = new ReplyParser(limits);
    parser.start("get", k);
    parser.push(byteText.encode(part), 0);
    parser.start("get", k);
    assertEquals(parser.hasPart, false);
    parser.push(byteText.encode("VALUE k 0 1\r\n1\r\nEND\r\n"), 0);
    assertEquals(word(parser.reply), "1", part);
    // The end comes when the reply is there already.
    assertEquals(word(parser.end("closed")), "1", part);
  }
});

Deno.test("ReplyParser says why it can read nothing more", () => {
  const table: [string, string][] = [
    ["VALUE other 0 5\r\n", "a value for a key that was not asked for"],
    ["VALUE kk 0 5\r\n", "a value for a key that was not asked for"],
    [`${"x".repeat(65)}`, "a reply line is longer than line_size_limit = 64"],
    [
      "VALUE k 0 5\r\nhello!",
      "a value does not end after the 5 bytes that were announced",
    ],
    [
      "VALUE k 0 16777217\r\n",
      "a value of 16777217 bytes is longer than data_size_limit = 16",
    ],
    ["HELLO\r\n", 'it answers "HELLO"'],
  ];
  for (const [text, reason] of table) {
    const parser = new ReplyParser(limits);
    parser.start("get", k);
    parser.push(byteText.encode(text), 0);
    assertEquals(parser.reply, { kind: "failure", reason }, text);
  }
});

Deno.test("a value may be as long as data_size_limit allows, and no longer one is kept", () => {
  const mebibytes = 16 * 1024 * 1024;
  const table: [length: number, limit: number, isRead: boolean][] = [
    [mebibytes, 16, true],
    [mebibytes + 1, 16, false],
    [mebibytes + 1, mebibytes + 1, true],
    [mebibytes + 2, mebibytes + 1, false],
  ];
  for (const [length, dataSizeLimit, isRead] of table) {
    const parser = new ReplyParser({ lineSizeLimit: 64, dataSizeLimit });
    parser.start("get", k);
    parser.push(byteText.encode(`VALUE k 0 ${length}\r\n`), 0);
    assertEquals(parser.reply === undefined, isRead, `${length}`);
  }
  assertEquals(
    [canSkip(mebibytes), canSkip(mebibytes + 1)],
    [true, false],
  );
});

Deno.test("ReplyParser.end() keeps a value that only lacks its END", () => {
  const endings: [string, string][] = [
    ["VALUE k 0 5\r\nhello\r\n", "hello, broken"],
    ["VALUE k 0 5\r\nhello\r\nEN", "hello, broken"],
    ["VALUE k 0 5\r\nhello\r", "failure"],
    ["VALUE k 0 5\r\nhel", "failure"],
    ["EN", "failure"],
    ["", "failure"],
  ];
  for (const [text, expected] of endings) {
    const parser = new ReplyParser(limits);
    parser.start("get", k);
    parser.push(byteText.encode(text), 0);
    assertEquals(word(parser.end("closed")), expected, text);
  }
});

Deno.test("ReplyParser compares whole words and keys", () => {
  const parser = new ReplyParser(limits);
  parser.start("get", encodeGet(byteText.encode("key")));
  parser.push(byteText.encode("VALUE ke 0 1\r\n"), 0);
  assertEquals(word(parser.reply), "failure");
  // The buffer for a line that comes in pieces still has an older one.
  parser.start("get", k);
  parser.push(byteText.encode("END"), 0);
  parser.start("get", k);
  parser.push(byteText.encode("EN"), 0);
  parser.push(byteText.encode("\n"), 0);
  assertEquals(word(parser.reply), "failure");
});

Deno.test("ReplyParser gives up an endless line at the limit", () => {
  const parser = new ReplyParser(limits);
  parser.start("get", k);
  const chunk = byteText.encode("x".repeat(10));
  let pushed = 0;
  while (parser.reply === undefined) {
    parser.push(chunk, 0);
    pushed += chunk.length;
    assert(pushed <= 70);
  }
  assertEquals(parser.reply.kind, "failure");
});

Deno.test("ReplyParser survives random bytes", () => {
  const random = Random.seeded("reply");
  const pieces = [
    "VALUE ",
    "END",
    "\r\n",
    "\n",
    "k 0 5",
    "\0",
    "\xff",
    "hello",
    "STORED",
    "-",
    "9999999999",
    " ",
  ];
  for (let round = 0; round < 3000; round++) {
    const parser = new ReplyParser(limits);
    parser.start(random.pick<Command>(["get", "set", "delete"]), k);
    const bytes = byteText.encode(
      random.list(0, 12, () => random.pick(pieces)).join(""),
    );
    const used = parser.push(bytes, 0);
    assert(used <= bytes.length);
    assert(parser.reply !== undefined || used === bytes.length);
    parser.end("closed");
  }
});

const wire = (bytes: Uint8Array) => byteText.decode(bytes);

Deno.test("a lookup is encoded as memcached's text protocol has it", () => {
  assertEquals(wire(encodeGet(byteText.encode("a\xe4"))), "get a\xe4\r\n");
});

Deno.test("readRefusal() says what helps where a log-in is wanted", () => {
  for (const said of ["unauthenticated", "bad authentication token format"]) {
    assertEquals(readRefusal(byteText.encode(`CLIENT_ERROR ${said}`)), {
      kind: "refused",
      reason: `it answers "CLIENT_ERROR ${said}": set user and password`,
      about: "doubtful",
    });
  }
});

Deno.test("readRefusal() tells what an answer that is no good one is about", () => {
  const table: [string, string][] = [
    ["SERVER_ERROR out of memory storing object", "entry"],
    ["SERVER_ERROR object too large for cache", "entry"],
    ["SERVER_ERROR busy", "command"],
    ["SERVER_ERROR", "command"],
    ["ERROR", "doubtful"],
    ["ERROR Too many open connections", "doubtful"],
    ["NOT_STORED", "doubtful"],
    ["EXISTS", "doubtful"],
    ["ERRORS", "failure"],
    ["SERVER_ERRORS", "failure"],
    ["server_error x", "failure"],
    ["", "failure"],
  ];
  for (const [line, expected] of table) {
    const refusal = readRefusal(byteText.encode(line));
    const about = refusal.kind === "failure" ? refusal.kind : refusal.about;
    assertEquals([about, refusal.reason], [expected, `it answers "${line}"`]);
  }
});

Deno.test("readRefusal() shows 200 characters of a long answer", () => {
  for (const length of [199, 200, 201, 202, 5000]) {
    const line = byteText.encode("x".repeat(length));
    const shown = "x".repeat(Math.min(length, 200));
    assertEquals(readRefusal(line), {
      kind: "failure",
      reason: `it answers "${shown}${length > 200 ? "…" : ""}"`,
    });
  }
});

Deno.test("beforeNull() ends data before its first null byte", () => {
  const table: [string, string][] = [
    ["", ""],
    ["a", "a"],
    ["a\x01b", "a\x01b"],
    ["\0", ""],
    ["\0a", ""],
    ["a\0b\0", "a"],
  ];
  for (const [data, expected] of table) {
    assertEquals(wire(beforeNull(byteText.encode(data))), expected);
  }
});

Deno.test("keyOfGet() is the key that encodeGet() was given", () => {
  for (const key of ["a", "key", "k".repeat(250), "\xff"]) {
    const request = encodeGet(byteText.encode(key));
    assertEquals(wire(keyOfGet(request)), key);
  }
});

Deno.test("quoted() shows what a server said, and marks what is cut off", () => {
  assertEquals(quoted("a\r\n\x00\xff"), '"a????"');
  assertEquals(quoted("x".repeat(200)), `"${"x".repeat(200)}"`);
  assertEquals(quoted("x".repeat(201)), `"${"x".repeat(200)}…"`);
});
