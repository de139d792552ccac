import { DomainList } from "../../../lib/tables/memcache/domain_list.ts";
import { parseKeyFormat } from "../../../lib/tables/memcache/key_format.ts";
import {
  type KeyRules,
  prepareKey,
} from "../../../lib/tables/memcache/key_rules.ts";
import { byteText, utf8Text } from "../../../lib/bytes/text.ts";
import { assert, assertEquals } from "../../support/assert.ts";

function rules(more: Partial<KeyRules> = {}): KeyRules {
  return { format: parseKeyFormat("%s"), text: utf8Text, ...more };
}

function textOf({ text }: KeyRules, key: string): string {
  return text.decode(byteText.encode(key))!;
}

async function outcome(rules: KeyRules, key: string): Promise<string> {
  const prepared = await prepareKey(rules, key);
  if ("key" in prepared) return textOf(rules, prepared.key);
  return "skipped" in prepared ? "skipped" : `too long: ${prepared.tooLong}`;
}

Deno.test("prepareKey() skips white space and control characters in the result", async () => {
  const refused = [...Array(33).keys(), 127];
  for (const code of refused) {
    assertEquals(
      await outcome(rules(), `a${String.fromCharCode(code)}b`),
      "skipped",
      `${code}`,
    );
  }
  for (const character of ["!", "~", "\u0080", "\u00a0", "\u2028", "é"]) {
    assertEquals(await outcome(rules(), character), character);
  }
  assertEquals(await outcome(rules(), ""), "skipped");
  assertEquals(await outcome(rules(), "x\r\ndelete y"), "skipped");
  const spaced = rules({ format: parseKeyFormat("a %s") });
  assertEquals(await outcome(spaced, "key"), "skipped");
});

Deno.test("prepareKey() counts the bytes of a key, not its characters", async () => {
  assertEquals(await outcome(rules(), "k".repeat(250)), "k".repeat(250));
  assertEquals(await outcome(rules(), "k".repeat(251)), "too long: 251");
  assertEquals(await outcome(rules(), "é".repeat(125)), "é".repeat(125));
  assertEquals(await outcome(rules(), "é".repeat(126)), "too long: 252");
  assertEquals(await outcome(rules(), "€".repeat(84)), "too long: 252");
  const bytes = rules({ text: byteText });
  assertEquals(await outcome(bytes, "é".repeat(250)), "é".repeat(250));
  assertEquals(await outcome(bytes, "é".repeat(251)), "too long: 251");
});

Deno.test("prepareKey() digests what key_format made, white space and all", async () => {
  const seen: string[] = [];
  const digested = rules({
    format: parseKeyFormat("a: %s"),
    digest: (data) => {
      seen.push(utf8Text.decode(data)!);
      return "d1ge57";
    },
  });
  assertEquals(await outcome(digested, "k".repeat(300)), "d1ge57");
  assertEquals(await outcome(digested, "x y"), "d1ge57");
  assertEquals(seen, [`a: ${"k".repeat(300)}`, "a: x y"]);
});

Deno.test("prepareKey() asks the domain list before it expands", async () => {
  const domains = await DomainList.read("bücher.example", {
    text: utf8Text,
    onWarning: () => {},
    readText: () => Promise.reject(new Error("no file")),
    openTable: () => Promise.reject(new Error("no table")),
  });
  const listed = rules({ domains, format: parseKeyFormat("x:%u") });
  const table: [string, string][] = [
    ["a@bücher.example", "x:a"],
    ["a@b@bücher.example", "x:a@b"],
    ["@bücher.example", "skipped"],
    ["a@", "skipped"],
    ["bücher.example", "skipped"],
    ["a@other.example", "skipped"],
  ];
  for (const [key, expected] of table) {
    assertEquals(await outcome(listed, key), expected, key);
  }
  const bytes = rules({ domains, text: byteText });
  const key = byteText.decode(utf8Text.encode("a@BÜCHER.example"))!;
  assertEquals(await outcome(bytes, key), key);
  assertEquals(await outcome(bytes, "a@b\xfccher.example"), "skipped");
});

Deno.test("prepareKey() makes no promise where it needs none", () => {
  assert(!(prepareKey(rules(), "a") instanceof Promise));
});
