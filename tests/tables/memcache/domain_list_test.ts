import { ConfigError } from "../../../lib/errors.ts";
import { DomainList } from "../../../lib/tables/memcache/domain_list.ts";
import { foldCase } from "../../../lib/bytes/text.ts";
import { assertEquals, assertRejects } from "../../support/assert.ts";

function read(
  list: string,
  files: Record<string, string> = {},
  warnings: string[] = [],
): Promise<DomainList> {
  return DomainList.read(list, {
    fold: foldCase,
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
  ];
  const files = {
    "/list": "a.com\n#c.com\n  b.com, /more\n",
    "/more": "!d.com",
  };
  for (const [list, domain, expected] of table) {
    const domains = await read(list, files);
    assertEquals(await domains.matches(domain), expected, `${list}: ${domain}`);
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

Deno.test("DomainList warns of a comment behind something", async () => {
  const warnings: string[] = [];
  const domains = await read("a.com #b.com c.com", {}, warnings);
  assertEquals(await domains.matches("c.com"), false);
  assertEquals(warnings.length, 1);
});
