import { parseMainCf } from "../../lib/config/main_cf.ts";
import {
  defaultParameters,
  type MemcacheParameters,
  parameterNames,
  type ParameterSource,
} from "../../lib/tables/memcache/parameters.ts";
import {
  canShareEntries,
  keySpaceOf,
  readEach,
  unknownNames,
  valueProblems,
} from "../../lib/maintenance/parameter_checks.ts";
import { assert, assertEquals } from "../support/assert.ts";

/** Parameters of a text in main.cf syntax. */
function sourceOf(text: string, prefix = ""): ParameterSource {
  const settings = parseMainCf(text, "t.cf", () => {});
  return {
    setting: (name) => settings.get(name),
    written: (name) => prefix + name,
    all: () => Promise.resolve(settings),
  };
}

Deno.test("unknownNames() tells misspelt names from those of others", async () => {
  const table: [text: string, prefix: string, expected: string[]][] = [
    ["ttl = 1\nkey_format = a", "", []],
    [
      "ttl = 1\nkey_fromat = a",
      "",
      ["error: t.cf, line 2: there is no parameter key_fromat: did you mean key_format?"],
    ],
    [
      "colour = red",
      "",
      ["warning: t.cf, line 1: there is no parameter colour: it has no effect"],
    ],
    [
      "tll = 1",
      "a_",
      ["error: t.cf, line 1: there is no parameter a_tll: did you mean a_ttl?"],
    ],
    [
      "colour = red",
      "a_",
      ["warning: t.cf, line 1: there is no parameter a_colour: it has no effect"],
    ],
    // Of a table "a_local".
    ["local_ttl = 1\nlocal_key_format = a", "a_", []],
    // Postfix's virtual_alias_maps, smtp_tls_security_level, …
    ["alias_maps = hash:x", "virtual_", []],
    ["tls_security_level = may", "smtp_", []],
    [
      "bakup = hash:x",
      "virtual_",
      ["error: t.cf, line 1: there is no parameter virtual_bakup: did you mean virtual_backup?"],
    ],
  ];
  for (const [text, prefix, expected] of table) {
    const problems = await unknownNames(sourceOf(text, prefix));
    assertEquals(
      problems.map(({ severity, message }) => `${severity}: ${message}`),
      expected,
      text,
    );
  }
});

const now = 1_800_000_000;

Deno.test("valueProblems() says what cannot work or is not meant", async () => {
  const error = "error: t.cf, line 1: ";
  const warning = "warning: t.cf, line 1: ";
  const table: [text: string, expected: string | undefined][] = [
    ["", undefined],
    ["ttl = 0", undefined],
    ["ttl = 2592000", undefined],
    [
      "ttl = 2592001",
      `${error}ttl = 2592001: above 2592000 (30 days) it is a Unix time, here 1970-01-31`,
    ],
    ["ttl = 1800000000", `${error}ttl = 1800000000`],
    ["ttl = 1800000001", `${warning}ttl = 1800000001`],
    ["ttl = -1", `${error}ttl = -1: memcached drops at once`],
    ["flags = 1", undefined],
    ["flags = -1", `${error}flags = -1`],
    ["timeout = 0", `${warning}timeout = 0: there is no limit`],
    ["timeout = -1", `${warning}timeout = -1`],
    ["key_format = a:%s", undefined],
    ["key_format = %u", undefined],
    ["key_format = %S", undefined],
    ["key_format = %2.%1:%u", undefined],
    ["key_format = %d", `${warning}key_format = %d: all users of a domain`],
    ["key_format = a:%1", `${warning}key_format = a:%1: all users of a domain`],
    ["key_format = a:", `${error}key_format = a:: all keys share one entry`],
    ["key_format = %%s", `${error}key_format = %%s: all keys share one entry`],
    ["key_format =", `${error}key_format = : it is empty`],
    [
      "key_format = a %s",
      `${error}key_format = a %s: memcache keys have no white space`,
    ],
    ["key_format = a %s\nkey_digest = sha256", undefined],
    [`key_format = ${"a".repeat(250)}%s`, `${error}key_format = `],
    [`key_format = ${"a".repeat(249)}%s`, undefined],
    ["key_digest = sha256", undefined],
    ["key_digest = sha1", `${warning}key_digest = sha1: with 160 bits`],
    ["key_digest = md5", `${warning}key_digest = md5: with 128 bits`],
    // What a table cannot be opened with is told when it is opened.
    ["key_digest = nosuch", undefined],
    ["key_format = %z", undefined],
    [
      "line_size_limit = 100",
      `${warning}line_size_limit = 100: memcached begins a value with a line of up to 264 bytes`,
    ],
    ["line_size_limit = 264", undefined],
    ["line_size_limit = 263", `${warning}line_size_limit = 263`],
    ["line_size_limit = 100\nkey_digest = sha256", undefined],
  ];
  for (const [text, expected] of table) {
    const source = sourceOf(text);
    const problems = await valueProblems(source, readEach(source).usable, now);
    const said = problems.map(({ severity, message }) =>
      `${severity}: ${message}`
    );
    assertEquals(
      said.length,
      expected === undefined ? 0 : 1,
      `${text}: ${said}`,
    );
    assert(expected === undefined || said[0].startsWith(expected), said[0]);
  }
});

