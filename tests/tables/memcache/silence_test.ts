import { openTable } from "../../../mod.ts";
import { assertEquals } from "../../support/assert.ts";
import { AutoClock } from "../../support/auto_clock.ts";
import { MemoryServer } from "../../support/memory_server.ts";

Deno.test("while memcached hangs and there is a backup, one lookup a pause waits for it", async () => {
  const server = new MemoryServer("silent");
  const clock = new AutoClock();
  const warnings: string[] = [];
  const table = await openTable(
    "memcache:{ max_try=1, timeout=2, retry_pause=10, backup=static:x }",
    {
      utf8: true,
      clock,
      connect: server.connect,
      onWarning: (warning) => warnings.push(warning),
    },
  );
  const waited = async (key: string) => {
    const before = clock.now();
    assertEquals(await clock.during(table.lookup(key)), "x");
    return clock.now() - before;
  };
  // The first one waits for the time-out, those that follow do not.
  assertEquals(await waited("a"), 2000);
  for (const key of ["a", "b", "c"]) assertEquals(await waited(key), 0);
  const after = new Promise<void>((resolve) =>
    clock.setTimer(10_000, () => resolve())
  );
  await clock.during(after);
  assertEquals(await waited("a"), 2000);
  assertEquals(await waited("b"), 0);
  // It answers again, and is asked again after the pause.
  server.fault = "none";
  await clock.during(
    new Promise<void>((resolve) => clock.setTimer(10_000, () => resolve())),
  );
  const asked = server.commands.length;
  assertEquals(await waited("a"), 0);
  assertEquals(await waited("b"), 0);
  assertEquals(server.commands.length > asked + 1, true);
  assertEquals(warnings.length, 1);
  await clock.during(table.close());
});
