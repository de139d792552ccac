import { byteText } from "../../lib/bytes/text.ts";
import { WriteMany } from "../../lib/memcached/write_many.ts";
import { assertEquals } from "../support/assert.ts";

const limits = { lineSizeLimit: 30, dataSizeLimit: 100 };

Deno.test("WriteMany reads a verdict for each command, however replies are cut", () => {
  const cases: {
    command: "set" | "delete";
    reply: string;
    verdicts: (boolean | undefined)[];
    failure?: string;
  }[] = [
    {
      command: "set",
      reply: "STORED\r\nSTORED\nSTORED\r\n",
      verdicts: [true, true, true],
    },
    {
      command: "set",
      reply: "STORED\r\nSERVER_ERROR out of memory\r\nSTORED\r\n",
      verdicts: [true, undefined, true],
    },
    {
      command: "set",
      reply: "STORED\r\nNOT_STORED\r\n",
      verdicts: [true],
      failure: "an unexpected reply",
    },
    {
      command: "set",
      reply: "STORED\r\n" + "x".repeat(40),
      verdicts: [true],
      failure: "a reply line is too long",
    },
    {
      command: "delete",
      reply: "DELETED\r\nNOT_FOUND\r\nDELETED\r\n",
      verdicts: [true, false, true],
    },
    {
      command: "delete",
      reply: "STORED\r\n",
      verdicts: [],
      failure: "an unexpected reply",
    },
  ];
  for (const { command, reply, verdicts, failure } of cases) {
    for (const size of [1, 4, 100]) {
      const writes = new WriteMany(command, byteText, limits);
      for (const text of ["one\r\n", "two\r\n", "three\r\n"]) {
        writes.add(text);
      }
      assertEquals(byteText.decode(writes.bytes), "one\r\ntwo\r\nthree\r\n");
      assertEquals(byteText.decode(writes.commandAt(1)), "two\r\n");
      const bytes = byteText.encode(reply);
      for (let at = 0; at < bytes.length; at += size) {
        writes.push(bytes.subarray(at, at + size), 0);
      }
      assertEquals(writes.failure, failure);
      assertEquals(writes.done, failure === undefined);
      assertEquals(writes.verdicts, verdicts);
      assertEquals(
        writes.unanswered(),
        [0, 1, 2].filter((at) => verdicts[at] === undefined),
      );
    }
  }
});
