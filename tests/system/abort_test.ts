import { onAbort, untilAborted } from "../../lib/system/abort.ts";
import { assertEquals, assertRejects } from "../support/assert.ts";

Deno.test("who waits is told once of an abort, and nobody who left", () => {
  const abort = new AbortController();
  const told: string[] = [];
  const leave = onAbort(abort.signal, () => told.push("left"));
  leave();
  onAbort(abort.signal, () => told.push("one"));
  const leaveOther = onAbort(abort.signal, () => {
    told.push("two");
    leaveOther();
  });
  abort.abort();
  abort.abort();
  assertEquals(told, ["one", "two"]);
});

Deno.test("a signal has one listener, however many wait", async () => {
  const { signal } = new AbortController();
  let listeners = 0;
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (...args: Parameters<typeof add>) => {
    listeners++;
    add(...args);
  };
  signal.removeEventListener = (...args: Parameters<typeof remove>) => {
    listeners--;
    remove(...args);
  };
  const { promise, resolve } = Promise.withResolvers<string>();
  const waiting = Array.from(
    { length: 20 },
    () => untilAborted(promise, signal),
  );
  assertEquals(listeners, 1);
  resolve("done");
  assertEquals(await Promise.all(waiting), Array(20).fill("done"));
  assertEquals(listeners, 0);
});

Deno.test("work ends with its own result, or with the reason of the signal", async () => {
  const abort = new AbortController();
  const { signal } = abort;
  const never = new Promise<never>(() => {});
  assertEquals(await untilAborted(Promise.resolve(1), undefined), 1);
  assertEquals(await untilAborted(Promise.resolve(1), signal), 1);
  const failing = Promise.reject(new Error("its own"));
  await assertRejects(() => untilAborted(failing, signal), Error, "its own");
  const waiting = untilAborted(never, signal);
  abort.abort(new Error("enough"));
  await assertRejects(() => waiting, Error, "enough");
  await assertRejects(() => untilAborted(never, signal), Error, "enough");
});
