import { Patience, StalledError } from "../../../lib/tables/kv/patience.ts";
import { assert, assertEquals, assertRejects } from "../../support/assert.ts";
import { FakeClock } from "../../support/fake_clock.ts";

/** A patience, and what it told. */
function scene() {
  const clock = new FakeClock();
  const told: number[] = [];
  const patience = new Patience(clock, () => told.push(clock.now()));
  return { clock, told, patience };
}

/** A call that ends when the test says so. */
function call<T>() {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  let made = 0;
  return {
    resolve,
    reject,
    get made() {
      return made;
    },
    make: () => {
      made++;
      return promise;
    },
  };
}

/** Lets all go on that waits for nothing but a turn. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}

Deno.test("Patience waits for a call that ends, and gives what it gave", async () => {
  const { patience, clock, told } = scene();
  const one = call<string>();
  const waiting = patience.run(one.make);
  clock.pass(900);
  one.resolve("value");
  assertEquals(await waiting, "value");
  const failing = call<string>();
  const failed = patience.run(failing.make);
  failing.reject(new Error("no"));
  await assertRejects(() => failed, Error, "no");
  assertEquals(told, []);
  assert(patience.isIdle);
  // Nothing is left that could keep a program alive.
  assertEquals(clock.waiting, 0);
});

Deno.test("Patience tells after a second, and gives up after five", async () => {
  const { patience, clock, told } = scene();
  const stuck = call<string>();
  const waiting = patience.run(stuck.make);
  const ended = assertRejects(() => waiting, StalledError);
  clock.pass(999);
  assertEquals(told, []);
  clock.pass(1);
  assertEquals(told, [1000]);
  clock.pass(3999);
  let isOver = false;
  ended.finally(() => isOver = true);
  await turns();
  assertEquals(isOver, false);
  clock.pass(301);
  const { wasCalled } = await ended as StalledError;
  assertEquals([wasCalled, told, clock.now()], [true, [1000], 5300]);
  // It is under way all the same.
  assertEquals(patience.isIdle, false);
  stuck.resolve("late");
  await patience.whenIdle();
});

Deno.test("Patience has no end while something moves", async () => {
  const { patience, clock, told } = scene();
  const slow = call<string>();
  const waiting = patience.run(slow.make);
  for (let second = 0; second < 20; second++) {
    const other = call<number>();
    const done = patience.run(other.make);
    clock.pass(900);
    other.resolve(second);
    assertEquals(await done, second);
  }
  slow.resolve("value");
  assertEquals(await waiting, "value");
  assertEquals(told, []);
});

Deno.test("Patience holds back what comes while nothing moves, and gives up on it soon", async () => {
  const { patience, clock } = scene();
  const stuck = call<string>();
  const first = patience.run(stuck.make);
  const gone = assertRejects(() => first, StalledError);
  clock.pass(5300);
  await gone;
  const later = call<string>();
  const second = patience.run(later.make);
  const uncalled = assertRejects(() => second, StalledError);
  clock.pass(2000);
  assertEquals(((await uncalled) as StalledError).wasCalled, false);
  assertEquals(later.made, 0);
  const third = call<string>();
  const served = patience.run(third.make);
  assertEquals(third.made, 0);
  // In its order: what was asked first is done first.
  stuck.resolve("late");
  await turns();
  assertEquals(third.made, 1);
  third.resolve("value");
  assertEquals(await served, "value");
  assertEquals(clock.waiting, 0);
});

Deno.test("Patience does not give up because its program was busy", async () => {
  const timers: (() => void)[] = [];
  let now = 0;
  const clock = {
    now: () => now,
    setTimer: (_: number, callback: () => void) => {
      timers.push(callback);
      return { cancel: () => {} };
    },
  };
  const patience = new Patience(clock, () => {});
  const one = call<string>();
  const waiting = patience.run(one.make);
  // The timer of the first second goes off after ten, before the answer is seen.
  now = 10_000;
  timers.shift()!();
  one.resolve("value");
  assertEquals(await waiting, "value");
});

Deno.test("Patience makes a call again while the database is locked", async () => {
  const clock = new FakeClock();
  const patience = new Patience(clock, () => {});
  let left = 3;
  const waiting = patience.run(() => {
    if (left-- > 0) throw new TypeError("database is locked");
    return Promise.resolve("value");
  });
  for (let pause = 0; pause < 3; pause++) {
    await turns();
    clock.pass(21);
  }
  assertEquals(await waiting, "value");
  const forever = patience.run(() => {
    throw new TypeError("database is locked");
  });
  const ended = assertRejects(() => forever, StalledError);
  for (let pause = 0; pause < 600; pause++) {
    await turns();
    clock.pass(21);
  }
  await ended;
  await patience.whenIdle();
});

Deno.test("Patience does not wait again for a database that waited by itself", async () => {
  const clock = new FakeClock();
  const patience = new Patience(clock, () => {});
  let calls = 0;
  const { wasCalled } = await assertRejects(
    () =>
      patience.run(() => {
        calls++;
        clock.pass(900);
        clock.pass(3999);
        return Promise.reject(new Error("database is locked"));
      }),
    StalledError,
  ) as StalledError;
  assertEquals([calls, wasCalled], [1, false]);
});
