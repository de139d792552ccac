import {
  byteText,
  configBytes,
  configByteString,
  configText,
  foldAscii,
  foldCase,
  isUtf8,
  joinedText,
  utf8Text,
} from "../../lib/bytes/text.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { Folder } from "../support/folder.ts";
import { runPostmap } from "../support/processes.ts";
import { Random } from "../support/random.ts";
import { ScriptedServer } from "../support/scripted_server.ts";

Deno.test("foldCase() folds fully, without regard to a language or to neighbours", () => {
  const table: [string, string][] = [
    ["", ""],
    ["abc", "abc"],
    ["Alice@EXAMPLE.com", "alice@example.com"],
    ["STRAßE", "strasse"],
    ["STRAẞE", "strasse"],
    ["İ", "i̇"],
    ["ıI", "ıi"],
    ["ΣΊΣΥΦΟΣ ΣΊΣΥΦΟΣ", "σίσυφοσ σίσυφοσ"],
    ["ς", "σ"],
    ["ﬀ ﬃ", "ff ffi"],
    ["K Å ſ", "k å s"],
    ["Ꭰꭰᏸ", "ᎠᎠᏰ"],
    ["Aꭰꭰ Ος", "aᎠᎠ οσ"],
    ["𐐀", "𐐨"],
    ["ᾈ", "ἀι"],
    ["日本", "日本"],
  ];
  for (const [text, folded] of table) {
    assertEquals(foldCase(text), folded, text);
    assertEquals(foldCase(folded), folded, `${text} folded twice`);
  }
});

Deno.test("foldAscii() folds A to Z alone", () => {
  assertEquals(foldAscii("ÀZa[É]"), "Àza[É]");
});

Deno.test("foldCase() agrees with postmap on every character that has a case", async () => {
  // Letters of Unicode 16 and later, which Debian's library does not know yet.
  const newer = (code: number) =>
    [0x1c89, 0xa7cb, 0xa7cc, 0xa7da, 0xa7dc].includes(code) ||
    (code >= 0x10d50 && code <= 0x10d65) ||
    (code >= 0xa7ce && code <= 0xa7d4) || (code >= 0x16ea0 && code <= 0x16ed3);
  const characters: string[] = [];
  for (let code = 0x80; code < 0x20000; code++) {
    if (code >= 0xd800 && code < 0xe000 || newer(code)) continue;
    const character = String.fromCodePoint(code);
    const cased = character.toLowerCase() !== character ||
      character.toUpperCase() !== character;
    if (cased) characters.push(character);
  }
  assert(characters.length > 2500);
  await using folder = await Folder.make();
  await folder.mailConfiguration();
  await using server = new ScriptedServer(() => ["END\r\n"]);
  const file = await folder.write("fold.cf", `memcache = ${server.server}\n`);
  await runPostmap(["-c", folder.path, "-q", "-", `memcache:${file}`], {
    stdin: characters.join("\n"),
  });
  const asked = server.lines.map((line) =>
    utf8Text.decode(byteText.encode(line.slice("get ".length)))
  );
  assertEquals(characters.map(foldCase), asked as string[]);
});

Deno.test("utf8Text takes valid UTF-8 alone", () => {
  assertEquals(utf8Text.decode(utf8Text.encode("\ufeffÄ€😀")), "\ufeffÄ€😀");
  for (
    const bytes of [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xe2, 0x82], [
      0xf4,
      0x90,
      0x80,
      0x80,
    ]]
  ) {
    assertEquals(utf8Text.decode(Uint8Array.from(bytes)), undefined);
  }
  assert(utf8Text.valid("ä😀"));
  assert(!utf8Text.valid("\ud800"));
});

Deno.test("byteText keeps every byte, however many", () => {
  const bytes = Uint8Array.from({ length: 100_000 }, (_, at) => at % 256);
  const text = byteText.decode(bytes)!;
  assertEquals(text.length, bytes.length);
  assertEquals(byteText.encode(text), bytes);
  assert(byteText.valid("\u00ff"));
  assert(!byteText.valid("\u0100"));
});

Deno.test("configText() keeps every byte, and is UTF-8 where the bytes are", () => {
  const random = Random.seeded("configText");
  const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  for (let round = 0; round < 5000; round++) {
    const bytes = Uint8Array.from(random.list(0, 12, () =>
      random.pick([
        () => random.integer(0, 255),
        () => random.integer(0x80, 0xbf),
        () => random.integer(0xc0, 0xf8),
        () => 0x61,
      ])()));
    const text = configText(bytes);
    assertEquals(configBytes(text), bytes);
    assertEquals(configByteString(text), byteText.decode(bytes));
    let decoded: string | undefined;
    try {
      decoded = strict.decode(bytes);
    } catch {
      // It is not UTF-8.
    }
    assertEquals(isUtf8(text), decoded !== undefined, `${bytes}`);
    if (decoded !== undefined) assertEquals(text, decoded);
  }
});

Deno.test("configText() shows what is UTF-8 beside what is not", () => {
  const table: [number[], string][] = [
    [[], ""],
    [[0xef, 0xbb, 0xbf, 0x61], "\ufeffa"],
    [[0x61, 0xe9, 0x3a], "a\udce9:"],
    [[0xc3, 0xa9, 0xe9], "é\udce9"],
    [[0xe9, 0xc3, 0xa9], "\udce9é"],
    [[0xf0, 0x9f, 0x98], "\udcf0\udc9f\udc98"],
    [[0xf0, 0x9f, 0x98, 0x80, 0x80], "😀\udc80"],
    // A surrogate, a longer form than need be, above U+10FFFF.
    [[0xed, 0xb3, 0xa9], "\udced\udcb3\udca9"],
    [[0xc0, 0xaf], "\udcc0\udcaf"],
    [[0xf4, 0x90, 0x80, 0x80], "\udcf4\udc90\udc80\udc80"],
  ];
  for (const [bytes, text] of table) {
    assertEquals(configText(Uint8Array.from(bytes)), text);
  }
  assertEquals(joinedText("\udcc3" + "\udca9"), "é");
});
