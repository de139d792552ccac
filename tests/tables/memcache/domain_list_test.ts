import { ConfigError } from "../../../lib/errors.ts";
import { DomainList } from "../../../lib/tables/memcache/domain_list.ts";
import {
  byteText,
  configByteString,
  type Text,
  utf8Text,
} from "../../../lib/bytes/text.ts";
import { assert, assertEquals, assertRejects } from "../../support/assert.ts";

function read(
  list: string,
  files: Record<string, string> = {},
  warnings: string[] = [],
  text: Text = utf8Text,
): Promise<DomainList> {
  return DomainList.read(list, {
    text,
    onWarning: (message) => warnings.push(message),
    readText: (path) =>
      path in files
        ? Promise.resolve(files[path])
        : Promise.reject(new ConfigError("no such file", { file: path })),
    openTable: (name) =>
      Promise.resolve({
        lookup: (domain: string) => {
          if (name === "fail:x") return Promise.reject(new Error("failed"));
          const found = name === "static:x" || name === `only:${domain}`;
          return Promise.resolve(found ? "found" : undefined);
        },
      }),
  });
}

Deno.test("DomainList decides by the first pattern that matches", async () => {
  const table: [string, string, boolean][] = [
    ["example.com", "example.com", true],
    ["example.com", "EXAMPLE.com", true],
    ["ÉXAMPLE.com", "éxample.com", true],
    ["example.com", "mail.example.com", false],
    [".example.com", "mail.example.com", false],
    ["a, b c\t\nd", "d", true],
    ["!a.com, static:x", "a.com", false],
    ["!a.com, static:x", "b.com", true],
    ["!!a.com", "a.com", true],
    ["!static:x a.com", "a.com", false],
    ["only:a.com b.com", "a.com", true],
    ["only:a.com b.com", "b.com", true],
    ["only:a.com b.com", "c.com", false],
    ["/list", "b.com", true],
    ["/list", "#c.com", false],
    ["!/list, static:x", "b.com", false],
    ["!/list, static:x", "d.com", true],
    ["", "a.com", false],
    ["!!!!a.com", "a.com", true],
    ["!!!a.com, static:x", "a.com", false],
    ["!a.com, a.com", "a.com", false],
    ["a.com, !a.com", "a.com", true],
    // What follows a table is asked after it, though a name came before.
    ["a.com, !only:b.com, b.com", "b.com", false],
    ["a.com, !only:b.com, b.com", "a.com", true],
    ["!only:b.com, c.com, static:x", "b.com", false],
    ["!only:b.com, c.com, static:x", "d.com", true],
    // An address in brackets is a name, for all its colons.
    ["[fe80::1]", "[fe80::1]", true],
    ["[fe80::1]", "[fe80::2]", false],
    ["!/list", "a.com", false],
    ["!!/list", "a.com", true],
  ];
  const files = {
    "/list": "a.com\n#c.com\n  b.com, /more\n",
    "/more": "!d.com",
  };
  for (const [list, domain, expected] of table) {
    const domains = await read(list, files);
    assertEquals(
      await domains.matches(configByteString(domain)),
      expected,
      `${list}: ${domain}`,
    );
  }
});

Deno.test("DomainList answers at once unless a table must be asked", async () => {
  assertEquals((await read("a.com only:b.com")).matches("a.com"), true);
  assertEquals((await read("a.com")).matches("b.com"), false);
});

Deno.test("DomainList passes the failure of a table on", async () => {
  const domains = await read("a.com fail:x static:x");
  assertEquals(await domains.matches("a.com"), true);
  await assertRejects(
    async () => await domains.matches("b.com"),
    Error,
    "failed",
  );
});

Deno.test("DomainList refuses what it cannot read", async () => {
  await assertRejects(() => read("/missing"), ConfigError, "/missing: no such");
  await assertRejects(() => read("a !"), ConfigError, `no pattern after "!"`);
  await assertRejects(
    () => read("/loop", { "/loop": "a /loop" }),
    ConfigError,
    "/loop: domain list: includes itself",
  );
});

