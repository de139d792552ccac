import { parseMainCf } from "../../../lib/config/main_cf.ts";
import {
  defaultParameters,
  readParameters,
} from "../../../lib/tables/memcache/parameters.ts";
import { ConfigError } from "../../../lib/errors.ts";
import { assertEquals, assertThrows } from "../../support/assert.ts";

function read(text: string) {
  const settings = parseMainCf(text, "t.cf", () => {});
  return readParameters({
    setting: (name) => settings.get(name),
    written: (name) => name,
  });
}

Deno.test("readParameters() knows the defaults of the manual page", () => {
  assertEquals(read(""), { ...defaultParameters });
  assertEquals(read("unknown = x"), { ...defaultParameters });
});

Deno.test("readParameters() takes whole numbers with a sign", () => {
  assertEquals(read("ttl = +60").ttl, 60);
  assertEquals(read("ttl = -1").ttl, -1);
  assertEquals(read("timeout = 0").timeout, 0);
  assertEquals(read("flags = 2147483647").flags, 2147483647);
  assertEquals(read("ttl = 007").ttl, 7);
});

Deno.test("readParameters() refuses what is no number, or too small", () => {
  const table: [string, string][] = [
    ["ttl = 1h", "t.cf, line 1: ttl = 1h: need a whole number"],
    ["ttl =", "t.cf, line 1: ttl = : need a whole number"],
    ["\nttl = 1.5", "t.cf, line 2: ttl = 1.5"],
    ["ttl = 0x10", "ttl = 0x10"],
    ["ttl = 2147483648", "ttl = 2147483648"],
    ["flags = - 1", "flags = - 1"],
    ["max_try = 0", "max_try = 0: must be at least 1"],
    ["retry_pause = 0", "retry_pause = 0: must be at least 1"],
    ["data_size_limit = 0", "must be at least 1"],
    ["line_size_limit = -5", "must be at least 1"],
  ];
  for (const [text, message] of table) {
    assertThrows(() => read(text), ConfigError, message);
  }
});
