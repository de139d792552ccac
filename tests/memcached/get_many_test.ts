import {
  ByteStringsBuilder,
  decodeStrings,
} from "../../lib/bytes/byte_strings.ts";
import { byteText } from "../../lib/bytes/text.ts";
import { GetMany } from "../../lib/memcached/get_many.ts";
import { keyOfGet } from "../../lib/memcached/protocol.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { Random } from "../support/random.ts";

const limits = { lineSizeLimit: 64, dataSizeLimit: 100 };

/**
 * An exchange that asks for some keys, each with `a:` before it, in the memory of
 * an old one.
 */
function asking(
  keys: string[],
  old?: { gets: GetMany; values: ByteStringsBuilder },
) {
  const values = new ByteStringsBuilder(keys.length, 8, old?.values);
  const gets = new GetMany(keys.length, 16, values, limits, old?.gets);
  for (const [number, key] of keys.entries()) {
    // Begun, and then not asked for.
    gets.beginKey().appendAscii("never");
    gets.dropKey();
    gets.beginKey().appendAscii(`a:${key}`);
    gets.endKey(number);
  }
  gets.finish();
  return {
    gets,
    values,
    sent: byteText.decode(gets.bytes)!,
    found: () => decodeStrings(values, byteText).decoded,
    open: () =>
      gets.unfinished(2).map(({ bytes, refusal }) =>
        byteText.decode(keyOfGet(bytes)) + (refusal ? " refused" : "")
      ),
  };
}

const value = (key: string, data: string) =>
  `VALUE a:${key} 0 ${data.length}\r\n${data}\r\n`;

/** Pushes a reply in pieces of so many bytes; returns how many were used. */
function pushInPieces(gets: GetMany, reply: string, size: number): number {
  const bytes = byteText.encode(reply);
  let used = 0;
  for (let at = 0; at < bytes.length; at += size) {
    const piece = bytes.subarray(at, at + size);
    const taken = gets.push(piece, 0);
    used += taken;
    if (taken < piece.length) break;
  }
  return used;
}

Deno.test("GetMany in the memory of another has nothing of that", () => {
  const random = Random.seeded("get_many memory");
  let old: ReturnType<typeof asking> | undefined;
  for (let round = 0; round < 300; round++) {
    const keys = random.list(
      1,
      40,
      () => random.pick(["k", "key", "k".repeat(30)]),
    )
      .map((key, at) => `${key}${at}`);
    const data = keys.map((key) =>
      random.pick([undefined, "", `of ${key}`, `nul\0 ${key}`])
    );
    const reply = keys.map((key, at) =>
      data[at] === undefined ? "" : value(key, data[at])
    ).join("") + "END\r\n";
    const fresh = asking(keys);
    const again = asking(keys, old);
    assertEquals(again.sent, fresh.sent);
    for (const { gets } of [fresh, again]) {
      pushInPieces(gets, reply, random.pick([1, 7, 1000]));
      assert(gets.done);
    }
    assertEquals(again.found(), data.map((one) => one?.split("\0")[0]));
    assertEquals(again.found(), fresh.found());
    assertEquals(again.open(), fresh.open());
    old = again;
  }
});

Deno.test("GetMany asks for keys in lines of a hundred", () => {
  const keys = Array.from({ length: 201 }, (_, at) => `k${at}`);
  const lines = asking(keys).sent.split("\r\n");
  assertEquals(lines.length, 4);
  assertEquals(lines.map((line) => line.split(" ").length - 1), [
    100,
    100,
    1,
    0,
  ]);
  const line = (from: number, to: number) =>
    `get${keys.slice(from, to).map((key) => ` a:${key}`).join("")}`;
  assertEquals(lines, [line(0, 100), line(100, 200), line(200, 201), ""]);
});

Deno.test("GetMany has room for keys that are longer than was said", () => {
  const keys = Array.from(
    { length: 150 },
    (_, at) => `${at}`.padStart(90, "k"),
  );
  const values = new ByteStringsBuilder(keys.length, 8);
  const gets = new GetMany(keys.length, 1, values, limits);
  for (const [number, key] of keys.entries()) {
    const request = gets.beginKey();
    for (const letter of key) request.appendByte(letter.charCodeAt(0));
    gets.endKey(number);
  }
  assertEquals(
    byteText.decode(gets.finish().bytes),
    `get ${keys.slice(0, 100).join(" ")}\r\nget ${
      keys.slice(100).join(" ")
    }\r\n`,
  );
});

