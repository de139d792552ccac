import { byteText, utf8Text } from "../../lib/key/text.ts";
import {
  encodeDelete,
  encodeGet,
  encodeSet,
} from "../../lib/memcache/request.ts";
import { assertEquals } from "../support/assert.ts";

const wire = (bytes: Uint8Array) => byteText.decode(bytes);

Deno.test("requests are encoded as memcached's text protocol has them", () => {
  assertEquals(wire(encodeGet(utf8Text, "a")), "get a\r\n");
  assertEquals(wire(encodeGet(utf8Text, "ä")), "get \xc3\xa4\r\n");
  assertEquals(wire(encodeGet(byteText, "\xe4")), "get \xe4\r\n");
  assertEquals(wire(encodeDelete(utf8Text, "a")), "delete a\r\n");
  const value = utf8Text.encode("wért");
  assertEquals(
    wire(encodeSet(utf8Text, "a", value, 3, -1)),
    "set a 3 -1 5\r\nw\xc3\xa9rt\r\n",
  );
  assertEquals(
    wire(encodeSet(utf8Text, "a", new Uint8Array(0), 0, 0)),
    "set a 0 0 0\r\n\r\n",
  );
});
