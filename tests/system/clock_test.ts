import { systemClock } from "../../lib/system/clock.ts";
import { assert, assertEquals } from "../support/assert.ts";

const passed = (milliseconds: number) =>
  new Promise<void>((resolve) => systemClock.setTimer(milliseconds, resolve));

Deno.test("systemClock calls back in time, not early, and not when cancelled", async () => {
  const started = systemClock.now();
  let cancelled = true;
  systemClock.setTimer(5, () => cancelled = false).cancel();
  let endless = false;
  const long = systemClock.setTimer(2147483647 * 1000, () => endless = true);
  await passed(20);
  assert(systemClock.now() - started >= 19);
  assertEquals([cancelled, endless], [true, false]);
  long.cancel();
});

Deno.test("systemClock tells of a timer that went off while nobody waited for it", async () => {
  let told = 0;
  const timer = systemClock.setTimer(5, () => told++);
  timer.setBusy!(false);
  await passed(20);
  assertEquals(told, 0);
  timer.setBusy!(true);
  await passed(1);
  assertEquals(told, 1);
});