Deno.test("GetMany has room for the next key, wherever one ended", () => {
  for (let length = 1; length < 200; length++) {
    const gets = new GetMany(2, 0, new ByteStringsBuilder(2, 8), limits);
    for (const [number, key] of ["k".repeat(length), "x"].entries()) {
      gets.beginKey().appendAscii(key);
      gets.endKey(number);
    }
    assertEquals(
      byteText.decode(gets.finish().bytes),
      `get ${"k".repeat(length)} x\r\n`,
    );
  }
});

Deno.test("GetMany takes usual values without a look for their lines", () => {
  const keys = Array.from({ length: 60 }, (_, at) => `k${at}`);
  const data = keys.map((_, at) => "0123456789".repeat(10).slice(0, at % 101));
  data[9] = "x".repeat(100);
  data[30] = "x".repeat(90);
  const { gets, found } = asking(keys);
  let looks = 0;
  const push = (from: number, to: number, end: string) => {
    const bytes = byteText.encode(
      keys.slice(from, to).map((key, at) => value(key, data[from + at]))
        .join("") + end,
    );
    bytes.indexOf = function (...args) {
      looks++;
      return Uint8Array.prototype.indexOf.apply(this, args);
    };
    return gets.push(bytes, 0) === bytes.length;
  };
  // The second chunk begins with a key in the middle, behind values that were
  // taken in one go.
  assert(push(0, 30, ""));
  assert(push(30, 60, "END\r\n"));
  assert(gets.done);
  assertEquals(found(), data);
  // The line with END.
  assertEquals(looks, 1);
});

const notAsked = "a value for a key that was not asked for";
const all = ["a:x", "a:y", "a:z", "a:y"];
// The LF of a CR LF does not count, of the 64 bytes that a line may have.
const flagged = (length: number) =>
  `VALUE a:x ${"0".repeat(length - "VALUE a:x  1\r".length)} 1\r\n1\r\n`;

