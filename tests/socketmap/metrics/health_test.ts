import { Health } from "../../../lib/socketmap/metrics/health.ts";
import { ConfigError, TemporaryError } from "../../../lib/errors.ts";
import type { LookupTable } from "../../../lib/socketmap/answers.ts";
import { assertEquals } from "../../support/assert.ts";
import { FakeClock } from "../../support/fake_clock.ts";

/** A table that counts its lookups. */
function table(lookup: () => Promise<string | undefined>) {
  const asked: string[] = [];
  const made: LookupTable = {
    name: "test:t",
    lookup: (key) => {
      asked.push(key);
      return lookup();
    },
  };
  return { ...made, asked };
}

function check(tables: Record<string, LookupTable>) {
  const clock = new FakeClock();
  const health = new Health(tables, { key: "k", timeout: 5000, clock });
  return { clock, health };
}

Deno.test("Health tells which tables do not answer", async () => {
  const { clock, health } = check({
    found: table(() => Promise.resolve("v")),
    absent: table(() => Promise.resolve(undefined)),
    down: table(() => Promise.reject(new TemporaryError("it is\ndown"))),
    wrong: table(() => Promise.reject(new ConfigError("mend it"))),
    odd: table(() => {
      throw new RangeError("at once");
    }),
    long: table(() => Promise.reject(new Error("x".repeat(2000)))),
  });
  assertEquals(await health.check(), [
    "down: it is",
    "wrong: mend it",
    "odd: at once",
    `long: ${"x".repeat(494)}`,
  ]);
  assertEquals(clock.waiting, 0);
});

Deno.test("Health asks a table once a second, however many ask it", async () => {
  let isUp = true;
  const one = table(() =>
    isUp
      ? Promise.resolve("v")
      : Promise.reject(new TemporaryError("it is down"))
  );
  const { clock, health } = check({ one });
  const all = await Promise.all(
    Array.from({ length: 50 }, () => health.check()),
  );
  assertEquals(all.flat(), []);
  isUp = false;
  clock.pass(999);
  assertEquals(await health.check(), []);
  assertEquals(one.asked, ["k"]);
  clock.pass(1);
  const again = [health.check(), health.check()];
  assertEquals(await Promise.all(again), [
    ["one: it is down"],
    ["one: it is down"],
  ]);
  assertEquals(one.asked.length, 2);
});

Deno.test("Health waits for a table until its time is over, and asks none twice", async () => {
  const answer = Promise.withResolvers<undefined>();
  const hangs = table(() => answer.promise);
  const good = table(() => Promise.resolve("v"));
  const { clock, health } = check({ good, hangs });
  for (let round = 0; round < 3; round++) {
    const checked = health.check();
    // Lets the good one answer.
    await new Promise((resolve) => setTimeout(resolve));
    clock.pass(5000);
    assertEquals(await checked, ["hangs: no answer within 5 s"]);
    clock.pass(1000);
  }
  assertEquals([hangs.asked.length, good.asked.length], [1, 3]);
  answer.resolve(undefined);
  await answer.promise;
  assertEquals(await health.check(), []);
  assertEquals(clock.waiting, 0);
  assertEquals(hangs.asked.length, 2);
});

Deno.test("Health stops its timers when it is closed", () => {
  const { clock, health } = check({ t: table(() => new Promise(() => {})) });
  void health.check();
  assertEquals(clock.waiting, 1);
  health.close();
  assertEquals(clock.waiting, 0);
});
