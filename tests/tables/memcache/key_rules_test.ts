import { ByteBuffer } from "../../../lib/bytes/byte_buffer.ts";
import { byteText, utf8Text } from "../../../lib/bytes/text.ts";
import {
  DomainList,
  outsideOf,
} from "../../../lib/tables/memcache/domain_list.ts";
import { parseKeyFormat } from "../../../lib/tables/memcache/key_format.ts";
import {
  type KeyRuleParts,
  KeyRules,
} from "../../../lib/tables/memcache/key_rules.ts";
import { assert, assertEquals } from "../../support/assert.ts";

function rules(more: Partial<KeyRuleParts> = {}): KeyRules {
  return new KeyRules({
    format: parseKeyFormat("%s"),
    text: utf8Text,
    ...more,
  });
}

/** The memcache key, or a word for why there is none; checks single and appended. */
async function outcome(rules: KeyRules, key: string): Promise<string> {
  const { text } = rules;
  const bytes = text.encode(`<${key}>`);
  const out = new ByteBuffer(1);
  out.appendAscii("before ");
  const verdict = await rules.append(out, bytes, 1, bytes.length - 1);
  const added = text.decode(out.view())!.slice("before ".length);
  const command = await rules.getCommand(key);
  if (verdict !== undefined) {
    assertEquals([added, command], ["", verdict]);
    return typeof verdict === "number" ? `too long: ${verdict}` : "skipped";
  }
  assert(command instanceof Uint8Array);
  assertEquals(text.decode(command), `get ${added}\r\n`);
  return added;
}

Deno.test("KeyRules expand the format, or skip a key that lacks a part of it", async () => {
  const table: [string, string, string | undefined][] = [
    ["%s", "a@b", "a@b"],
    ["x:%s", "a", "x:a"],
    ["100%%", "a", "100%"],
    ["%S%U%D", "a@b.c", "a@b.cab.c"],
    ["%u", "a@b", "a"],
    ["%u", "a", "a"],
    ["%u", "@b", undefined],
    ["%s", "@b", "@b"],
    ["%u", "a@b@c", "a@b"],
    ["%d", "a@b@c", "c"],
    ["%d", "a", undefined],
    ["%d", "a@", undefined],
    ["%d", "@b", "b"],
    ["%u", "a@", "a"],
    ["%1", "a@mail.example.com", "com"],
    ["%3.%2.%1", "a@mail.example.com", "mail.example.com"],
    ["%4", "a@mail.example.com", undefined],
    ["%2", "a@example..com", "example"],
    ["%2", "a@.com", undefined],
    ["%9", "a@1.2.3.4.5.6.7.8.9", "1"],
    ["%u%1", "@b.c", undefined],
    ["", "a", undefined],
    ["literal", "a", "literal"],
    ["%s'\"", "o'neil", "o'neil'\""],
  ];
  for (const [format, key, expected] of table) {
    for (const text of [utf8Text, byteText]) {
      assertEquals(
        await outcome(rules({ format: parseKeyFormat(format), text }), key),
        expected ?? "skipped",
        `${format} of ${key}`,
      );
    }
  }
});

Deno.test("KeyRules skips white space and control characters in the result", async () => {
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

Deno.test("KeyRules counts the bytes of a key, not its characters", async () => {
  assertEquals(await outcome(rules(), "k".repeat(250)), "k".repeat(250));
  assertEquals(await outcome(rules(), "k".repeat(251)), "too long: 251");
  assertEquals(await outcome(rules(), "é".repeat(125)), "é".repeat(125));
  assertEquals(await outcome(rules(), "é".repeat(126)), "too long: 252");
  assertEquals(await outcome(rules(), "€".repeat(84)), "too long: 252");
  const bytes = rules({ text: byteText });
  assertEquals(await outcome(bytes, "é".repeat(250)), "é".repeat(250));
  assertEquals(await outcome(bytes, "é".repeat(251)), "too long: 251");
});

Deno.test("KeyRules digests what key_format made, white space and all", async () => {
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
  assertEquals([...new Set(seen)], [`a: ${"k".repeat(300)}`, "a: x y"]);
});

Deno.test("KeyRules asks the domain list before it expands", async () => {
  const domains = await DomainList.read("bücher.example", {
    text: utf8Text,
    onWarning: () => {},
    readText: () => Promise.reject(new Error("no file")),
    openTable: () => Promise.reject(new Error("no table")),
  });
  const exclude = outsideOf(domains);
  const listed = rules({ exclude, format: parseKeyFormat("x:%u") });
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
  const bytes = rules({ exclude, text: byteText });
  const key = byteText.decode(utf8Text.encode("a@BÜCHER.example"))!;
  assertEquals(await outcome(bytes, key), key);
  assertEquals(await outcome(bytes, "a@b\xfccher.example"), "skipped");
});

Deno.test("KeyRules make no promise where they need none", () => {
  assert(!(rules().getCommand("a") instanceof Promise));
});

Deno.test("KeyRules skip a key that is too long, where that is no failure", async () => {
  const skipping = rules({ skipsLongKeys: true });
  assertEquals(await outcome(skipping, "k".repeat(250)), "k".repeat(250));
  assertEquals(await outcome(skipping, "k".repeat(251)), "skipped");
});