const replies: {
  name: string;
  reply: string;
  found?: (string | undefined)[];
  open?: string[];
  failure?: string;
  rest?: string;
}[] = [
  { name: "nothing", reply: "END\r\n", found: [] },
  {
    name: "some, in order",
    reply: value("x", "1") + value("z", "2") + "END\r\n",
    found: ["1", undefined, "2"],
  },
  {
    name: "in another order",
    reply: value("z", "2") + value("x", "1") + "END\r\n",
    found: ["1", undefined, "2"],
  },
  {
    name: "a key that was asked twice",
    reply: value("y", "1") + value("y", "2") + "END\r\n",
    found: [undefined, "1", undefined, "2"],
  },
  {
    name: "no bytes, a null byte, bytes that look like a reply",
    reply: value("x", "") + value("y", "a\0b") + value("z", "END\r\nEND\r\n") +
      "END\r\n",
    found: ["", "a", "END\r\nEND\r\n"],
  },
  {
    name: "a null byte first",
    reply: value("x", "\0b") + value("y", "\0") + "END\r\n",
    found: ["", ""],
  },
  {
    name: "bare line feeds between lines",
    reply: value("x", "1").replace("\r\n", "\n") + "END\n",
    found: ["1"],
  },
  { name: "more than was asked for", reply: "END\r\nEND\r\n", rest: "END\r\n" },
  {
    name: "a refusal",
    reply: value("x", "1") + "SERVER_ERROR busy\r\n",
    found: ["1"],
    open: ["a:y", "a:z", "a:y"],
  },
  {
    name: "a value that nobody asked for",
    reply: value("x", "1") + value("q", "2"),
    failure: "a value for a key that was not asked for",
    open: ["a:y", "a:z", "a:y"],
  },
  {
    name: "a value once more",
    reply: value("x", "1") + value("x", "2"),
    failure: "a value for a key that was not asked for",
    open: ["a:y", "a:z", "a:y"],
  },
  {
    name: "an error",
    reply: "ERROR\r\n",
    open: ["a:x", "a:y", "a:z", "a:y"],
  },
  {
    name: "a line that does not end",
    reply: "VALUE a:x 0 " + "1".repeat(80),
    failure: "a reply line is longer than line_size_limit = 64",
    open: ["a:x", "a:y", "a:z", "a:y"],
  },
  {
    name: "a length over the limit",
    reply: `VALUE a:x 0 101\r\n${"1".repeat(101)}\r\n` + value("z", "2") +
      "END\r\n",
    found: [undefined, undefined, "2"],
    open: ["a:x refused"],
  },
  {
    name: "a length that is over all limits",
    reply: "VALUE a:x 0 99999999999\r\n",
    failure: 'it answers "VALUE a:x 0 99999999999"',
    open: ["a:x", "a:y", "a:z", "a:y"],
  },
  {
    name: "nothing that is an answer",
    reply: value("x", "1") + "HELLO\r\n",
    failure: 'it answers "HELLO"',
    open: ["a:y", "a:z", "a:y"],
  },
  {
    name: "a negative length",
    reply: "VALUE a:x 0 -1\r\n",
    failure: 'it answers "VALUE a:x 0 -1"',
    open: ["a:x", "a:y", "a:z", "a:y"],
  },
  {
    name: "data that is longer than announced",
    reply: "VALUE a:x 0 1\r\n123\r\nEND\r\n",
    failure: "a value does not end after the 1 bytes that were announced",
    open: ["a:x", "a:y", "a:z", "a:y"],
  },
  {
    name: "one that was asked twice, first, and once more in its place",
    reply: value("y", "1") + value("x", "2") + value("y", "3") + "END\r\n",
    found: ["2", "1", undefined, "3"],
  },
  {
    name: "data of every digit, and of the longest length",
    reply: value("x", "9".repeat(9)) + value("y", "x".repeat(90)) +
      value("z", "x".repeat(100)) + value("y", "x".repeat(78)) + "END\r\n",
    found: ["9".repeat(9), "x".repeat(90), "x".repeat(100), "x".repeat(78)],
  },
  {
    name: "flags of any kind",
    reply: "VALUE a:x 4294967295 1\r\n1\r\nVALUE a:y z 1\r\n2\r\nEND\r\n",
    found: ["1", "2"],
  },
  {
    name: "the longest line",
    reply: flagged(64) + "END\r\n",
    found: ["1"],
  },
  {
    name: "a line that is too long by one byte",
    reply: flagged(65) + "END\r\n",
    failure: "a reply line is longer than line_size_limit = 64",
    open: all,
  },
  {
    name: "a line that is too long by two bytes",
    reply: flagged(66) + "END\r\n",
    failure: "a reply line is longer than line_size_limit = 64",
    open: all,
  },
  {
    name: "a number behind the length",
    reply: "VALUE a:x 0 1 77\r\n1\r\nEND\r\n",
    failure: 'it answers "VALUE a:x 0 1 77"',
    open: all,
  },
  {
    name: "no length",
    reply: "VALUE a:x 0 \r\n\r\nEND\r\n",
    failure: 'it answers "VALUE a:x 0 "',
    open: all,
  },
  {
    name: "a length with a letter",
    reply: "VALUE a:x 0 1:\r\n1\r\nEND\r\n",
    failure: 'it answers "VALUE a:x 0 1:"',
    open: all,
  },
  {
    name: "no flags and no length",
    reply: "VALUE a:x\r\n\r\nEND\r\n",
    failure: notAsked,
    open: all,
  },
  {
    name: "the beginning of a key",
    reply: "VALUE a: 0 1\r\n1\r\nEND\r\n",
    failure: notAsked,
    open: all,
  },
  {
    name: "more than a key",
    reply: "VALUE a:xx 0 1\r\n1\r\nEND\r\n",
    failure: notAsked,
    open: all,
  },
  {
    name: "another word than VALUE",
    reply: "XALUE a:x 0 1\r\n1\r\nEND\r\n",
    failure: 'it answers "XALUE a:x 0 1"',
    open: all,
  },
  {
    name: "data that does not end in CR LF",
    reply: "VALUE a:x 0 1\r\n1\n\rEND\r\n",
    failure: "a value does not end after the 1 bytes that were announced",
    open: all,
  },
  {
    name: "data without its LF",
    reply: "VALUE a:x 0 1\r\n1\rEND\r\n",
    failure: "a value does not end after the 1 bytes that were announced",
    open: all,
  },
];

