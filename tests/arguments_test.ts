import { MemcacheTable, openTable } from "../mod.ts";
import {
  checkAllTables,
  checkTable,
  cleanUp,
  readStats,
  syncTable,
  warmCache,
} from "../lib/maintenance/mod.ts";
import { logIn } from "../lib/memcached/log_in.ts";
import { connectDeno } from "../lib/socket/deno.ts";
import { connectNode } from "../lib/socket/node.ts";
import {
  openServedTable,
  serveMetrics,
  serveSocketmap,
  SocketmapMetrics,
} from "../lib/socketmap/server.ts";
import { workersKv } from "../lib/tables/kv/workers_kv.ts";
import { assertEquals, assertRejects, assertThrows } from "./support/assert.ts";

// As JavaScript calls them, and TypeScript where an object has more than its type.
const table: [Record<string, unknown>, string][] = [
  [
    { writeable: true },
    'There is no option "writeable": did you mean "write"?',
  ],
  [{ wirte: true }, 'did you mean "write"?'],
  [{ utf_8: false }, 'did you mean "utf8"?'],
  [{ configDir: "/etc" }, 'did you mean "configDirectory"?'],
  [{ onwarning: () => {} }, 'did you mean "onWarning"?'],
  [
    { timeout: 1 },
    'There is no option "timeout": there are write, fold, utf8,',
  ],
  [{ fold: true, toString: 1 }, 'There is no option "toString"'],
];

Deno.test("an option that does not exist is a TypeError that says which was meant", async () => {
  for (const [options, message] of table) {
    const opening: [string, (options: object) => unknown][] = [
      ["openTable", (given) => openTable("inline:{a=b}", given)],
      ["checkTable", (given) => checkTable("inline:{a=b}", given)],
      ["readStats", (given) => readStats("memcache:{}", given)],
      ["syncTable", (given) => syncTable("inline:{a=b}", [], given)],
      ["warmCache", (given) => warmCache("memcache:{}", given)],
      [
        "cleanUp",
        (given) =>
          cleanUp("inline:{a=b}", { daemon: "verify", dryRun: true, ...given }),
      ],
    ];
    for (const [, open] of opening) {
      await assertRejects(async () => await open(options), TypeError, message);
    }
    assertThrows(() => new MemcacheTable({}, options), TypeError, message);
  }
  await assertRejects(
    () => cleanUp("inline:{a=b}", { daemon: "verify", dryrun: 1 } as never),
    TypeError,
    'did you mean "dryRun"?',
  );
  const served = { endpoint: "inet:127.0.0.1:0", lookuptimeout: 1 };
  await assertRejects(
    () => serveSocketmap({}, served as never),
    TypeError,
    'did you mean "lookupTimeout"?',
  );
  assertThrows(
    () => new MemcacheTable({}, { opentable: openTable } as never),
    TypeError,
    'did you mean "openTable"?',
  );
});

Deno.test("what MemcacheTable is opened with, it opens its backup with", async () => {
  await using memcache = new MemcacheTable(
    { memcache: "inet:127.0.0.1:1", backup: "inline:{k=v}" },
    { openTable, onWarning: () => {} },
  );
  assertEquals(await memcache.lookup("K"), "v");
});

const kinds: [Record<string, unknown>, string][] = [
  [{ onWarning: "console" }, "onWarning must be a function: string"],
  [{ connect: null }, "connect must be a function: null"],
  [{ fold: "no" }, "fold must be a boolean: string"],
  [{ signal: new AbortController() }, "signal must be an AbortSignal: object"],
  [{ configDirectory: 5 }, "configDirectory must be a string: number"],
];

Deno.test("an option of the wrong kind is a TypeError that says what it must be", async () => {
  for (const [options, message] of kinds) {
    const given = options as never;
    await assertRejects(
      () => openTable("inline:{a=b}", given),
      TypeError,
      message,
    );
    await assertRejects(
      () => checkTable("inline:{a=b}", given),
      TypeError,
      message,
    );
    assertThrows(() => new MemcacheTable({}, given), TypeError, message);
  }
  await assertRejects(
    () => openTable("inline:{a=b}", { duplicates: "keep" } as never),
    TypeError,
    'duplicates must be warn or replace or ignore: "keep"',
  );
});

// What a program in JavaScript may pass by mistake. `given` is what is wrong with it.
type Call = (given: never) => unknown;

const endpoint = { transport: "tcp", hostname: "127.0.0.1", port: 1 } as const;
const listening = { endpoint: "inet:127.0.0.1:0" };
const metrics = new SocketmapMetrics();

