import { assertEquals, assertThrows } from "@std/assert";
import { byteText, utf8Text } from "../../../lib/bytes/text.ts";
import { NotUtf8Error } from "../../../lib/errors.ts";
import { valueOf } from "../../../lib/tables/memcache/reply_value.ts";

const reply = (data: Uint8Array) =>
  ({ kind: "value", data, broken: false }) as const;

Deno.test("valueOf() is the text before a null byte; other replies have none", () => {
  const table: [string, string][] = [["a", "a"], ["a\0b", "a"], ["\0", ""]];
  for (const [data, value] of table) {
    assertEquals(
      valueOf(reply(byteText.encode(data)), "t", "k", utf8Text),
      value,
    );
  }
  assertEquals(valueOf({ kind: "not found" }, "t", "k", utf8Text), undefined);
});

Deno.test("valueOf() gives an error its own copy of bytes that are not UTF-8", () => {
  const received = Uint8Array.of(0xff, 0x61);
  const error = assertThrows(
    () => valueOf(reply(received), "t", "k", utf8Text),
    NotUtf8Error,
  );
  received.fill(0);
  assertEquals(error.value, Uint8Array.of(0xff, 0x61));
});