Deno.test("GetMany reads replies, however they are cut", () => {
  for (const { name, reply, rest = "", failure, ...expected } of replies) {
    for (const size of [1, 2, 3, 7, 1000, Infinity]) {
      const { gets, found, open } = asking(["x", "y", "z", "y"]);
      // In one piece with what follows, values are taken in one go.
      const more = size === Infinity ? "\r\n".repeat(40) : "";
      const used = pushInPieces(gets, reply + more, Math.min(size, 2000));
      const message = `${name}, ${size} bytes at a time`;
      assertEquals(gets.failure, failure, message);
      assertEquals(gets.done, failure === undefined, message);
      if (failure === undefined) {
        assertEquals(used, reply.length - rest.length, message);
      }
      assertEquals(open(), expected.open ?? [], message);
      if (failure !== undefined) continue;
      const wanted = expected.found ?? [];
      assertEquals(
        found(),
        [0, 1, 2, 3].map((at) => wanted[at]),
        message,
      );
    }
  }
});

Deno.test("GetMany takes a value back that was cut in the middle", () => {
  const { gets, found, open } = asking(["x", "y"]);
  pushInPieces(gets, value("x", "1") + "VALUE a:y 0 5\r\n123", 4);
  assert(!gets.done);
  assertEquals(open(), ["a:y"]);
  assertEquals(found(), ["1", undefined]);
});

Deno.test("GetMany that is abandoned keeps what is complete, and reads on without a change", () => {
  for (const rest of ["45\r\n", `45\r\n${value("z", "6")}`]) {
    const { gets, values, found } = asking(["w", "x", "y", "z"]);
    const start = `${value("x", "1\0 2")}VALUE a:y 0 5\r\n123`;
    pushInPieces(gets, start, start.length);
    gets.abandon();
    assertEquals(found(), [undefined, "1", undefined, undefined]);
    assertEquals([...gets.missing()].map(([number]) => number), [0, 2, 3]);
    // Another one puts a value meanwhile.
    values.putText(2, "backup", byteText);
    const left = `${rest}END\r\n`;
    assertEquals(pushInPieces(gets, left, 2), left.length);
    assert(gets.done && gets.failure === undefined && gets.isAbandoned);
    assertEquals(found(), [undefined, "1", "backup", undefined]);
  }
});

Deno.test("GetMany survives random bytes and never takes more than its replies", () => {
  const random = Random.seeded("get_many");
  const words = [
    "VALUE a:x 0 3\r\n",
    "abc\r\n",
    "END\r\n",
    "\r\n",
    "VALUE ",
    "a:y",
    " ",
    "0",
    "\n",
    "SERVER_ERROR\r\n",
  ];
  for (let round = 0; round < 2000; round++) {
    const { gets, open, found } = asking(["x", "y", "z"]);
    const reply = random.list(1, 12, () => random.pick(words)).join("");
    const used = pushInPieces(gets, reply, random.pick([1, 3, 100]));
    assert(used <= reply.length);
    open();
    found();
  }
});

Deno.test("GetMany is sent again from the first line without a reply", () => {
  const keys = Array.from({ length: 150 }, (_, at) => `k${at}`);
  const { gets, found } = asking(keys);
  const first = value("k0", "old") + "END\r\n";
  pushInPieces(gets, first + value("k100", "old") + "VALUE a:k101 0 5\r\n1", 5);
  assertEquals([gets.replies, gets.hasPart], [1, true]);
  gets.restart();
  assertEquals([gets.hasPart, gets.failure], [false, undefined]);
  const line = keys.slice(100).map((key) => ` a:${key}`).join("");
  assertEquals(byteText.decode(gets.bytes), `get${line}\r\n`);
  pushInPieces(gets, value("k101", "new") + "END\r\n", 5);
  assert(gets.done);
  assertEquals([0, 100, 101].map((at) => found()[at]), [
    "old",
    undefined,
    "new",
  ]);
});

Deno.test("GetMany reads nothing behind a refusal that may have two lines", () => {
  const { gets } = asking(["x", "y"]);
  const bytes = byteText.encode("ERROR\r\n" + value("x", "1") + "END\r\n");
  assertEquals(gets.push(bytes, 0), 7);
  assertEquals(gets.doubt, 'it answers "ERROR"');
  assertEquals([gets.failure, gets.hasServed], [undefined, false]);
});

/** 150 keys, which are two lines, and how replies to them are read. */
function askingTwoLines() {
  return asking(Array.from({ length: 150 }, (_, at) => `k${at}`));
}

