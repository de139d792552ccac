import { approvedTables, tableNames } from "../../lib/config/table_names.ts";
import { assertEquals } from "../support/assert.ts";

Deno.test("tableNames() finds the tables of a type wherever a value has them", () => {
  const table: [string, string[]][] = [
    ["", []],
    ["memcache:/a", ["memcache:/a"]],
    ["hash:/x memcache:/a,memcache:b", ["memcache:/a", "memcache:b"]],
    ["proxy:memcache:/a", ["memcache:/a"]],
    ["proxy:proxy:memcache:/a", ["memcache:/a"]],
    ["debug:memcache:/a", ["memcache:/a"]],
    ["!memcache:/a", ["memcache:/a"]],
    ["pipemap:{memcache:/a,static:x}", ["memcache:/a"]],
    ["unionmap:{hash:/x, memcache:/a, proxy:memcache:/b}", [
      "memcache:/a",
      "memcache:/b",
    ]],
    ["proxy:unionmap:{pipemap:{memcache:a}}", ["memcache:a"]],
    ["permit, check_sender_access memcache:/a, reject", ["memcache:/a"]],
    ["{ check_sender_access { memcache:/a, timeout=1 } }", ["memcache:/a"]],
    ["memcache:{ttl=1}", ["memcache:{ttl=1}"]],
    ["memcache:{ {backup = memcache:/b}, ttl=1 }", [
      "memcache:{ {backup = memcache:/b}, ttl=1 }",
      "memcache:/b",
    ]],
    ["memcache:{domain=memcache:/b}", [
      "memcache:{domain=memcache:/b}",
      "memcache:/b",
    ]],
    // These are no tables.
    ["memcache:", []],
    ["memcache:{ttl=1", []],
    ["memcache", []],
    ["inet:memcache:11211", []],
    ["{memcache = inet:memcache:11211}", []],
    ["socketmap:inet:memcache:1:x socketmap:unix:/memcache:x", []],
    ["inline:{a=memcache:/x}", []],
    ["static:{memcache:/x}", []],
    ["static:memcache:/x", []],
    ["xmemcache:/a /memcache:/a", []],
    ["regexp:{{/x/ memcache:/a}}", []],
  ];
  const names = (value: string) =>
    [...tableNames("memcache", value)].map(({ name }) => name);
  for (const [value, expected] of table) {
    assertEquals(names(value), expected, value);
  }
  const deep = (levels: number) =>
    "{".repeat(levels) + "memcache:/a" + "}".repeat(levels);
  assertEquals(names(deep(20)), ["memcache:/a"]);
  assertEquals(names(deep(21)), []);
});

Deno.test("tableNames() says what proxymap opens", () => {
  const table: [string, boolean][] = [
    ["memcache:/a", false],
    ["proxy:memcache:/a", true],
    ["debug:proxy:memcache:/a", true],
    ["debug:memcache:/a", false],
    ["unionmap:{proxy:memcache:/a}", true],
    ["proxy:unionmap:{memcache:/a}", true],
    ["unionmap:{proxy:hash:/x, memcache:/a}", false],
  ];
  for (const [value, proxied] of table) {
    const expected = [{ name: "memcache:/a", proxied }];
    assertEquals([...tableNames("memcache", value)], expected, value);
  }
});

Deno.test("approvedTables() reads a list as proxymap does", () => {
  const table: [string, string[]][] = [
    ["hash:/x, proxy:hash:/a", ["hash:/a"]],
    ["proxy:proxy:hash:/a", ["hash:/a"]],
    ["check_sender_access proxy:hash:/a permit", ["hash:/a"]],
    ["unionmap:{proxy:hash:/a hash:/b}", ["hash:/a"]],
    ["{ proxy:hash:/a, x=proxy:hash:/b }", ["hash:/a"]],
    ["proxy:memcache:{a=b, c=d}", ["memcache:{a=b, c=d}"]],
    ["proxy:unionmap:{proxy:hash:/a}", ["unionmap:{proxy:hash:/a}"]],
    ["xproxy:hash:/a", []],
    ["{", []],
    ["unionmap:{", []],
  ];
  for (const [value, expected] of table) {
    assertEquals([...approvedTables(value)], expected, value);
  }
});
