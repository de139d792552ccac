import { BufferPool } from "../../lib/socketmap/buffer_pool.ts";
import { assert, assertEquals } from "../support/assert.ts";

/** Takes all free slots. */
function takeAll(pool: BufferPool): number[] {
  const slots: number[] = [];
  for (let slot; (slot = pool.take()) !== undefined;) slots.push(slot);
  return slots;
}

Deno.test("BufferPool has a buffer for each slot, and all memory is at most 64 MB", () => {
  for (const clients of [1, 1000, 10_000, 100_000]) {
    const pool = new BufferPool({ clients });
    const slots = takeAll(pool);
    const spans = slots.map((slot) => pool.memory(slot));
    assert(spans.every(({ length }) => length >= 102_400));
    // No two slots share memory.
    const starts = new Set(spans.map(({ byteOffset }) => byteOffset));
    assertEquals(starts.size, slots.length);
    const short = pool.longSize * Math.max(10_000, clients);
    const sum = short + spans[0].buffer.byteLength;
    assert(sum <= 64_000_000 && sum > 60_000_000, `${sum} bytes`);
  }
});

Deno.test("BufferPool gives a free slot to the caller that has waited longest", () => {
  const pool = new BufferPool({ clients: 10 });
  const [slot] = takeAll(pool);
  const got: string[] = [];
  const stop = pool.wait(() => got.push("first"));
  pool.wait((slot) => got.push(`second ${slot}`));
  pool.wait(() => got.push("third"));
  stop();
  assertEquals(pool.waiting, 2);
  pool.release(slot);
  assertEquals(got, [`second ${slot}`]);
  assertEquals([pool.waiting, pool.take()], [1, undefined]);
});

Deno.test("BufferPool frees its memory when it was not used for a while", () => {
  const pool = new BufferPool({ clients: 10 });
  assertEquals(pool.freeIfUnused(), true);
  const slot = pool.take()!;
  const { buffer } = pool.memory(slot);
  assertEquals([pool.freeIfUnused(), pool.freeIfUnused()], [false, false]);
  pool.release(slot);
  assertEquals(pool.memory(pool.take()!).buffer, buffer);
  pool.release(slot);
  assertEquals([pool.freeIfUnused(), pool.freeIfUnused()], [false, true]);
  assert(pool.memory(slot).buffer !== buffer);
});
