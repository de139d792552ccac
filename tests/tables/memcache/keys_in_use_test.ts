import { KeysInUse } from "../../../lib/tables/memcache/keys_in_use.ts";
import { assertEquals } from "../../support/assert.ts";

Deno.test("KeysInUse keeps a value from the backup out of memcached while its key is written", () => {
  const keys = new KeysInUse();
  const before = keys.beginLookup("a:k", "k");
  const write = keys.beginWrite(() => ["a:k", "a:k"], ["k", "k"]);
  const during = keys.beginLookup("a:k", "k");
  const other = keys.beginLookup("a:other", "other");
  write.end();
  const after = keys.beginLookup("a:k", "k");
  assertEquals(
    [before, during, other, after].map(({ mayFill }) => mayFill),
    [false, false, true, true],
  );
});

Deno.test("KeysInUse knows the last write of a memcache key, though lookups come between", () => {
  const keys = new KeysInUse();
  const first = keys.beginWrite(() => ["a:k", "a:first"], ["k", "first"]);
  keys.beginLookup("a:other", "other");
  const second = keys.beginWrite(() => ["a:k"], ["k"]);
  assertEquals(
    [first.isLast("a:k"), first.isLast("a:first"), second.isLast("a:k")],
    [false, true, true],
  );
  first.end();
  assertEquals(keys.beginLookup("a:k", "k").mayFill, false);
  assertEquals(keys.beginLookup("a:first", "first").mayFill, true);
  second.end();
  assertEquals(keys.beginLookup("a:k", "k").mayFill, true);
});

Deno.test("KeysInUse asks for the memcache keys of a write only when they are needed", async () => {
  const keys = new KeysInUse();
  let asked = 0;
  const memcacheKeys = () => {
    asked++;
    return ["a:k"];
  };
  const first = keys.beginWrite(memcacheKeys, ["k"]);
  const second = keys.beginWrite(memcacheKeys, ["k"]);
  const third = keys.beginWrite(() => ["a:k2"], ["k2", "k2"]);
  await third.earlier;
  let isFirstOver = false;
  const waiting = second.earlier.then(() => assertEquals(isFirstOver, true));
  isFirstOver = true;
  first.end();
  await waiting;
  second.end();
  third.end();
  assertEquals(asked, 0);
});

Deno.test("KeysInUse has a write wait for all earlier ones, also behind one that ended early", async () => {
  const keys = new KeysInUse();
  const write = () => keys.beginWrite(() => ["a:k"], ["k"]);
  const first = write();
  // It is aborted while the first one is under way.
  write().end();
  const third = write();
  let isFirstOver = false;
  const waiting = third.earlier.then(() => assertEquals(isFirstOver, true));
  for (let turn = 0; turn < 10; turn++) await undefined;
  isFirstOver = true;
  first.end();
  await waiting;
  third.end();
  await write().earlier;
});
