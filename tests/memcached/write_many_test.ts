import { byteText, utf8Text } from "../../lib/bytes/text.ts";
import { WriteMany } from "../../lib/memcached/write_many.ts";
import { assertEquals } from "../support/assert.ts";

const limits = { lineSizeLimit: 60, dataSizeLimit: 100 };
const keys = ["one", "two", "three"];

function writing(command: "set" | "delete"): WriteMany {
  const writes = new WriteMany(command, limits, 1);
  for (const key of keys) {
    // Begun, and then not sent.
    writes.beginKey().appendAscii("never");
    writes.dropKey();
    writes.beginKey().appendAscii(key);
    if (command === "delete") writes.endDelete();
    else writes.endSet("wért", 5, utf8Text, { flags: 3, ttl: -1 });
  }
  return writes;
}

const wire = (bytes: Uint8Array) => byteText.decode(bytes)!;

Deno.test("WriteMany encodes commands as memcached's text protocol has them", () => {
  assertEquals(
    wire(writing("delete").bytes),
    "delete one\r\ndelete two\r\ndelete three\r\n",
  );
  assertEquals(
    wire(writing("set").bytes),
    keys.map((key) => `set ${key} 3 -1 5\r\nw\xc3\xa9rt\r\n`).join(""),
  );
  assertEquals(writing("set").keyAt(1), "two");
});

const replies: {
  command: "set" | "delete";
  reply: string;
  verdicts: (boolean | undefined)[];
  refusals?: [number, string][];
  failure?: string;
  isDone?: boolean;
}[] = [
  {
    command: "set",
    reply: "STORED\r\nSTORED\nSTORED\r\n",
    verdicts: [true, true, true],
  },
  {
    command: "set",
    reply: "STORED\r\nSERVER_ERROR out of memory storing object\r\nSTORED\r\n",
    verdicts: [true, undefined, true],
    refusals: [[1, "entry"]],
  },
  {
    command: "set",
    reply: "SERVER_ERROR object too large for cache\r\nSERVER_ERROR busy\r\n" +
      "STORED\r\n",
    verdicts: [undefined, undefined, true],
    refusals: [[0, "entry"], [1, "command"]],
  },
  {
    command: "set",
    reply: "CLIENT_ERROR unauthenticated\r\nSTORED\r\n",
    verdicts: [undefined],
    refusals: [[0, "doubtful"]],
    isDone: false,
  },
  {
    command: "set",
    reply: "STORED\r\nERROR\r\nSTORED\r\n",
    verdicts: [true, undefined],
    refusals: [[1, "doubtful"]],
    isDone: false,
  },
  {
    command: "set",
    reply: "STORED\r\nSTORED\r\nNOT_STORED\r\n",
    verdicts: [true, true, undefined],
    refusals: [[2, "doubtful"]],
  },
  {
    command: "set",
    reply: "STORED\r\nDELETED\r\n",
    verdicts: [true],
    failure: 'it answers "DELETED"',
  },
  {
    command: "set",
    reply: "STORED\r\n" + "x".repeat(70),
    verdicts: [true],
    failure: "a reply line is longer than line_size_limit = 60",
  },
  {
    command: "delete",
    reply: "DELETED\r\nNOT_FOUND\r\nDELETED\r\n",
    verdicts: [true, false, true],
  },
  {
    command: "delete",
    reply: "ERRORS\r\n",
    verdicts: [],
    failure: 'it answers "ERRORS"',
  },
];

Deno.test("WriteMany reads a verdict for each command, however replies are cut", () => {
  for (const one of replies) {
    const { command, reply, verdicts, refusals = [], failure } = one;
    const { isDone = failure === undefined } = one;
    for (const size of [1, 4, 100]) {
      const writes = writing(command);
      const bytes = byteText.encode(reply);
      for (let at = 0; at < bytes.length; at += size) {
        writes.push(bytes.subarray(at, at + size), 0);
      }
      assertEquals(writes.failure, failure);
      assertEquals(writes.done, isDone);
      assertEquals(writes.verdicts, verdicts);
      assertEquals(
        [...writes.refusals].map(([at, { about }]): [number, string] => [
          at,
          about,
        ]),
        refusals,
      );
      // What was refused, and what has no reply, is left open.
      const open = writes.unfinished(2).map(({ bytes, refusal }) =>
        wire(bytes).split(" ", 2)[1].trim() + (refusal ? " refused" : "")
      );
      assertEquals(open, [
        ...refusals.map(([at]) => `${keys[at]} refused`),
        ...keys.slice(verdicts.length),
      ]);
    }
  }
});

Deno.test("WriteMany is sent again from the first command without a reply", () => {
  const writes = writing("delete");
  writes.push(byteText.encode("DELETED\r\nNOT_"), 0);
  assertEquals(writes.hasPart, true);
  writes.restart();
  assertEquals(wire(writes.bytes), "delete two\r\ndelete three\r\n");
  assertEquals(writes.hasPart, false);
  writes.push(byteText.encode("NOT_FOUND\r\nDELETED\r\n"), 0);
  assertEquals([writes.done, writes.verdicts], [true, [true, false, true]]);
});

Deno.test("WriteMany counts replies, and tells which keys are done", () => {
  const writes = writing("delete");
  assertEquals([writes.count, writes.replies, writes.isForOne], [3, 0, true]);
  const done: [number, string][] = [[0, "one"], [1, "two"]];
  const rest: [number, string][] = [[2, "three"]];
  assertEquals([...writes.keys(true)], []);
  assertEquals([...writes.keys(false)], [...done, ...rest]);
  writes.push(byteText.encode("DELETED\r\nNOT_FOUND\r\n"), 0);
  assertEquals([writes.replies, writes.done], [2, false]);
  assertEquals([...writes.keys(true)], done);
  assertEquals([...writes.keys(false)], rest);
});

Deno.test("WriteMany.restart() forgets failure and doubt", () => {
  const writes = writing("set");
  writes.push(byteText.encode("ERROR\r\nSTORED\r\n"), 0);
  assertEquals(
    [writes.doubt, writes.failure],
    ['it answers "ERROR"', undefined],
  );
  writes.restart();
  assertEquals([writes.doubt, writes.failure], [undefined, undefined]);
  writes.push(byteText.encode("STORED\r\nSTORED\r\n"), 0);
  assertEquals(writes.verdicts, [undefined, true, true]);
});

Deno.test("WriteMany leaves commands open in their order", () => {
  const writes = writing("set");
  writes.push(byteText.encode("STORED\r\nSERVER_ERROR busy\r\n"), 0);
  const open = writes.unfinished(7);
  assertEquals(
    open.map(({ order, maxTry, command, bytes }) => [
      order,
      maxTry,
      command,
      wire(bytes),
    ]),
    [1, 2].map((at) => [
      at,
      7,
      "set",
      `set ${keys[at]} 3 -1 5\r\nw\xc3\xa9rt\r\n`,
    ]),
  );
  // What was left open is not left open once more.
  assertEquals([...writes.refusals], []);
});
