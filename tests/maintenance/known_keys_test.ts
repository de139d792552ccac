import { KnownKeys } from "../../lib/maintenance/known_keys.ts";
import { assert, assertEquals } from "../support/assert.ts";

const keyOf = (number: number) => `user${number}@example.com`;

Deno.test("KnownKeys has what was added, and nothing else", () => {
  const known = new KnownKeys();
  const count = 100_000;
  for (let number = 0; number < count; number += 2) known.add(keyOf(number));
  for (let number = 0; number < count; number++) {
    assertEquals(known.has(keyOf(number)), number % 2 === 0, keyOf(number));
  }
});

Deno.test("KnownKeys tells similar keys apart", () => {
  const keys = [
    "",
    "\0",
    "a",
    "b",
    "ab",
    "ba",
    "ä",
    "\u00e4\0",
    "\u{1f600}",
    "aa",
  ];
  for (const key of keys) {
    const known = new KnownKeys();
    known.add(key);
    known.add(key);
    for (const other of keys) assertEquals(known.has(other), other === key);
  }
});

Deno.test("KnownKeys does not know of keys beyond its limit", () => {
  const known = new KnownKeys(1000);
  for (let number = 0; number < 2000; number++) known.add(keyOf(number));
  assert(known.has(keyOf(0)) && known.has(keyOf(999)));
  assertEquals(known.has(keyOf(1000)), false);
});