Deno.test("readEach() reads all it can, and says all that is wrong", () => {
  const { list, usable, errors } = readEach(
    sourceOf("ttl = 1h\nmax_try = 0\nflags = 7\nkey_format = a"),
  );
  assertEquals(errors.map(({ message, line }) => [message, line]), [
    ["t.cf, line 1: ttl = 1h: need a whole number without a unit", 1],
    ["t.cf, line 2: max_try = 0: must be at least 1", 2],
  ]);
  assertEquals(usable, { ...defaultParameters, flags: 7, key_format: "a" });
  assertEquals(list.map(({ name }) => name), parameterNames);
  assertEquals(list.filter((one) => !one.default), [
    {
      name: "flags",
      written: "flags",
      value: 7,
      default: false,
      file: "t.cf",
      line: 3,
    },
    {
      name: "ttl",
      written: "ttl",
      value: "1h",
      default: false,
      file: "t.cf",
      line: 1,
    },
    {
      name: "key_format",
      written: "key_format",
      value: "a",
      default: false,
      file: "t.cf",
      line: 4,
    },
    {
      name: "max_try",
      written: "max_try",
      value: "0",
      default: false,
      file: "t.cf",
      line: 2,
    },
  ]);
});

Deno.test("canShareEntries() says whose entries can be mixed up", () => {
  type Given = Partial<MemcacheParameters> & {
    table?: string;
    server?: string;
  };
  const space = ({ table = "", server = "inet:localhost:1", ...more }: Given) =>
    keySpaceOf(table, server, { ...defaultParameters, ...more })!;
  const table: [Given, Given, boolean][] = [
    [{}, {}, true],
    [{}, { server: "inet:127.0.0.1:1" }, true],
    [{}, { server: "inet:[::1]:1" }, true],
    [{}, { server: "inet:localhost:2" }, false],
    [{}, { server: "unix:/mc" }, false],
    [{}, { key_format: "%u" }, true],
    [{}, { key_format: "%u@%d" }, true],
    [{}, { key_format: "a:%s" }, false],
    [{ key_format: "a:%s" }, { key_format: "a:%U" }, true],
    [{ key_format: "a:%s" }, { key_format: "b:%s" }, false],
    [{ key_format: "%s:a" }, { key_format: "%s" }, false],
    [{}, { key_digest: "sha256" }, false],
    [{ key_digest: "SHA256" }, { key_digest: "sha256" }, true],
    [{ backup: "hash:a" }, { backup: "hash:a" }, false],
    [{ backup: "hash:a" }, { backup: "hash:b" }, true],
    [{ backup: "hash:a" }, {}, true],
    [{ backup: "memcache:b" }, { table: "memcache:b" }, false],
    [{ table: "memcache:./a.cf" }, { table: "memcache:/etc/a.cf" }, false],
    [{ table: "memcache:../x/a.cf" }, { table: "memcache:/etc/x/a.cf" }, false],
    [{ table: "memcache:./a.cf" }, { table: "memcache:/etc/b.cf" }, true],
    [{ table: "memcache:./a.cf" }, { table: "memcache:/etc/aa.cf" }, true],
  ];
  for (const [one, other, expected] of table) {
    const left = space({ table: "memcache:left", ...one });
    const right = space({ table: "memcache:right", ...other });
    const said = JSON.stringify([one, other]);
    assertEquals(canShareEntries(left, right), expected, said);
    assertEquals(canShareEntries(right, left), expected, said);
  }
});
