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
  tooLongKey,
} from "../../../lib/tables/memcache/key_rules.ts";
import { assert, assertEquals } from "../../support/assert.ts";
import { Random } from "../../support/random.ts";

function rules(more: Partial<KeyRuleParts> = {}): KeyRules {
  return new KeyRules({
    format: parseKeyFormat("%s"),
    text: utf8Text,
    ...more,
  });
}

/** The memcache key, or why there is none; the same for a lookup and appended. */
async function made(
  rules: KeyRules,
  key: string,
): Promise<{ key: string } | { verdict: string | number }> {
  const { text } = rules;
  // What stands around the key is none of its business.
  const [before, behind] = ["a.b\0@", "\0@a.b"];
  const bytes = text.encode(before + key + behind);
  const [start, end] = [before.length, bytes.length - behind.length];
  const out = new ByteBuffer(1);
  out.appendAscii("before ");
  const verdict = await rules.append(out, bytes, start, end);
  const added = text.decode(out.view())!.slice("before ".length);
  const command = await rules.getCommand(key);
  if (verdict !== undefined) {
    assertEquals([added, command], ["", verdict]);
    return { verdict };
  }
  assert(command instanceof Uint8Array);
  assertEquals(text.decode(command), `get ${added}\r\n`);
  return { key: added };
}

