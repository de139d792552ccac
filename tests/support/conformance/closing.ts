import { ClosedError } from "../../../mod.ts";
import { utf8Text } from "../../../lib/bytes/text.ts";
import { assertEquals, assertRejects } from "../assert.ts";
import { quiet, some, writing } from "./entries.ts";
import { isListed, type Requirement } from "./kind.ts";

/** Keys of which only the first one comes. */
class StuckKeys implements AsyncIterableIterator<string> {
  isLeft = false;
  #isStuck = false;

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<string>> {
    if (this.#isStuck) return new Promise(() => {});
    this.#isStuck = true;
    return Promise.resolve({ done: false, value: "alice" });
  }

  return(): Promise<IteratorResult<string>> {
    this.isLeft = true;
    return Promise.resolve({ done: true, value: undefined });
  }
}

/** Closing, and aborting by a signal. */
export const closing: readonly Requirement[] = [
  {
    name: "once closed, fails, and may be closed again",
    async holds(kind, maker) {
      const open = await maker.make(some, utf8Text);
      const written = kind.writes === "yes";
      const unused = await open(quiet);
      await unused.close();
      const table = await open(written ? writing : quiet);
      if (kind.finds !== "failures") await table.lookup("alice");
      if (isListed(kind)) await table.first();
      await Promise.all([table.close(), table.close()]);
      await table.close();
      await table[Symbol.asyncDispose]();
      for (const closed of [unused, table]) {
        await assertRejects(() => closed.lookup("k"), ClosedError, "closed");
        await assertRejects(
          () => Array.fromAsync(closed.lookupMany(["k"])),
          ClosedError,
          "closed",
        );
        await assertRejects(() => closed.next(), ClosedError, "closed");
        await assertRejects(() => closed.first(), ClosedError, "closed");
        await assertRejects(
          async () => await Array.fromAsync(closed),
          ClosedError,
          "closed",
        );
      }
      if (!written) return;
      const entry = { key: "k", value: "v" };
      const calls = [
        () => table.update("k", "v"),
        () => table.delete("k"),
        () => Array.fromAsync(table.updateMany([entry])),
        () => Array.fromAsync(table.deleteMany(["k"])),
      ];
      for (const call of calls) {
        await assertRejects(call, ClosedError, "closed");
      }
    },
  },
  {
    name: "ends its listings when it is closed",
    of: isListed,
    async holds(_kind, maker) {
      const open = await maker.make(some, utf8Text);
      const table = await open(quiet);
      const entries = table[Symbol.asyncIterator]();
      await entries.next();
      await table.close();
      await assertRejects(() => entries.next(), ClosedError, "closed");
    },
  },
  {
    name: "ends a request by a signal of its own, and no other",
    async holds(kind, maker) {
      const open = await maker.make(some, utf8Text);
      await using table = await open(kind.writes === "yes" ? writing : quiet);
      const options = { signal: AbortSignal.abort(new Error("enough")) };
      const requests = [
        () => table.lookup("alice", options),
        () => Array.fromAsync(table.lookupMany(["alice"], options)),
      ] as (() => Promise<unknown>)[];
      if (kind.writes === "yes") {
        requests.push(
          () => table.update("new", "1", options),
          () => table.delete("alice", options),
          () => Array.fromAsync(table.deleteMany(["alice"], options)),
          () =>
            Array.fromAsync(
              table.updateMany([{ key: "new", value: "1" }], options),
            ),
        );
      }
      for (const request of requests) {
        await assertRejects(request, Error, "enough");
      }
      if (kind.finds !== "its entries") return;
      assertEquals(await table.lookup("alice"), "one");
      assertEquals(await table.lookup("new"), undefined);
    },
  },
  {
    name: "ends a request whose next key never comes",
    of: ({ finds }) => finds !== "failures",
    async holds(_kind, maker) {
      const open = await maker.make(some, utf8Text);
      const table = await open(quiet);
      const abort = new AbortController();
      const { signal } = abort;
      const own = new StuckKeys();
      const others = new StuckKeys();
      const ofOwn = table.lookupMany(own, { signal });
      const ofOthers = table.lookupMany(others);
      await ofOwn.next();
      await ofOthers.next();
      const ended = assertRejects(() => ofOwn.next(), Error, "enough");
      const closed = assertRejects(() => ofOthers.next(), ClosedError);
      abort.abort(new Error("enough"));
      await ended;
      assertEquals([own.isLeft, others.isLeft], [true, false]);
      await table.close();
      await closed;
      assertEquals(others.isLeft, true);
    },
  },
  {
    name: "is closed by its signal, with the reason",
    async holds(kind, maker) {
      const open = await maker.make(some, utf8Text);
      const abort = new AbortController();
      const table = await open({ ...quiet, signal: abort.signal });
      if (kind.finds !== "failures") await table.lookup("alice");
      abort.abort(new Error("shutting down"));
      await assertRejects(() => table.lookup("k"), Error, "shutting down");
      await assertRejects(() => table.first(), Error, "shutting down");
      await table.close();
      await assertRejects(
        () => open({ ...quiet, signal: abort.signal }),
        Error,
        "shutting down",
      );
    },
  },
];
