import {
  bytesOfName,
  comesBefore,
  orderedName,
} from "../../../lib/tables/kv/ordered_name.ts";
import { utf8Text } from "../../../lib/bytes/text.ts";
import { assert, assertEquals } from "../../support/assert.ts";
import { Random } from "../../support/random.ts";

Deno.test("orderedName() leaves UTF-8 as it is, and takes any other byte", () => {
  const table: [number[], string][] = [
    [[], ""],
    [[0x61], "a"],
    [[0x6b, 0xc3, 0xa4], "kä"],
    [[0x00, 0x7f], "\x00\x7f"],
    [[0xf0, 0x9f, 0x98, 0x80], "😀"],
    [[0x80], "\x7f\u{10ffff}\x80"],
    [[0xc3], "¿\u{10ffff}Ã"],
    [[0x61, 0xff, 0x61], "a\u{10fffe}\u{10ffff}ÿa"],
    [[0xed, 0xa0, 0x80], "\ud7ff\u{10ffff}í\xa0\x80"],
    [[0xf4, 0x8f, 0xbf, 0xbf], "\u{10fffe}\u{10ffff}ô\x8f¿¿"],
  ];
  for (const [bytes, name] of table) {
    assertEquals(orderedName(Uint8Array.from(bytes)), name);
    assertEquals(bytesOfName(name), Uint8Array.from(bytes));
  }
});

Deno.test("bytesOfName() takes no string that orderedName() does not make", () => {
  for (
    const name of [
      "\u{10ffff}",
      "a\u{10ffff}",
      "a\u{10ffff}b",
      "\u{10fffd}\u{10ffff}ÿ",
      "¿\u{10ffff}Ã€",
    ]
  ) assertEquals(bytesOfName(name), undefined, JSON.stringify(name));
});

Deno.test("orderedName() keeps the order of bytes, and each its own name", () => {
  const random = Random.seeded("ordered names");
  // Bytes at the borders of what UTF-8 allows, so that most cases are close.
  const pieces = [
    [0x00],
    [0x61],
    [0x7f],
    [0x80],
    [0xbf],
    [0xc0],
    [0xc2],
    [0xc3],
    [0xdf],
    [0xe0],
    [0xed],
    [0xef],
    [0xf0],
    [0xf4],
    [0xf5],
    [0xff],
    [0xc2, 0x80],
    [0xc2, 0xbf],
    [0xc3, 0x80],
    [0xdf, 0xbf],
    [0xe0, 0xa0, 0x80],
    [0xed, 0x9f, 0xbf],
    [0xee, 0x80, 0x80],
    [0xef, 0xbf, 0xbf],
    [0xf0, 0x90, 0x80, 0x80],
    [0xf4, 0x8f, 0xbf, 0xbe],
    [0xf4, 0x8f, 0xbf, 0xbf],
  ];
  const make = () =>
    Uint8Array.from(random.list(0, 4, () => random.pick(pieces)).flat());
  for (let number = 0; number < 3000; number++) {
    const [left, right] = [make(), make()];
    const names = [left, right].map((bytes) =>
      utf8Text.encode(orderedName(bytes))
    );
    const shown = `${left} | ${right}`;
    assertEquals(
      comesBefore(names[0], names[1]),
      comesBefore(left, right),
      shown,
    );
    assertEquals(
      `${names[0]}` === `${names[1]}`,
      `${left}` === `${right}`,
      shown,
    );
    const back = bytesOfName(orderedName(left));
    assert(back !== undefined && `${back}` === `${left}`, shown);
  }
});