Deno.test("GetMany takes values for keys of the line that is answered alone", () => {
  const padding = "END\r\n".repeat(20);
  // The line before, which has its reply, and the one behind.
  for (const reply of ["END\r\n" + value("k5", "1"), value("k100", "1")]) {
    for (const size of [5, 1000]) {
      const { gets } = askingTwoLines();
      pushInPieces(gets, reply + padding, size);
      assertEquals(gets.failure, notAsked, reply);
    }
  }
});

Deno.test("GetMany is for one when a line of one key has no reply yet", () => {
  const table: [count: number, replies: number, isForOne: boolean][] = [
    [1, 0, true],
    [2, 0, false],
    [3, 0, false],
    [100, 0, false],
    [101, 0, false],
    [101, 1, true],
    [102, 1, false],
  ];
  for (const [count, replies, isForOne] of table) {
    const keys = Array.from({ length: count }, (_, at) => `k${at}`);
    const { gets } = asking(keys);
    assertEquals(gets.count, count);
    pushInPieces(gets, "END\r\n".repeat(replies), 100);
    assertEquals(gets.isForOne, isForOne, `${count} keys, ${replies} replies`);
  }
});

Deno.test("GetMany is inside a reply from its first byte to its last", () => {
  const { gets } = asking(["x", "y"]);
  const pieces: [string, boolean][] = [
    ["", false],
    ["V", true],
    ["ALUE a:x 0 3\r\n", true],
    ["1", true],
    ["23", true],
    ["\r", true],
    ["\n", true],
    ["E", true],
    ["ND\r\n", false],
  ];
  for (const [piece, hasPart] of pieces) {
    pushInPieces(gets, piece, 100);
    assertEquals(gets.hasPart, hasPart, JSON.stringify(piece));
  }
});

Deno.test("GetMany doubts what follows an answer that may have two lines", () => {
  const table: [string, boolean][] = [
    ["END\r\n", false],
    ["SERVER_ERROR busy\r\n", false],
    ["SERVER_ERROR out of memory\r\n", false],
    ["ERROR\r\n", true],
    ["CLIENT_ERROR bad\r\n", true],
  ];
  for (const [reply, isDoubtful] of table) {
    const { gets } = askingTwoLines();
    pushInPieces(gets, reply, 100);
    assertEquals(
      [gets.replies, gets.doubt !== undefined],
      [1, isDoubtful],
      reply,
    );
  }
});

Deno.test("GetMany.restart() forgets failure, doubt and what was too long", () => {
  const long = `VALUE a:k1 0 101\r\n${"1".repeat(101)}\r\n`;
  for (const part of ["HELLO\r\n", "VAL", `${long}VALUE a:k2 0 5\r\n1`]) {
    const { gets, found, open } = askingTwoLines();
    gets.doubt = "doubt";
    gets.restart();
    pushInPieces(gets, value("k0", "old") + part, 1000);
    gets.restart();
    assertEquals(
      [gets.hasPart, gets.failure, gets.doubt],
      [false, undefined, undefined],
      part,
    );
    assertEquals(open().length, 150);
    gets.restart();
    pushInPieces(gets, value("k1", "new") + "END\r\nEND\r\n", 1000);
    assert(gets.done);
    assertEquals(found().slice(0, 3), [undefined, "new", undefined]);
  }
});

Deno.test("GetMany that ends in the middle has values that end before a null byte", () => {
  const { gets, found, open } = asking(["x", "y", "z"]);
  pushInPieces(gets, value("x", "a\0b") + value("y", "\0"), 1000);
  assertEquals(open(), ["a:z"]);
  assertEquals(found(), ["a", "", undefined]);
});

Deno.test("GetMany.missing() tells of the keys without a value", () => {
  const { gets } = asking(["x", "y", "z", "w"]);
  pushInPieces(gets, value("y", "1") + "END\r\n", 1000);
  assertEquals(
    [...gets.missing()].map(([number, key]) => [number, byteText.decode(key)]),
    [[0, "a:x"], [2, "a:z"], [3, "a:w"]],
  );
});

Deno.test("GetMany takes no other word for VALUE, whole or cut", () => {
  for (const size of [1, 7, 1000]) {
    const { gets } = asking(["x"]);
    pushInPieces(gets, value("x", "1").replace("VALUE", "VALXE"), size);
    assert(gets.failure?.includes("VALXE"), `${size}: ${gets.failure}`);
  }
});
