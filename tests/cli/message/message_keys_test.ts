import {
  defaultLimits,
  MessageKeys,
  type MessageLimits,
  type MessageQuery,
} from "../../../lib/cli/message/message_keys.ts";
import { assertEquals } from "../../support/assert.ts";

function keysOf(
  message: string,
  query: Partial<MessageQuery>,
  limits: Partial<MessageLimits> = {},
): string[] {
  const keys = new MessageKeys(
    { headers: false, body: false, mime: false, ...query },
    { ...defaultLimits, ...limits },
  );
  const found = message.split("\n").flatMap((line) => keys.push(line));
  return [...found, ...keys.end()];
}

const headers = { headers: true };
const body = { body: true };
const mime = { headers: true, mime: true };

const multipart = [
  "From: a",
  "Content-Type: multipart/mixed; boundary=b",
  "",
  "before",
  "--b",
  "X-Part: 1",
  "",
  "text",
  "--b--",
  "after: x",
].join("\n");

Deno.test("MessageKeys makes keys of headers", () => {
  const table: [string, string[]][] = [
    ["A: 1\nB: 2\n\nC: 3", ["A: 1", "B: 2"]],
    ["A: 1\n two\n\tthree\nB:2", ["A: 1\n two\n\tthree", "B:2"]],
    ["A \t: 1", ["A: 1"]],
    ["A:", ["A:"]],
    ["", []],
    [" A: 1", []],
    [": 1", []],
    ["A: 1\nno header\nB: 2", ["A: 1"]],
    ["From a@b Mon Jan 1\nA: 1", []],
    ["A: 1\r\n\r\nB: 2", ["A: 1\r"]],
    ["A: 1\0 2\n 3\0 4\n\n", ["A: 1\n 3"]],
    ["Ä: 1", []],
    ["A b: 1", []],
  ];
  for (const [message, expected] of table) {
    assertEquals(keysOf(message, headers), expected, message);
  }
});

Deno.test("MessageKeys is done behind the first headers when nothing else counts", () => {
  for (
    const [query, done] of [
      [headers, true],
      [mime, false],
      [body, false],
      [{ headers: true, body: true }, false],
    ] as const
  ) {
    for (const end of ["", "no header"]) {
      const keys = new MessageKeys(
        { headers: false, body: false, mime: false, ...query },
      );
      keys.push("A: 1");
      assertEquals(keys.done, false);
      keys.push(end);
      assertEquals(keys.done, done);
    }
  }
});

Deno.test("MessageKeys makes keys of body lines", () => {
  const table: [string, string[]][] = [
    ["A: 1\n\none\n\ntwo", ["", "one", "", "two"]],
    ["A: 1\nno header\nx", ["", "no header", "x"]],
    ["A: 1", []],
    ["\nA: 1", ["", "A: 1"]],
    ["A: 1\n\na\0b\0c", ["", "a"]],
    ["A: 1\n\n\0b", ["", ""]],
    ["A: 1\r\n\r\nx\r", ["", "\r", "x\r"]],
  ];
  for (const [message, expected] of table) {
    assertEquals(keysOf(message, body), expected, message);
  }
});

Deno.test("MessageKeys tells the headers of parts from their bodies when asked to", () => {
  assertEquals(keysOf(multipart, headers).length, 2);
  assertEquals(keysOf(multipart, body).slice(2), [
    "--b",
    "X-Part: 1",
    "",
    "text",
    "--b--",
    "after: x",
  ]);
  assertEquals(keysOf(multipart, mime).slice(2), ["X-Part: 1"]);
  assertEquals(keysOf(multipart, { body: true, mime: true }), [
    "",
    "before",
    "--b",
    "",
    "text",
    "--b--",
    "after: x",
  ]);
});

Deno.test("MessageKeys goes into attached messages", () => {
  const attached = (type: string) =>
    `A: 1\nContent-Type: ${type}\n\nB: 2\n\nC: 3`;
  const table: [string, string[]][] = [
    ["message/rfc822", ["B: 2"]],
    ["message/global", ["B: 2"]],
    ["message/partial", []],
    ["text/plain", []],
  ];
  for (const [type, expected] of table) {
    assertEquals(keysOf(attached(type), mime).slice(2), expected, type);
    const tight = attached(type).replace("Content-Type: ", "content-type :");
    assertEquals(keysOf(tight, mime).slice(2), expected, tight);
  }
  const digest = [
    "Content-Type: multipart/digest; boundary=b",
    "",
    "--b",
    "",
    "A: message",
    "",
    "--b",
    "Content-Type: text/plain",
    "",
    "B: text",
    "--b--",
  ].join("\n");
  assertEquals(keysOf(digest, mime).slice(1), [
    "A: message",
    "Content-Type: text/plain",
  ]);
});

Deno.test("MessageKeys lets an outer boundary end the inner multiparts", () => {
  const message = [
    "Content-Type: multipart/mixed; boundary=outer",
    "",
    "--outer",
    "Content-Type: multipart/mixed; boundary=inner",
    "",
    "--inner",
    "A: 1",
    "--outer",
    "B: 2",
    "",
    "--inner",
    "C: 3",
  ].join("\n");
  assertEquals(keysOf(message, mime).slice(2), ["A: 1", "B: 2"]);
});

Deno.test("MessageKeys keeps to its limits", () => {
  assertEquals(
    keysOf("A: 1\n 2\n 3\n 4\nB: 2", headers, { headerSize: 8 }),
    ["A: 1\n 2\n 3", "B: 2"],
  );
  const long = (line: string) =>
    `Content-Type: multipart/mixed; boundary=abcdef\n\n${line}\nA: 1`;
  const found = (line: string, boundaryLength: number) =>
    keysOf(long(line), mime, { boundaryLength }).length === 2;
  assertEquals(found("--abcdef", 6), true);
  assertEquals(found("--abcxyz", 6), false);
  assertEquals(found("--abcxyz", 3), true);
  const deep = (levels: number) =>
    Array.from({ length: levels }, (_, level) => [
      `Content-Type: multipart/mixed; boundary=b${level}.`,
      "",
      `--b${level}.`,
    ]).flat().join("\n") + "\nA: 1";
  const reached = (levels: number, nesting: number) =>
    keysOf(deep(levels), mime, { nesting }).at(-1) === "A: 1";
  assertEquals([reached(3, 1), reached(4, 1)], [true, false]);
});