const ofKind: [string, string, Call][] = [
  ["openTable: name", "a string", (given) => openTable(given)],
  [
    "openTable: options",
    "an object",
    (given) => openTable("inline:{a=b}", given),
  ],
  [
    "MemcacheTable: parameters",
    "an object",
    (given) => new MemcacheTable(given),
  ],
  [
    "MemcacheTable: options",
    "an object",
    (given) => new MemcacheTable({}, given),
  ],
  ["checkTable: name", "a string", (given) => checkTable(given)],
  [
    "checkTable: options",
    "an object",
    (given) => checkTable("inline:{}", given),
  ],
  ["checkAllTables: options", "an object", (given) => checkAllTables(given)],
  ["readStats: name", "a string", (given) => readStats(given)],
  [
    "readStats: options",
    "an object",
    (given) => readStats("memcache:{}", given),
  ],
  ["syncTable: name", "a string", (given) => syncTable(given, [])],
  [
    "syncTable: entries",
    "an iterable, such as an array",
    (given) => syncTable("inline:{}", given),
  ],
  [
    "syncTable: options",
    "an object",
    (given) => syncTable("inline:{}", [], given),
  ],
  [
    "inline:{a=b}: an entry",
    "an object",
    (given) => syncTable("inline:{a=b}", [given], { dryRun: true }),
  ],
  ["warmCache: name", "a string", (given) => warmCache(given)],
  [
    "warmCache: options",
    "an object",
    (given) => warmCache("memcache:{}", given),
  ],
  [
    "cleanUp: name",
    "a string",
    (given) => cleanUp(given, { daemon: "verify" }),
  ],
  ["cleanUp: options", "an object", (given) => cleanUp("inline:{}", given)],
  [
    "serveSocketmap: tables",
    "an object",
    (given) => serveSocketmap(given, listening),
  ],
  [
    "serveSocketmap: tables.a",
    "an object with lookup()",
    (given) => serveSocketmap({ a: given }, listening),
  ],
  [
    "serveSocketmap: options",
    "an object",
    (given) => serveSocketmap({}, given),
  ],
  [
    "serveMetrics: tables",
    "an object",
    (given) => serveMetrics(given, { ...listening, metrics }),
  ],
  ["serveMetrics: options", "an object", (given) => serveMetrics({}, given)],
  ["openServedTable: name", "a string", (given) => openServedTable(given)],
  [
    "openServedTable: options",
    "an object",
    (given) => openServedTable("inline:{a=b}", given),
  ],
  ["eventsOf: name", "a string", (given) => metrics.eventsOf(given)],
  ["connectDeno: endpoint", "an object", (given) => connectDeno(given)],
  ["connectNode: endpoint", "an object", (given) => connectNode(given)],
  [
    "logIn: connect",
    "a function",
    (given) => logIn(given, { user: "a", password: "b" }),
  ],
  ["logIn: credentials", "an object", (given) => logIn(connectDeno, given)],
  [
    "logIn: credentials",
    "an object",
    (given) => logIn(connectDeno, () => given)(endpoint, {}),
  ],
  [
    "logIn: credentials.user",
    "a string",
    (given) => logIn(connectDeno, { user: given, password: "b" }),
  ],
  ["workersKv: namespace", "an object with get()", (given) => workersKv(given)],
  ["kv::memory:: an entry", "an object", async (given) => {
    await using table = await openTable("kv::memory:", { write: true });
    return await table.updateMany([given]).next();
  }],
  ["inline:{a=b}: a key", "a string", async (given) => {
    await using table = await openTable("inline:{a=b}");
    return await table.lookup(given);
  }],
];

Deno.test("an argument that is missing or of the wrong kind is a TypeError that names it", async () => {
  const wrong: [string, unknown][] = [["null", null], ["number", 5], [
    "undefined",
    undefined,
  ]];
  for (const [what, must, call] of ofKind) {
    for (const [kind, given] of wrong) {
      // Options may be missing, except where one is required.
      if (given === undefined && what.endsWith("options")) {
        if (!/^cleanUp|^serve/.test(what)) continue;
      }
      const error = await assertRejects(
        async () => await call(given as never),
        TypeError,
      );
      assertEquals(error.message, `${what} must be ${must}: ${kind}`);
    }
  }
});

Deno.test("serveSocketmap and serveMetrics say that an endpoint or the metrics are missing", async () => {
  await assertRejects(
    () => serveSocketmap({}, {} as never),
    TypeError,
    "serveSocketmap: endpoint must be a string: undefined",
  );
  await assertRejects(
    () => serveMetrics({}, { metrics } as never),
    TypeError,
    "serveMetrics: endpoint must be a string: undefined",
  );
  await assertRejects(
    () => serveMetrics({}, listening as never),
    TypeError,
    "serveMetrics: metrics must be an object with text(): undefined",
  );
});

Deno.test("the signal of a request must be an AbortSignal", async () => {
  await using table = await openTable("kv::memory:", { write: true });
  const options = { signal: new AbortController() } as never;
  const calls = [
    () => table.lookup("a", options),
    () => table.update("a", "b", options),
    () => table.delete("a", options),
    () => table.lookupMany(["a"], options).next(),
    () => table.updateMany([], options).next(),
    () => table.deleteMany([], options).next(),
  ];
  for (const call of calls) {
    await assertRejects(
      async () => await call(),
      TypeError,
      "kv::memory:: signal must be an AbortSignal: object",
    );
  }
});

Deno.test("an address without a transport is a TypeError", async () => {
  for (const connect of [connectDeno, connectNode]) {
    await assertRejects(
      () => connect({ hostname: "localhost", port: 1 } as never),
      TypeError,
      'endpoint.transport must be "tcp" or "unix": undefined',
    );
  }
});
