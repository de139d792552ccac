import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { Folder } from "../support/folder.ts";
import { Memcached } from "../support/memcached.ts";
import { root, run, runCli } from "../support/processes.ts";

const noMainCf = ["-c", "/nonexistent"];

/** A database of so many entries, the last of which no table can have. */
async function spoiled(
  folder: Folder,
  count: number,
  value: string,
): Promise<string> {
  const path = `${folder.path}/t.kv`;
  const lines = Array.from({ length: count }, (_, at) => `k${at} ${value}\n`);
  await runCli(["-i", `kv:${path}`], { stdin: lines.join("") });
  using kv = await Deno.openKv(path);
  await kv.set(["table", "", new TextEncoder().encode("z")], "no bytes");
  return `kv:${path}`;
}

/** The number of a message, whose commas it does not have. */
function numberIn(message: string, pattern: RegExp): number {
  const [, number] = pattern.exec(message) ?? [];
  assert(number !== undefined, message);
  return Number(number.replaceAll(",", ""));
}

Deno.test("warm that fails says how far it came, as -i does", async () => {
  await using memcached = await Memcached.tcp();
  await using folder = await Folder.make();
  const backup = await spoiled(folder, 5000, "v");
  const table = `memcache:{memcache=${memcached.server}, backup=${backup}}`;
  const { code, stdout, stderr } = await runCli(["warm", ...noMainCf, table]);
  assertEquals([code, stdout], [1, ""]);
  const stored = numberIn(
    stderr,
    /^memcache-table: ([\d,]+) entries stored, 0 not\nmemcache-table: fatal: kv:.*"z" is no byte value: .*\n$/,
  );
  const there = await memcached.talk("stats\r\n", "END\r\n");
  assertEquals(stored, numberIn(there, /STAT curr_items (\d+)/));
});

Deno.test("sync that fails says how far it came, as -i does", async () => {
  await using folder = await Folder.make();
  const lines = Array.from(
    { length: 8000 },
    (_, at) => `k${at} ${"x".repeat(1000)}\n`,
  );
  const input = await folder.write("lines", lines.join(""));
  const table = `kv:${folder.path}/t.kv`;
  await runCli(["-i", table], { stdin: "old 1\n" });
  // The source has room for a sorted copy, but the database has none.
  const cli = `"$0" run --quiet --no-code-cache -A ${root}cli.ts`;
  const { code, stdout, stderr } = await run("bash", [
    "-c",
    `ulimit -f 9000; ${cli} sync ${table} <${input}`,
    Deno.execPath(),
  ]);
  assertEquals([code, stdout], [1, ""]);
  const stored = numberIn(
    stderr,
    /^memcache-table: ([\d,]+) entries stored, 0 not, 0 removed\nmemcache-table: fatal: kv:.*ulimit -f.*\n$/,
  );
  const listed = await runCli(["-s", table]);
  // A commit that was under way may have been done.
  const there = listed.stdout.split("\n").length - 2;
  assert(
    stored > 0 && stored <= there && there < 8000,
    `${stored} of ${there}`,
  );
});

Deno.test("sync that fails before it changes anything says no more than why", async () => {
  await using folder = await Folder.make();
  const table = await spoiled(folder, 10, "v");
  const { code, stdout, stderr } = await runCli(["sync", table], {
    stdin: "a 1\n",
  });
  assertEquals([code, stdout], [1, ""]);
  assertMatch(stderr, /^memcache-table: fatal: .*\n$/);
});

Deno.test("cleanup that fails says how far it came; a dry run has not come anywhere", async () => {
  await using folder = await Folder.make();
  const table = await spoiled(folder, 3000, "1000000000;1;1;1;1");
  const cleanup = ["cleanup", "--postscreen", ...noMainCf];
  const dry = await runCli([...cleanup, "--dry-run", table]);
  assertEquals(dry.code, 1);
  assertMatch(dry.stderr, /^memcache-table: fatal: .*\n$/);
  const { code, stdout, stderr } = await runCli([...cleanup, table]);
  assertEquals([code, stdout], [1, ""]);
  const removed = numberIn(
    stderr,
    /^memcache-table: ([\d,]+) entries removed\nmemcache-table: fatal: .*\n$/,
  );
  using kv = await Deno.openKv(table.slice("kv:".length));
  const left = await Array.fromAsync(kv.list({ prefix: [] }));
  assertEquals(removed, 3001 - left.length);
});
