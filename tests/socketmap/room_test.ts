import { Room } from "../../lib/socketmap/room.ts";
import { assert, assertEquals } from "../support/assert.ts";

/** Takes all places that are free. */
function takeAll(room: Room): number[] {
  const places: number[] = [];
  for (let place; (place = room.take()) !== undefined;) places.push(place);
  return places;
}

Deno.test("Room has memory for all that is long, and no more than 64 MB with what is short", () => {
  for (const clients of [1, 1000, 10_000, 100_000]) {
    const room = new Room({ clients });
    const places = takeAll(room);
    const spans = places.map((place) => room.memory(place));
    assert(spans.every(({ length }) => length >= 102_400));
    // Nothing is in two places.
    const starts = new Set(spans.map(({ byteOffset }) => byteOffset));
    assertEquals(starts.size, places.length);
    const short = room.long * Math.max(10_000, clients);
    const sum = short + spans[0].buffer.byteLength;
    assert(sum <= 64_000_000 && sum > 60_000_000, `${sum} bytes`);
  }
});

Deno.test("Room gives a place to whoever has waited longest", () => {
  const room = new Room({ clients: 10 });
  const [place] = takeAll(room);
  const got: string[] = [];
  const stop = room.wait(() => got.push("first"));
  room.wait((place) => got.push(`second ${place}`));
  room.wait(() => got.push("third"));
  stop();
  assertEquals(room.waiting, 2);
  room.give(place);
  assertEquals(got, [`second ${place}`]);
  assertEquals([room.waiting, room.take()], [1, undefined]);
});

Deno.test("Room gives its memory back when it was not used for a while", () => {
  const room = new Room({ clients: 10 });
  assertEquals(room.tidy(), true);
  const place = room.take()!;
  const { buffer } = room.memory(place);
  assertEquals([room.tidy(), room.tidy()], [false, false]);
  room.give(place);
  assertEquals(room.memory(room.take()!).buffer, buffer);
  room.give(place);
  assertEquals([room.tidy(), room.tidy()], [false, true]);
  assert(room.memory(place).buffer !== buffer);
});
