import { stringAt } from "../../../lib/bytes/byte_strings.ts";
import { byteText } from "../../../lib/bytes/text.ts";
import { keysOfChunk } from "../../../lib/cli/message/key_chunks.ts";
import { MessageKeys } from "../../../lib/cli/message/message_keys.ts";
import { assertEquals } from "../../support/assert.ts";
import { Random } from "../../support/random.ts";

const rounds = Number(Deno.env.get("ROUNDS") ?? 500);

const multipart = 'Content-Type: multipart/mixed; boundary="b"';

function randomLine(random: Random): string {
  return random.pick([
    "",
    "-",
    "--",
    "--b",
    "--b--",
    "--other",
    "text",
    "Subject: s",
    "To : a",
    " folded",
    "\tfolded",
    multipart,
    "Content-Type: message/rfc822",
    "a\0b",
    "\xff\xfe",
    "x".repeat(random.integer(60, 70)),
  ]);
}

Deno.test("keysOfChunk() finds in chunks of bytes what MessageKeys finds line by line", () => {
  const random = Random.seeded("key chunks");
  for (let round = 0; round < rounds; round++) {
    const headers = random.chance(0.5);
    const query = {
      headers,
      body: !headers || random.chance(0.5),
      mime: random.chance(0.5),
    };
    const lines = [
      ...(random.chance(0.5) ? [multipart, ""] : []),
      ...random.list(1, 30, () => randomLine(random)),
    ];
    const expected: string[] = [];
    const rule = new MessageKeys(query);
    for (const line of lines) if (!rule.done) expected.push(...rule.push(line));
    expected.push(...rule.end());

    const found: string[] = [];
    const message = new MessageKeys(query);
    for (let at = 0; at < lines.length;) {
      const count = random.integer(1, 10);
      const chunk = byteText.encode(lines.slice(at, at + count).join("\n"));
      const keys = keysOfChunk(message, chunk);
      for (let key = 0; key < keys.starts.length; key++) {
        found.push(byteText.decode(stringAt(keys, key)!)!);
      }
      at += count;
    }
    found.push(...message.end());
    assertEquals(found, expected, JSON.stringify({ query, lines }));
  }
});