Deno.test("DomainList says what it ignores, and of nothing else", async () => {
  const behind = (item: string) =>
    `"${item}" and the rest of its line is ignored: ` +
    "a comment needs a line of its own";
  const table: [file: string, matching: string[], ...warnings: string[]][] = [
    ["a.com\nb.com", ["a.com", "b.com"]],
    ["# a comment, with a.com\nb.com", ["b.com"]],
    ["#b.com\n#a.com\n", []],
    ["a.com #b.com c.com\n", ["a.com"], `/list, line 1: ${behind("#b.com")}`],
    ["\n b.com\n #a.com\n", ["b.com"], `/list, line 3: ${behind("#a.com")}`],
    [
      "a.com\nb.com\0c.com",
      ["a.com", "b.com"],
      "/list, line 2: it has a null byte: ignoring what is behind it",
    ],
    [
      "\0a.com",
      [],
      "/list, line 1: it has a null byte: ignoring what is behind it",
    ],
  ];
  for (const [file, matching, ...expected] of table) {
    const warnings: string[] = [];
    const domains = await read("/list", { "/list": file }, warnings);
    const found = ["a.com", "b.com", "c.com", "", "\0a.com"]
      .filter((domain) => domains.matches(domain) === true);
    assertEquals([found, warnings], [matching, expected], file);
  }
});

Deno.test("DomainList says where a pattern is missing", async () => {
  const table: [
    list: string,
    files: Record<string, string>,
    message: string,
  ][] = [
    ["a !", {}, `domain list: no pattern after "!"`],
    ["!!", {}, `domain list: no pattern after "!!"`],
    ["/l", { "/l": "a\n!" }, `/l, line 2: no pattern after "!"`],
  ];
  for (const [list, files, message] of table) {
    const error = await assertRejects(() => read(list, files), ConfigError);
    assertEquals(error.message, message);
  }
});

Deno.test("DomainList warns of a comment behind something", async () => {
  const warnings: string[] = [];
  const domains = await read("a.com #b.com c.com", {}, warnings);
  assertEquals(await domains.matches("c.com"), false);
  assertEquals(warnings.length, 1);
});

Deno.test("DomainList compares bytes, of lists and of files", async () => {
  const files = {
    "/list": "\ufeffmarked.com\n# c\n\ufeff# e.com\nn\udce9.com\0x.com\n",
    "/utf16": "\udcff\udcfea\0\n",
  };
  const table: [string, string, boolean][] = [
    ["d\udce9", "d\xe9", true],
    ["D\udce9", "d\xe9", true],
    ["d\udce9", "d\xe8", false],
    ["d\udce9", "d\xef\xbf\xbd", false],
    ["É\udce9", "\xc3\xa9\xe9", true],
    ["only:d\udce9", "d\xe9", false],
    ["static:x", "d\xe9", false],
    ["/list", "marked.com", false],
    ["/list", "\xef\xbb\xbfmarked.com", true],
    ["/list", "e.com", true],
    ["/list", "n\xe9.com", true],
    ["/list", "x.com", false],
    ["/utf16", "a", false],
  ];
  const warnings: string[] = [];
  for (const [list, domain, expected] of table) {
    const domains = await read(list, files, warnings);
    assertEquals(await domains.matches(domain), expected, `${list}: ${domain}`);
  }
  const said = (text: string) =>
    warnings.some((warning) => warning.startsWith(text));
  const mark = "an invisible byte order mark (U+FEFF) is part of the pattern ";
  assert(said(`/list, line 1: ${mark}`));
  assert(said(`/list, line 3: ${mark}`));
  assert(said("/list, line 4: it has a null byte"));
  assert(said("/utf16, line 1: it is UTF-16"));
});

Deno.test("DomainList of byte strings folds ASCII alone", async () => {
  const domains = await read("É.COM \udce9.com", {}, [], byteText);
  assertEquals(await domains.matches("\xc3\x89.com"), true);
  assertEquals(await domains.matches("\xc3\xa9.com"), false);
  assertEquals(await domains.matches("\xe9.COM"), true);
});

Deno.test("DomainList reads a file and opens a table once", async () => {
  const read: string[] = [];
  const opened: string[] = [];
  const domains = await DomainList.read("!/a, /b, /a, static:x, !static:x", {
    text: utf8Text,
    onWarning: () => {},
    readText: (path) => {
      read.push(path);
      return Promise.resolve(path === "/a" ? "a.com static:y" : "/a b.com");
    },
    openTable: (name) => {
      opened.push(name);
      return Promise.resolve({ lookup: () => Promise.resolve(undefined) });
    },
  });
  assertEquals([read, opened], [["/a", "/b"], ["static:y", "static:x"]]);
  assertEquals(domains.matches("a.com"), false);
  assertEquals(await domains.matches("b.com"), true);
});
