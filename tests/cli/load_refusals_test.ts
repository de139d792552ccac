import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { Folder } from "../support/folder.ts";
import { freePort, Memcached } from "../support/memcached.ts";
import { runCli } from "../support/processes.ts";

Deno.test("-i names the line and the key of what memcached refuses, and stores the rest", async () => {
  await using memcached = await Memcached.tcp(freePort(), "127.0.0.1", [
    "-I",
    "512k",
  ]);
  await using folder = await Folder.make();
  const table = `memcache:${await folder.write(
    "t.cf",
    `memcache = ${memcached.server}\ndata_size_limit = 1000000\n`,
  )}`;
  const lines = Array.from({ length: 2000 }, (_, number) => {
    const isLarge = number === 7 || number === 1500;
    // Refusals come with the folded key.
    return `${number > 1000 ? "K" : "k"}${number} ${
      isLarge ? "x".repeat(600_000) : number
    }\n`;
  });
  const { code, stdout, stderr } = await runCli(["-i", table], {
    stdin: lines.join(""),
  });
  assertEquals([code, stdout], [1, ""]);
  const refused = (line: number, key: string) =>
    `memcache-table: warning: standard input, line ${line}: key "${key}": ` +
    `memcached does not take it: it answers ` +
    `"SERVER_ERROR object too large for cache": not stored\n`;
  assertEquals(
    stderr,
    refused(8, "k7") + refused(1501, "K1500") +
      "memcache-table: 1,998 entries stored, 2 not\n",
  );
  assertEquals(await memcached.get("k6"), "6");
  assertEquals(await memcached.get("k1999"), "1999");
});

Deno.test("-i into a memcached that is full, with a backup, takes no pause for each entry, and warns once", async () => {
  await using memcached = await Memcached.tcp(freePort(), "127.0.0.1", [
    "-m",
    "1",
    "-M",
    "-I",
    "512k",
  ]);
  await using folder = await Folder.make();
  const table = `memcache:${await folder.write(
    "t.cf",
    `memcache = ${memcached.server}\nbackup = kv:${folder.path}/t.kv\n`,
  )}`;
  const lines = Array.from(
    { length: 1000 },
    (_, number) => `k${number} ${"x".repeat(4000)}\n`,
  );
  const start = performance.now();
  const { code, stderr } = await runCli(["-i", table], {
    stdin: lines.join(""),
  });
  const seconds = (performance.now() - start) / 1000;
  assertEquals(code, 0, stderr);
  assertMatch(stderr, /^memcache-table: warning: .*out of memory.*\n$/);
  // One second is what a pause for all of them would take, on top of the work.
  assert(seconds < 10, `${seconds} s`);
  const { stdout } = await runCli(["-q", "k999", table]);
  assertEquals(stdout, "x".repeat(4000) + "\n");
});

Deno.test("-i tells of lines in their order, though later ones are read while earlier ones are stored", async () => {
  await using folder = await Folder.make();
  const table = `kv:${folder.path}/t.kv`;
  const long = "k".repeat(3000);
  // Each fifth line has no value, and the one before it has a key that is too long.
  const lines = Array.from(
    { length: 6000 },
    (_, at) =>
      at % 250 === 4
        ? `${long}${at} x`
        : at % 250 === 5
        ? `k${at}`
        : `k${at} x`,
  );
  const { code, stderr } = await runCli(["-i", table], {
    stdin: lines.join("\n") + "\n",
  });
  assertEquals(code, 1);
  const told = [...stderr.matchAll(/standard input, line (\d+):/g)].map((
    [, line],
  ) => Number(line));
  assertEquals(told.length, 48);
  // What is wrong with a line itself is told when its part of the input is read.
  const parts = told.map((line) => Math.floor((line - 1) / 250));
  assertEquals(parts, parts.toSorted((one, other) => one - other));
});

Deno.test("-i names the line that was refused, not one of the same key that was stored", async () => {
  await using memcached = await Memcached.tcp();
  await using folder = await Folder.make();
  const limit = `memcache = ${memcached.server}\ndata_size_limit = 5\n`;
  const long = "x".repeat(70_000);
  const tables: [table: string, value: string, why: string][] = [
    [
      `memcache:${await folder.write("t.cf", limit)}`,
      "too large",
      "its 9 bytes are more than data_size_limit = 5",
    ],
    [
      `kv:${folder.path}/t.kv`,
      long,
      "the value's 70000 bytes are more than the 65536 that a value may have here",
    ],
  ];
  for (const [table, value, why] of tables) {
    const { code, stderr } = await runCli(["-i", table], {
      stdin: `a 1\nA ${value}\nb ${value}\nb 2\n`,
    });
    const refused = (line: number, key: string) =>
      `memcache-table: warning: standard input, line ${line}: key "${key}": ` +
      `${why}: not stored\n`;
    assertEquals([code, stderr], [1, refused(2, "A") + refused(3, "b")]);
  }
});
