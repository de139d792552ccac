import { MemcacheTable } from "../../mod.ts";
import {
  Batches,
  type BatchResult,
  type BatchRules,
  Lists,
} from "../../lib/tables/batches.ts";
import { LazyIterator } from "../../lib/tables/lazy_iterator.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { MemoryServer } from "../support/memory_server.ts";

/** Counts what is read of it, and whether it was ended. */
class Source {
  read = 0;
  ended = 0;
  #count: number;
  #failsAt: number;

  constructor(count: number, failsAt = Infinity) {
    this.#count = count;
    this.#failsAt = failsAt;
  }

  *[Symbol.iterator](): Generator<number> {
    try {
      while (this.read < this.#count) {
        if (this.read === this.#failsAt) throw new Error("source failed");
        yield this.read++;
      }
    } finally {
      this.ended++;
    }
  }

  get async(): AsyncIterable<number> {
    const items = this[Symbol.iterator]();
    return (async function* () {
      yield* items;
    })();
  }
}

/** Work that ends when a test says so. */
class Work {
  readonly begun: number[][] = [];
  readonly signals: AbortSignal[] = [];
  #settle: ((result: BatchResult<string>) => void)[] = [];

  readonly rules: BatchRules<number, string> = {
    size: 10,
    concurrency: 3,
    run: (batch, signal) => {
      this.begun.push(batch);
      this.signals.push(signal);
      return new Promise((resolve) => this.#settle.push(resolve));
    },
  };

  done(number: number): void {
    this.#settle[number]({ results: this.begun[number].map(String) });
  }

  fail(number: number, answered: number): void {
    const results = this.begun[number].slice(0, answered).map(String);
    this.#settle[number]({ results, failed: { error: new Error("failed") } });
  }
}

const atOnce: BatchRules<number, string> = {
  size: 10,
  concurrency: 3,
  run: (batch) => Promise.resolve({ results: batch.map(String) }),
};

function numbers(count: number): string[] {
  return Array.from({ length: count }, (_, number) => `${number}`);
}

async function turns(): Promise<void> {
  for (let turn = 0; turn < 200; turn++) await undefined;
}

Deno.test("Batches gives all results in order, from any source", async () => {
  for (const count of [0, 1, 9, 10, 11, 30, 31, 105]) {
    const source = new Source(count);
    assertEquals(
      await Array.fromAsync(new Batches(source, atOnce)),
      numbers(count),
    );
    const coming = new Source(count);
    assertEquals(
      await Array.fromAsync(new Batches(coming.async, atOnce)),
      numbers(count),
    );
    assertEquals([source.ended, coming.ended], [1, 1]);
  }
});

Deno.test("Batches gives results in order when batches end in another", async () => {
  const work = new Work();
  const results = Array.fromAsync(new Batches(new Source(25), work.rules));
  await turns();
  assertEquals(work.begun.map(({ length }) => length), [10, 10, 5]);
  for (const number of [2, 1, 0]) {
    work.done(number);
    await turns();
  }
  assertEquals(await results, numbers(25));
});

Deno.test("Batches takes lists, and gives them, each batch with all that was there", async () => {
  const lists = async function* (lengths: number[]) {
    let next = 0;
    for (const length of lengths) {
      yield await Promise.resolve(Array.from({ length }, () => next++));
    }
  };
  for (const lengths of [[], [0], [25], [7, 0, 8], [0, 3, 30, 1, 0]]) {
    const count = lengths.reduce((sum, length) => sum + length, 0);
    const batches = new Batches(new Lists(lists(lengths)), atOnce);
    const given = await Array.fromAsync(batches.lists());
    assertEquals(given.flat(), numbers(count));
    const full = given.slice(0, -1);
    assert(full.every(({ length }) => length === 10), `${lengths}`);
    const single = new Batches(new Lists(lists(lengths)), atOnce);
    assertEquals(await Array.fromAsync(single), numbers(count));
  }
});

Deno.test("Batches gives the list before a failure, and ends its source when it is left", async () => {
  const work = new Work();
  const given: string[] = [];
  const reading = assertRejects(
    async () => {
      const batches = new Batches(new Source(25), work.rules);
      for await (const list of batches.lists()) given.push(...list);
    },
    Error,
    "failed",
  );
  await turns();
  work.done(0);
  work.fail(1, 4);
  work.done(2);
  await reading;
  assertEquals(given, numbers(14));
  const source = new Source(1000);
  for await (const list of new Batches(source, atOnce).lists()) {
    assertEquals(list, numbers(10));
    break;
  }
  assertEquals(source.ended, 1);
});

Deno.test("Batches reads nothing until it is asked, and no more than its batches ahead", async () => {
  for (const isAsync of [false, true]) {
    const source = new Source(1000);
    const work = new Work();
    const batches = new Batches(
      isAsync ? source.async : source,
      work.rules,
    );
    await turns();
    assertEquals(source.read, 0);
    const first = batches.next();
    await turns();
    // A generator is one ahead of what it gave.
    assert(source.read <= 31, `${source.read}`);
    assertEquals(work.begun.length, 3);
    work.done(0);
    assertEquals((await first).value, "0");
    for (let number = 1; number < 10; number++) {
      assertEquals((await batches.next()).value, `${number}`);
    }
    await turns();
    assert(source.read <= 41, `${source.read}`);
    work.done(1);
    work.done(2);
    work.begun.slice(3).forEach((_, at) => work.done(3 + at));
    await batches.return();
    assertEquals(source.ended, 1);
  }
});

Deno.test("Batches answers what a slow source gave before it gives more", async () => {
  let more = () => {};
  async function* slow() {
    for (let number = 0; number < 5; number++) {
      yield number;
      if (number % 2 === 0) {
        await new Promise<void>((resolve) => more = resolve);
      }
    }
  }
  const sizes: number[] = [];
  const batches = new Batches(slow(), {
    ...atOnce,
    run: (batch) => {
      sizes.push(batch.length);
      return Promise.resolve({ results: batch.map(String) });
    },
  });
  assertEquals((await batches.next()).value, "0");
  more();
  assertEquals((await batches.next()).value, "1");
  assertEquals((await batches.next()).value, "2");
  more();
  assertEquals((await batches.next()).value, "3");
  assertEquals((await batches.next()).value, "4");
  const last = batches.next();
  more();
  assertEquals((await last).done, true);
  assertEquals(sizes, [1, 2, 2]);
});

Deno.test("Batches tells of a source that fails when all before it is answered", async () => {
  for (const failsAt of [0, 1, 10, 25]) {
    for (const isAsync of [false, true]) {
      const source = new Source(1000, failsAt);
      const batches = new Batches(isAsync ? source.async : source, atOnce);
      const given: string[] = [];
      await assertRejects(
        async () => {
          for await (const one of batches) given.push(one);
        },
        Error,
        "source failed",
      );
      assertEquals(given, numbers(failsAt));
      assertEquals((await batches.next()).done, true);
    }
  }
});

Deno.test("Batches gives the good results of a batch that failed, and nothing behind it", async () => {
  for (const answered of [0, 4]) {
    const source = new Source(1000);
    const work = new Work();
    const batches = new Batches(source, work.rules);
    const first = batches.next();
    await turns();
    work.fail(1, answered);
    work.done(0);
    assertEquals((await first).value, "0");
    for (let number = 1; number < 10 + answered; number++) {
      assertEquals((await batches.next()).value, `${number}`);
    }
    const failure = assertRejects(() => batches.next(), Error, "failed");
    await turns();
    // The others are told, and waited for.
    assert(work.signals.every(({ aborted }) => aborted));
    work.begun.slice(2).forEach((_, at) => work.done(2 + at));
    await failure;
    assertEquals((await batches.next()).done, true);
    assertEquals(source.ended, 1);
  }
});

Deno.test("Batches takes what run throws for a failure of its batch", async () => {
  const batches = new Batches(new Source(50), {
    ...atOnce,
    run: (batch) =>
      batch[0] === 20
        ? Promise.reject(new Error("thrown"))
        : Promise.resolve({ results: batch.map(String) }),
  });
  const given: string[] = [];
  await assertRejects(
    async () => {
      for await (const one of batches) given.push(one);
    },
    Error,
    "thrown",
  );
  assertEquals(given, numbers(20));
});

Deno.test("Batches answers calls that do not wait for each other, each once, in order", async () => {
  const batches = new Batches(new Source(35), atOnce);
  const results = await Promise.all(
    Array.from({ length: 40 }, () => batches.next()),
  );
  assertEquals(
    results.map(({ value }) => value),
    [...numbers(35), undefined, undefined, undefined, undefined, undefined],
  );
});

Deno.test("Batches answers a call after those that were made before it", async () => {
  const batches = new Batches(new Source(35), atOnce);
  const early = Array.from({ length: 12 }, () => batches.next());
  await early[0];
  assertEquals((await batches.next()).value, "12");
  const results = await Promise.all(early);
  assertEquals(results.map(({ value }) => value), numbers(12));
});

Deno.test("Batches that is left in the middle ends its source and tells its batches", async () => {
  for (const isAsync of [false, true]) {
    const source = new Source(1000);
    const work = new Work();
    const batches = new Batches(isAsync ? source.async : source, work.rules);
    const first = batches.next();
    await turns();
    work.done(0);
    await first;
    await turns();
    let ended = false;
    const returned = batches.return().then(() => ended = true);
    await turns();
    assert(work.signals.every(({ aborted }) => aborted));
    assertEquals(ended, false);
    work.begun.forEach((_, at) => work.done(at));
    await returned;
    assertEquals(source.ended, 1);
    assertEquals((await batches.next()).done, true);
    assertEquals(await batches.return(), { done: true, value: undefined });
    assertEquals(source.ended, 1);
  }
});

Deno.test("Batches that is left before its start reads nothing", async () => {
  const source = new Source(10);
  const batches = new Batches(source, atOnce);
  await batches.return();
  assertEquals((await batches.next()).done, true);
  assertEquals(source.read, 0);
});

Deno.test("Batches can be left while its source is waited for", async () => {
  let returned = 0;
  const never: AsyncIterable<number> = {
    [Symbol.asyncIterator]: () => ({
      next: () => new Promise(() => {}),
      return: () => {
        returned++;
        return new Promise(() => {});
      },
    }),
  };
  let first = true;
  const once: AsyncIterable<number> = {
    [Symbol.asyncIterator]: () => ({
      next: () => {
        if (!first) return new Promise(() => {});
        first = false;
        return Promise.resolve({ done: false, value: 7 });
      },
      return: never[Symbol.asyncIterator]().return,
    }),
  };
  const batches = new Batches(once, atOnce);
  for await (const one of batches) {
    assertEquals(one, "7");
    break;
  }
  assertEquals(returned, 1);
});

Deno.test("LazyIterator makes its iterator once, when it is asked", async () => {
  let made = 0;
  const lazy = () =>
    new LazyIterator(() => {
      made++;
      return Promise.resolve(new Batches(new Source(3), atOnce));
    });
  const one = lazy();
  assertEquals(made, 0);
  const all = await Promise.all([one.next(), one.next(), one.next()]);
  assertEquals(all.map(({ value }) => value), numbers(3));
  assertEquals((await one.next()).done, true);
  assertEquals(made, 1);
  const source = new Source(3);
  const begun = new LazyIterator(() =>
    Promise.resolve(new Batches(source, { ...atOnce, size: 1 }))
  );
  await begun.next();
  await begun.return();
  assertEquals([source.ended, (await begun.next()).done], [1, true]);
  const left = lazy();
  await left.return();
  assertEquals((await left.next()).done, true);
  assertEquals(made, 1);
  const failing = new LazyIterator<string>(() =>
    Promise.reject(new Error("cannot be made"))
  );
  await assertRejects(() => failing.next(), Error, "cannot be made");
  await failing.return();
});

Deno.test("a table reads no more keys and entries ahead than its comments say", async () => {
  await using table = new MemcacheTable(
    {},
    { connect: new MemoryServer("none").connect, write: true },
  );
  let read = 0;
  const keys = function* () {
    while (read < 12_000) yield `k${read++}`;
  };
  const entries = function* () {
    for (const key of keys()) yield { key, value: "v" };
  };
  for (
    const requests of [
      table.lookupMany(keys()),
      table.updateMany(entries()),
      table.deleteMany(keys()),
    ]
  ) {
    read = 0;
    let answered = 0;
    let most = 0;
    for await (const _ of requests) most = Math.max(most, read - answered++);
    assertEquals([answered, most], [12_000, 5120]);
  }
});
