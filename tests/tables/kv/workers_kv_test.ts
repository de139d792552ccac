import { openTable, type Table, TemporaryError } from "../../../mod.ts";
import {
  workersKv,
  type WorkersKvNamespace,
} from "../../../lib/tables/kv/workers_kv.ts";
import { assert, assertEquals, assertRejects } from "../../support/assert.ts";
import { requirements } from "../../support/conformance/requirements.ts";
import { kvHandedIn } from "../../support/table_kinds.ts";
import { WorkersKvServer } from "../../support/workers_kv.ts";

const quiet = { utf8: true, write: true, onWarning: () => {} };

function open(
  namespace: WorkersKvNamespace,
  name = "kv:",
  more: Parameters<typeof openTable>[1] = {},
): Promise<Table> {
  const openKv = () => Promise.resolve(workersKv(namespace));
  return openTable(name, { ...quiet, ...more, openKv });
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

async function names(namespace: WorkersKvNamespace): Promise<string[]> {
  return (await namespace.list({})).keys.map(({ name }) => name);
}

const cases: [string, (server: WorkersKvServer) => Promise<void>][] = [];

function works(name: string, test: (server: WorkersKvServer) => Promise<void>) {
  cases.push([name, test]);
}

works(
  "workersKv() names entries so that they can be read there, and keeps tables apart",
  async (server) => {
    const namespace = server.empty();
    const tables = ["kv:", "kv:#a", "kv:#a/b", "kv:#a%2Fb", "kv:#ä"];
    for (const name of tables) {
      await using table = await open(namespace, name);
      assertEquals(await table.update("b/käse", name), true);
      assertEquals(await table.update("c", name), true);
    }
    assertEquals(await names(namespace), [
      "table//b/käse",
      "table//c",
      "table/a%252Fb/b/käse",
      "table/a%252Fb/c",
      "table/a%2Fb/b/käse",
      "table/a%2Fb/c",
      "table/a/b/käse",
      "table/a/c",
      "table/ä/b/käse",
      "table/ä/c",
    ]);
    for (const name of tables) {
      await using table = await open(namespace, name);
      assertEquals(await Array.fromAsync(table), [
        { key: "b/käse", value: name },
        { key: "c", value: name },
      ]);
    }
  },
);

works("workersKv() keeps any bytes, in their order", async (server) => {
  await using table = await open(server.empty(), "kv:", {
    utf8: false,
    fold: false,
  });
  const keys = [
    "\0",
    "A",
    "\x7f",
    "\x80",
    "\xbf\xff",
    "\xc2\x80",
    "\xc3",
    "\xc3A",
  ]
    .concat([
      "\xc3\x80",
      "\xe2\x82",
      "\xe2\x82\xac",
      "\xf4\x8f\xbf\xbf",
      "\xff",
    ]);
  for (const key of keys.toReversed()) {
    assertEquals(
      await table.update(key, `${key}\xff`.replaceAll("\0", "")),
      true,
    );
  }
  for (const key of keys) {
    assertEquals(await table.lookup(key), `${key}\xff`.replaceAll("\0", ""));
  }
  assertEquals(await Array.fromAsync(table, ({ key }) => key), keys);
});

works(
  "workersKv() refuses a key that is too long for it, with the limit",
  async (server) => {
    const namespace = server.empty();
    for (
      const [name, utf8, longest, piece, size] of [
        ["kv:", true, 505, "k", 1],
        ["kv:#aliases", true, 498, "k", 1],
        ["kv:", true, 505, "é", 2],
        // Before it come 7 bytes, and then 2 for each.
        ["kv:", false, 505 - 8, "\xff", 2],
      ] as const
    ) {
      const warnings: string[] = [];
      const onWarning = (line: string) => warnings.push(line);
      await using table = await open(namespace, name, { utf8, onWarning });
      const most = Math.floor(longest / size);
      const [fits, tooLong] = [piece.repeat(most), piece.repeat(most + 1)];
      assertEquals(await table.update(fits, "v"), true, `${name} ${size}`);
      assertEquals(await table.lookup(fits), "v");
      assertEquals(await table.update(tooLong, "v"), false);
      assertEquals(await table.lookup(tooLong), undefined);
      assertEquals(await table.delete(tooLong), false);
      assertEquals(warnings.length, 1);
      const limit = name === "kv:" ? 505 : 498;
      assert(warnings[0].includes(`more than the ${limit} that`), warnings[0]);
    }
  },
);

/** Counts the requests, and gives small pages. */
function counting(namespace: WorkersKvNamespace, page: number) {
  const counts = { get: 0, put: 0, list: 0, most: 0, now: 0 };
  const counted = async <T>(
    what: "get" | "put" | "list",
    request: () => Promise<T>,
  ): Promise<T> => {
    counts[what]++;
    counts.most = Math.max(counts.most, ++counts.now);
    try {
      return await request();
    } finally {
      counts.now--;
    }
  };
  const counter: WorkersKvNamespace = {
    get: (key, type) => counted("get", () => namespace.get(key, type)),
    put: (key, value) => counted("put", () => namespace.put(key, value)),
    delete: (key) => namespace.delete(key),
    list: (options) =>
      counted("list", () =>
        namespace.list({
          ...options,
          limit: Math.min(page, options.limit ?? page),
        })),
  };
  return { counter, counts };
}

works(
  "workersKv() lists page by page, though entries go meanwhile, and what is none of the table's stays out",
  async (server) => {
    const namespace = server.empty();
    const { counter, counts } = counting(namespace, 7);
    const keys = Array.from({ length: 60 }, (_, number) => `k${100 + number}`);
    {
      await using table = await open(counter);
      await Array.fromAsync(
        table.updateMany(keys.map((key) => ({ key, value: "v" }))),
      );
      assertEquals(counts.put, keys.length);
    }
    await namespace.put("table//k1\u{10ffff}foreign", new Uint8Array(1));
    await namespace.put("other", new Uint8Array(1));

    const kv = workersKv(counter);
    const prefix = ["table", ""];
    /** As a table lists: so many at a time, each time after the last one. */
    async function inParts(
      after: (key: string, number: number) => Promise<void>,
      first?: string,
    ): Promise<string[]> {
      const seen: string[] = [];
      let next = first;
      for (;;) {
        const start = [...prefix, encode(next ?? "")];
        const part = await Array.fromAsync(
          kv.list(next === undefined ? { prefix } : { prefix, start }, {
            limit: 10,
          }),
          ({ key }) => new TextDecoder().decode(key[2] as Uint8Array),
        );
        for (const key of part) await after(key, seen.push(key));
        if (part.length < 10) return seen;
        next = `${part.at(-1)}\0`;
      }
    }
    const nothing = () => Promise.resolve();
    assertEquals(await inParts(nothing), keys);
    // Of 61 names there are 6 parts of two pages, each page asked for once.
    assertEquals(counts.list, 13);
    assertEquals(counts.get, 60);
    assert(counts.most <= 6, `${counts.most} requests at once`);
    // From anywhere, as a listing goes on whose place nobody knows.
    assertEquals(await inParts(nothing, "k149x"), keys.slice(50));

    const remove = (key: string) => kv.delete([...prefix, encode(key)]);
    const seen = await inParts(async (key, number) => {
      if (number % 3 === 0) await remove(key);
      if (number === 10) await remove("k140");
    });
    assertEquals(seen, keys.filter((key) => key !== "k140"));
    assertEquals(
      await inParts(nothing),
      seen.filter((_, at) => at % 3 !== 2),
    );
  },
);

works(
  "workersKv() writes a key once that comes several times",
  async (server) => {
    const namespace = server.empty();
    const { counter, counts } = counting(namespace, 1000);
    await using table = await open(counter);
    const entries = ["1", "2", "3"].map((value) => ({ key: "k", value }));
    await Array.fromAsync(
      table.updateMany([...entries, { key: "l", value: "1" }]),
    );
    assertEquals(counts.put, 2);
    assertEquals(await table.lookup("k"), "3");
  },
);

works(
  "workersKv() passes on what Workers KV says, as a failure that may pass",
  async (server) => {
    const namespace = server.empty();
    let failures = 0;
    await using table = await open({
      get: (key, type) => namespace.get(key, type),
      delete: (key) => namespace.delete(key),
      list: (options) => namespace.list(options),
      put: (key, value) =>
        failures++ % 2 === 0
          ? Promise.reject(new Error("KV PUT failed: 429 Too Many Requests"))
          : namespace.put(key, value),
    });
    await assertRejects(() => table.update("k", "v"), TemporaryError, "429");
    const entries = ["a", "b", "c"].map((key) => ({ key, value: "v" }));
    failures = 0;
    await assertRejects(
      () => Array.fromAsync(table.updateMany(entries)),
      TemporaryError,
      "429",
    );
    // Nothing is under way any more.
    assertEquals(failures, 3);
    assertEquals(await table.lookup("b"), "v");
  },
);

Deno.test("kv: over real Workers KV", async (test) => {
  await using server = await WorkersKvServer.start(60);
  for (const [name, work] of cases) {
    await test.step(name, () => work(server));
  }
  const kind = kvHandedIn(
    "kv: in Workers KV",
    () => Promise.resolve(workersKv(server.empty())),
    { many: 40 },
  );
  await using maker = await kind.start();
  for (const { name, of = () => true, holds } of requirements) {
    if (of(kind)) await test.step(name, () => holds(kind, maker));
  }
});
