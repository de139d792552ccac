import { assert, assertEquals } from "../../support/assert.ts";
import { Folder } from "../../support/folder.ts";
import { runCli } from "../../support/processes.ts";

// The young generation of V8 is collected often. What survives that twice is moved,
// and stays until a full collection, even when nothing needs it any more.
Deno.test("command line leaves little long-lived garbage when it looks up in kv:", async () => {
  await using folder = await Folder.make();
  const table = `kv:${folder.path}/t.kv`;
  const count = 50_000;
  const keys = Array.from(
    { length: count },
    (_, number) => `user${number}@example.com\n`,
  );
  const stdin = keys.map((key) => key.replace("\n", "\tvalue\n")).join("");
  assertEquals((await runCli(["-i", table], { stdin })).code, 0);
  const { code, stdout } = await runCli(["-q", "-", table], {
    stdin: keys.join(""),
    permissions: ["-A", "--v8-flags=--trace-gc"],
  });
  assertEquals(code, 0);
  const collections = stdout.matchAll(
    /(Scavenge|Mark-Compact).*? [\d.]+ \([\d.]+\) -> ([\d.]+) /g,
  );
  let before: number | undefined;
  let moved = 0;
  let scavenges = 0;
  for (const [, kind, size] of collections) {
    const after = Number(size) * 1e6;
    if (kind === "Scavenge" && before !== undefined) {
      moved += Math.max(0, after - before);
      scavenges++;
    }
    before = after;
  }
  const perKey = Math.round(moved / count);
  console.log(`${perKey} bytes for each key, in ${scavenges} collections`);
  assert(scavenges > 5 && perKey > 0 && perKey < 330, `${perKey} bytes`);
});
