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
      gets.leftOpen(2).map(({ bytes, refusal }) =>
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
  assert(lines[0].startsWith("get a:k0 a:k1 "));
});

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
];

Deno.test("GetMany reads replies, however they are cut", () => {
  for (const { name, reply, rest = "", failure, ...expected } of replies) {
    for (const size of [1, 2, 3, 7, 1000]) {
      const { gets, found, open } = asking(["x", "y", "z", "y"]);
      const used = pushInPieces(gets, reply, size);
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
  assertEquals([gets.replies, gets.isInside], [1, true]);
  gets.restart();
  assertEquals([gets.isInside, gets.failure], [false, undefined]);
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
