import { assert, assertEquals } from "../support/assert.ts";
import { Folder } from "../support/folder.ts";
import { peakMemory } from "../support/peak_memory.ts";

const few = 100_000;
const many = 1_000_000;

function key(number: number): string {
  return `k${String(number).padStart(7, "0")}`;
}

/** Writes entries of a kv: table in as large commits as there can be. */
async function fill(file: string, from: number, end: number): Promise<void> {
  using kv = await Deno.openKv(file);
  const encoder = new TextEncoder();
  let next = from;
  const commits = async () => {
    while (next < end) {
      let atomic = kv.atomic();
      for (const stop = Math.min(end, next + 1000); next < stop; next++) {
        const value = encoder.encode(`v${next}`);
        atomic = atomic.set(["table", "", encoder.encode(key(next))], value);
      }
      await atomic.commit();
    }
  };
  // One is written while the other waits for the disk.
  await Promise.all([commits(), commits()]);
}

// In MiB: the collector may take its time with what is no longer needed, so what
// the process has at its peak says little. But a listing that keeps its entries
// ends in this heap after a quarter of a million.
const heap = 48;

Deno.test("command line lists a million entries of kv: in a heap that cannot hold them", async () => {
  await using folder = await Folder.make();
  const file = `${folder.path}/t.kv`;
  const list = async (count: number): Promise<number> => {
    // The first and the last one, and how many there were.
    const { peak, stdout } = await peakMemory((commandLine) =>
      `DENO_V8_FLAGS=--max-old-space-size=${heap} ${commandLine} -s kv:${file} | ` +
      `awk 'NR == 1 { print } END { print; print NR }'`
    );
    const last = count - 1;
    assertEquals(
      stdout,
      `${key(0)}\tv0\n${key(last)}\tv${last}\n${count}\n`,
    );
    return peak;
  };
  await fill(file, 0, few);
  const small = await list(few);
  await fill(file, few, many);
  const large = await list(many);
  console.log(
    `peak memory in MiB: ${small} of 100000 entries, ${large} of 10⁶`,
  );
  assert(small > 20 && large < small * 2.5, `${small} MiB, then ${large} MiB`);
});