/** The memcache key, or a word for why there is none. */
async function outcome(rules: KeyRules, key: string): Promise<string> {
  const result = await made(rules, key);
  if ("key" in result) return result.key;
  const { verdict } = result;
  return typeof verdict === "number" ? `too long: ${verdict}` : "skipped";
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
    // Each of the letters and digits, beside the others.
    ["%1", "a@d.c.b.a", "a"],
    ["%2", "a@d.c.b.a", "b"],
    ["%3", "a@d.c.b.a", "c"],
    ["%4", "a@d.c.b.a", "d"],
    ["%5", "a@d.c.b.a", undefined],
    ["%3.%1", "a@d.c.b.a", "c.a"],
    ["%1.%3", "a@d.c.b.a", "a.c"],
    ["%3.%1", "a@b.a", undefined],
    ["%1%u", "u@a", "au"],
    ["%9%1", "a@9.8.7.6.5.4.3.2.1", "91"],
    ["%9%1", "a@8.7.6.5.4.3.2.1", undefined],
    ["%1", "a@b.", "b"],
    ["%1", "a@..", undefined],
    ["x:%d", "a@b.", "x:b."],
    ["%1", "a.b", undefined],
    ["%u:%d", "a@b", "a:b"],
    ["%d:%u", "a@b@c", "c:a@b"],
    ["%u", "a.b", "a.b"],
    ["x:%u", "@b", undefined],
    ["x:%d", "a", undefined],
    ["x:%d", "a@", undefined],
    ["x:%d", "@", undefined],
    ["x:%s", "@", "x:@"],
    ["x:%1", "a", undefined],
    ["x:%u", "a@", "x:a"],
    ["%S", "A@b", "A@b"],
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

Deno.test("KeyRules say why a key is skipped", async () => {
  const domains = await DomainList.read("a.example", {
    text: utf8Text,
    onWarning: () => {},
    readText: () => Promise.reject(new Error("no file")),
    openTable: () => Promise.reject(new Error("no table")),
  });
  const exclude = outsideOf(domains);
  const format = (text: string) => ({ format: parseKeyFormat(text) });
  const empty = "the key is empty";
  const nullByte = "the key has a null byte";
  const lacks = "the key lacks a part that key_format asks for";
  const control = "the memcache key has white space or a control character";
  const notListed = "its domain is not on the domain list";
  const noAddress = "the key is no user@domain, which a domain list needs";
  const digest = () => "d1ge57";
  const table: [Partial<KeyRuleParts>, string, string][] = [
    [{}, "", empty],
    [format("x:%s"), "", empty],
    [{ digest }, "", empty],
    [{ exclude }, "", empty],
    [{}, "\0", nullByte],
    [{}, "a\0b", nullByte],
    [format("x"), "a\0", nullByte],
    [{ digest }, "\0a", nullByte],
    [{ exclude }, "a\0@a.example", nullByte],
    [{}, "a\x01", control],
    [{}, "a b", control],
    [{}, "a\x7f", control],
    [format("x y"), "a", control],
    [format("%u"), "@b", lacks],
    [format("x:%u"), "@b", lacks],
    [format("%d"), "a", lacks],
    [format("%d"), "a@", lacks],
    [format("%2"), "a@b", lacks],
    [format("x%9"), "a@b", lacks],
    [{ ...format("%d"), digest }, "a", lacks],
    [format(""), "a", "its key_format expansion is empty"],
    [{ ...format(""), digest }, "a", "its key_format expansion is empty"],
    [{ exclude }, "a", noAddress],
    [{ exclude }, "@a.example", noAddress],
    [{ exclude }, "a.example", noAddress],
    [{ exclude }, "a@b.example", notListed],
    [{ exclude }, "a@", notListed],
    [
      { skipsLongKeys: true },
      "k".repeat(251),
      "its memcache key has 251 bytes, and memcached takes 250: " +
      "set key_digest = sha256",
    ],
  ];
  for (const [parts, key, expected] of table) {
    assertEquals(
      await made(rules(parts), key),
      { verdict: expected },
      JSON.stringify(key),
    );
  }
  // All is well with a key of one character whose domain is on the list.
  assertEquals(await outcome(rules({ exclude }), "a@a.example"), "a@a.example");
});

Deno.test("KeyRules look at the digest as at any memcache key", async () => {
  const table: [string, string][] = [
    ["d1ge57", "d1ge57"],
    ["", ""],
    ["d 1", "skipped"],
    ["d".repeat(250), "d".repeat(250)],
    ["d".repeat(251), "too long: 251"],
  ];
  for (const [hex, expected] of table) {
    for (const digest of [() => hex, () => Promise.resolve(hex)]) {
      assertEquals(await outcome(rules({ digest }), "k"), expected, hex);
    }
  }
});

Deno.test("tooLongKey() names the table, the beginning of the key, and the cure", () => {
  for (const length of [59, 60, 61, 300]) {
    const key = `a${"k".repeat(length - 2)}z`;
    const shown = length > 60 ? `${key.slice(0, 60)}…` : key;
    assertEquals(
      tooLongKey("memcache:t", key, 251).message,
      `memcache:t: key "${shown}": its memcache key has 251 bytes, and ` +
        "memcached takes 250: set key_digest = sha256",
    );
  }
});

Deno.test("KeyRules keep each command as it is while they make others", async () => {
  const some = rules({ format: parseKeyFormat("a:%s") });
  const keys = Array.from({ length: 1000 }, (_, number) => {
    if (number % 7 === 3) return `key ${number}`;
    return `${number}`.repeat(number % 100 === 0 ? 83 : number % 11 + 1);
  });
  const commands = keys.map((key) => some.getCommand(key));
  for (const [number, key] of keys.entries()) {
    const command = await commands[number];
    if (key.length > 248) assertEquals(command, key.length + 2);
    else if (key.includes(" ")) assertEquals(typeof command, "string");
    else {assertEquals(
        byteText.decode(command as Uint8Array),
        `get a:${key}\r\n`,
      );}
  }
});

Deno.test("KeyRules make no promise where they need none", () => {
  assert(!(rules().getCommand("a") instanceof Promise));
});

Deno.test("KeyRules skip a key that is too long, where that is no failure", async () => {
  const skipping = rules({ skipsLongKeys: true });
  assertEquals(await outcome(skipping, "k".repeat(250)), "k".repeat(250));
  assertEquals(await outcome(skipping, "k".repeat(251)), "skipped");
});

Deno.test("KeyRules give the same for a plain format with and without their shortcut", async () => {
  const random = Random.seeded("plain key formats");
  const characters = "ab@.%0 \t\0\x7f\u00e9";
  for (let round = 0; round < 3000; round++) {
    const text = (most: number) =>
      random.list(0, most, () => random.pick([...characters])).join("");
    const literal = () =>
      random.chance(0.8) ? random.pick(["", "a:", "x%%"]) : "y z";
    const format = parseKeyFormat(
      literal() + random.pick(["%s", "%s", "%s%s", "%u", "%s%d"]) + literal(),
    );
    const key = random.chance(0.9)
      ? text(12)
      : "k".repeat(random.integer(240, 255));
    const part = { format, text: byteText };
    // A filter that excludes nothing keeps the rules from their shortcut.
    const slow = rules({ ...part, exclude: () => undefined });
    assertEquals(
      await made(rules(part), key),
      await made(slow, key),
      JSON.stringify({ round, format, key }),
    );
  }
});
