import { makeLimitedV8Serializer, openKv } from "npm:@deno/kv@0.14.0";
import {
  ClosedError,
  ConfigError,
  type KvDatabase,
  type OpenOptions,
  openTable,
  TemporaryError,
} from "../../../mod.ts";
import { checkTable } from "../../../lib/maintenance/mod.ts";
import { assert, assertEquals, assertRejects } from "../../support/assert.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import {
  accessToken,
  KvServer,
  type RequestKind,
  useAccessToken,
} from "../../support/kv_connect/server.ts";
import { limits } from "../../support/kv_connect/store.ts";

useAccessToken();

const quiet = { utf8: true, write: true, onWarning: () => {} };

/** The client of npm, with what programs hand in. */
function byDenoKv(token: string): OpenOptions {
  return {
    openKv: (path) =>
      openKv(path, {
        ...makeLimitedV8Serializer(),
        implementation: "remote",
        accessToken: token,
      }) as Promise<KvDatabase>,
  };
}

const clients: [string, OpenOptions][] = [
  ["Deno", {}],
  ["@deno/kv", byDenoKv(accessToken)],
];

/** A fault that leaves the exchange as it is. */
function ofData(fault: () => Response | Promise<Response>) {
  return (kind: RequestKind) => kind === "exchange" ? undefined : fault();
}

function numbered(count: number): { key: string; value: string }[] {
  return Array.from(
    { length: count },
    (_, number) => ({ key: `k${number}`, value: `v${number}` }),
  );
}

Deno.test("kv: over the network keeps tables apart by namespace and by URL", async () => {
  await using server = new KvServer();
  const { url } = server.database("one");
  const names = [url, `${url}#a`, `${url}#a/b`, server.database("two").url];
  for (const name of names) {
    await using table = await openTable(`kv:${name}`, quiet);
    assertEquals(await table.lookup("k"), undefined);
    assertEquals(await table.update("k", name), true);
  }
  for (const name of names) {
    await using table = await openTable(`kv:${name}`, quiet);
    assertEquals(await Array.fromAsync(table), [{ key: "k", value: name }]);
  }
});

Deno.test("kv: says why a service cannot be used, and never that a key is not found", async () => {
  await using server = new KvServer();
  const { url } = server.database();
  const html = { headers: { "content-type": "text/html; charset=utf-8" } };
  const plain = (text: string, status: number) =>
    new Response(text, { status });
  const cases: [
    string,
    KvServer["fault"],
    typeof ConfigError | typeof TemporaryError,
    string,
  ][] = [
    [
      `${url}/no/database`,
      () => undefined,
      ConfigError,
      "there is no database at this URL (404 Not Found: Resource not found): check its path",
    ],
    [
      url,
      () => new Response("<html>\n", html),
      ConfigError,
      "what answers there is another service, for its answer is no JSON",
    ],
    [
      url,
      () => Response.json({ version: 3 }),
      ConfigError,
      "what answers there is another service, for its answer lacks parts",
    ],
    [
      url,
      () => Response.json({ version: 4 }),
      ConfigError,
      "the service speaks version 4 of KV Connect, which is unknown here",
    ],
    [
      url,
      () => plain("Go\taway\x1b[1m.\nor not", 400),
      ConfigError,
      "the service refuses to open it (400 Bad Request: Go away [1m)",
    ],
    [
      url,
      () => plain("too many", 429),
      TemporaryError,
      "the service fails (429 Too Many Requests: too many): try again later",
    ],
    [
      url,
      ofData(() => plain("read-only", 400)),
      TemporaryError,
      "the service fails (400 Bad Request: read-only, from ",
    ],
  ];
  for (const [client, options] of clients) {
    for (const [at, fault, kind, message] of cases) {
      server.fault = fault;
      await using table = await openTable(`kv:${at}`, { ...quiet, ...options });
      const requests = [
        () => table.lookup("k"),
        () => table.first(),
        () => table.update("k", "v"),
        () => table.delete("k"),
        () => Array.fromAsync(table.lookupMany(["k", "l"])),
        () => Array.fromAsync(table.updateMany(numbered(2))),
      ];
      for (const request of requests) {
        const error = await assertRejects(request, kind);
        assert(
          error.message.startsWith(`kv:${at}: ${message}`),
          `${client}: ${error.message}`,
        );
      }
      const { good, problems } = await checkTable(`kv:${at}`, {
        utf8: true,
        ...options,
      });
      assertEquals(good, false);
      assert(problems[0].message.includes(message), problems[0].message);
    }
  }
});

Deno.test("kv: says that the access token is refused", async () => {
  await using server = new KvServer();
  const { url } = server.database();
  const refusing = async (options: OpenOptions) => {
    await using table = await openTable(`kv:${url}`, { ...quiet, ...options });
    await assertRejects(
      () => table.lookup("k"),
      ConfigError,
      "the access token is refused (401",
    );
  };
  await refusing(byDenoKv("wrong"));
  server.accessToken = "another token";
  for (const [, options] of clients) await refusing(options);
});

Deno.test("kv: takes nothing for a file that was meant to be a URL", async () => {
  const wrong = [
    "kv:https:/kv.example/db",
    "kv:htps://kv.example/db",
    "kv:ftp://kv.example/db#a",
    "kv:http://",
    "kv:https://kv.example:port/",
    "kv:https://user:password@kv.example/",
  ];
  for (const name of wrong) {
    const error = await assertRejects(
      () => openTable(name, quiet),
      ConfigError,
    );
    assert(error.message.startsWith(`${name}: `), error.message);
  }
  await using table = await openTable(
    "kv:HTTP://kv.example.invalid/#a",
    quiet,
  );
  await assertRejects(
    () => table.lookup("k"),
    TemporaryError,
    "the host kv.example.invalid is unknown",
  );
});

for (const [client, options] of clients) {
  Deno.test(`kv: over the network a withdrawn token and a new database cost no request (${client})`, async () => {
    await using server = new KvServer();
    const database = server.database();
    await using table = await openTable(`kv:${database.url}`, {
      ...quiet,
      ...options,
    });
    await Array.fromAsync(table.updateMany(numbered(300)));
    server.expireTokens();
    const keys = numbered(300).map(({ key }) => key);
    const found = await Array.fromAsync(table.lookupMany(keys));
    assert(found.every(({ value }, at) => value === `v${at}`));
    server.expireTokens();
    assertEquals(await table.update("k", "v"), true);
    server.expireTokens();
    assertEquals((await Array.fromAsync(table)).length, 301);
    database.replace();
    assertEquals(await table.lookup("k1"), undefined);
    database.replace();
    assertEquals(await table.update("k1", "new"), true);
    assertEquals(await Array.fromAsync(table), [{ key: "k1", value: "new" }]);
  });
}

Deno.test("kv: over the network a request ends within ten seconds, and the next one starts anew", async () => {
  await using server = new KvServer();
  const { url } = server.database();
  const clock = new FakeClock();
  const table = await openTable(`kv:${url}`, { ...quiet, clock });
  // Where nothing answers, and where the exchange alone does.
  const cases: [KvServer["fault"], string][] = [
    [() => server.hang(), "the service does not answer"],
    [ofData(() => server.hang()), "the service does not answer"],
  ];
  for (const [fault, message] of cases) {
    server.fault = fault;
    const start = clock.now();
    const asked = server.untilAsked(
      server.fault("exchange", new Request(url)) === undefined
        ? "snapshot_read"
        : "exchange",
    );
    const failed = assertRejects(
      () => table.lookup("k"),
      TemporaryError,
      message,
    );
    await asked;
    const again = server.untilAsked("exchange");
    clock.pass(5300);
    await again;
    await clock.untilWaiting(2000);
    clock.pass(2000);
    await failed;
    assert(clock.now() - start < 10_000);
    server.fault = () => undefined;
    server.release();
    assertEquals(await table.lookup("k"), undefined);
    assertEquals(await table.update("k", "v"), true);
    assertEquals(await table.lookup("k"), "v");
    await table.delete("k");
  }
  // While nothing answers, no further client is opened.
  server.fault = () => server.hang();
  const written = server.untilAsked("atomic_write");
  const unknown = assertRejects(
    () => table.update("k", "v"),
    TemporaryError,
    "it may still be written then",
  );
  await written;
  const question = server.untilAsked("exchange");
  clock.pass(5300);
  await question;
  await clock.untilWaiting(2000);
  clock.pass(2000);
  await unknown;
  const before = server.requests.exchange;
  const many = Array.from(
    { length: 20 },
    () => assertRejects(() => table.lookup("k"), TemporaryError),
  );
  await server.untilAsked("exchange");
  clock.pass(2000);
  await Promise.all(many);
  assertEquals(server.requests.exchange, before + 1);
  server.release();
  server.fault = () => undefined;
  await table.close();
});

for (const [client, options] of clients) {
  Deno.test(`kv: over the network a write that was given up is not done after a newer one (${client})`, async () => {
    await using server = new KvServer();
    const database = server.database();
    const clock = new FakeClock();
    const table = await openTable(`kv:${database.url}`, {
      ...quiet,
      ...options,
      // What is handed in takes real time.
      ...(client === "Deno" ? { clock } : {}),
    });
    assertEquals(await table.update("k", "first"), true);
    const late = Promise.withResolvers<undefined>();
    server.fault = (kind) =>
      kind === "atomic_write"
        ? late.promise as unknown as Promise<Response>
        : undefined;
    const asked = server.untilAsked("atomic_write", 2);
    const given = [
      table.update("k", "old"),
      Array.fromAsync(table.updateMany([{ key: "k", value: "old" }])),
      Array.fromAsync(table.updateMany([{ key: "l", value: "old" }])),
    ].map((request) => assertRejects(() => request, TemporaryError));
    await asked;
    server.fault = () => undefined;
    if (client === "Deno") clock.pass(5300);
    await Promise.all(given);
    // The service answers again, and the old writes are still on their way.
    assertEquals(await table.update("k", "new"), true);
    const done = server.requests.atomic_write;
    late.resolve(undefined);
    await server.idle();
    assertEquals(server.requests.atomic_write, done);
    assertEquals(await table.lookup("k"), "new");
    await table.close();
  });
}

Deno.test("kv: over the network closes at once, though requests hang", async () => {
  await using server = new KvServer();
  const { url } = server.database();
  for (const fault of [() => server.hang(), ofData(() => server.hang())]) {
    const table = await openTable(`kv:${url}`, quiet);
    server.fault = fault;
    const asked = server.untilAsked(
      fault("exchange") === undefined ? "snapshot_read" : "exchange",
    );
    const ended = assertRejects(() => table.lookup("k"), ClosedError);
    await asked;
    await table.close();
    await ended;
    server.fault = () => undefined;
    server.release();
  }
});

Deno.test("kv: over the network closes at once while the service is asked why", async () => {
  await using server = new KvServer();
  const clock = new FakeClock();
  const table = await openTable(`kv:${server.database().url}`, {
    ...quiet,
    clock,
  });
  await table.lookup("k");
  server.fault = (kind) =>
    kind === "exchange"
      ? server.hang()
      : new Response("no reason", { status: 400 });
  const ended = assertRejects(() => table.lookup("k"), ClosedError);
  await clock.untilWaiting(2000);
  await table.close();
  await ended;
  assertEquals(clock.waiting, 0);
});

for (const duplicates of ["replace", "ignore"] as const) {
  Deno.test(`kv: over the network keeps order and count, with many commits under way (${duplicates})`, async () => {
    await using server = new KvServer();
    await using table = await openTable(`kv:${server.database().url}`, {
      ...quiet,
      duplicates,
    });
    // The answers come in any order.
    let order = 0;
    server.fault = async () => {
      await new Promise((resolve) => setTimeout(resolve, ++order * 7 % 20));
      return undefined as unknown as Response;
    };
    const entries = numbered(6000).map(({ value }, at) => ({
      key: at < 2500 && at % 10 === 9 ? `twice${at % 500}` : `k${at}`,
      value,
    }));
    const stored = await Array.fromAsync(table.updateMany(entries));
    assertEquals(stored.map(({ key }) => key), entries.map(({ key }) => key));
    const expected = new Map<string, string>();
    for (const [at, { key, value }] of entries.entries()) {
      const isNew = !expected.has(key);
      assertEquals(stored[at].stored, isNew || duplicates === "replace", key);
      if (isNew || duplicates === "replace") expected.set(key, value);
    }
    assert(server.most >= 4, `${server.most}`);
    const listed = new Map<string, string>();
    for await (const { key, value } of table) listed.set(key, value);
    assertEquals(listed.size, expected.size);
    for (const [key, value] of listed) assertEquals(value, expected.get(key));
    const keys = [...expected.keys(), "nobody", "k1"];
    const deleted = await Array.fromAsync(table.deleteMany(keys));
    assertEquals(
      deleted.filter(({ deleted }) => !deleted).map(({ key }) => key),
      ["nobody", "k1"],
    );
    assertEquals(await table.first(), undefined);
  });
}

Deno.test("kv: over the network tells only of what was stored when a commit fails", async () => {
  await using server = new KvServer();
  const database = server.database();
  await using table = await openTable(`kv:${database.url}`, quiet);
  let writes = 0;
  server.fault = (kind) =>
    kind === "atomic_write" && ++writes > 2
      ? new Response("no room", { status: 413 })
      : undefined;
  const told: string[] = [];
  await assertRejects(
    async () => {
      for await (const { key } of table.updateMany(numbered(6000))) {
        told.push(key);
      }
    },
    TemporaryError,
    "the service refuses the request (413 Payload Too Large: no room)",
  );
  server.fault = () => undefined;
  assertEquals(told, numbered(told.length).map(({ key }) => key));
  const found = await Array.fromAsync(table.lookupMany(told));
  assertEquals(found.filter(({ value }) => value === undefined), []);
});

Deno.test("kv: over the network keeps to the limits of the service", async () => {
  await using server = new KvServer();
  for (const duplicates of ["replace", "ignore"] as const) {
    const { url } = server.database(duplicates);
    const refused: string[] = [];
    await using table = await openTable(`kv:${url}`, {
      ...quiet,
      duplicates,
      onRefusal: (key) => refused.push(key),
    });
    const entries = Array.from({ length: 1500 }, (_, number) => ({
      key: `${number}`.padStart(number % 20 === 0 ? 2000 : 100, "k"),
      value: "v".repeat(number % 50 === 0 ? limits.value : 10),
    }));
    const tooLong = [
      { key: "long", value: "v".repeat(limits.value + 1) },
      { key: "k".repeat(limits.writtenKey), value: "v" },
    ];
    const told = await Array.fromAsync(
      table.updateMany([...tooLong, ...entries]),
    );
    assertEquals(told.map(({ stored }) => stored).indexOf(true), 2);
    assertEquals(refused, tooLong.map(({ key }) => key));
    assertEquals(told.filter(({ stored }) => stored).length, 1500);
    const keys = entries.map(({ key }) => key);
    const found = await Array.fromAsync(
      table.lookupMany([...keys, "k".repeat(3000)]),
    );
    assert(entries.every(({ value }, at) => found[at].value === value));
    assertEquals(found.at(-1)?.value, undefined);
    assertEquals((await Array.fromAsync(table)).length, 1500);
    const gone = await Array.fromAsync(table.deleteMany(keys));
    assert(gone.every(({ deleted }) => deleted));
  }
});

Deno.test("kv: over the network large values are read few at a time, small ones many", async () => {
  await using server = new KvServer();
  for (const length of [limits.value, 10]) {
    await using table = await openTable(
      `kv:${server.database(`${length}`).url}`,
      quiet,
    );
    const entries = numbered(1000).map(({ key }) => ({
      key,
      value: "v".repeat(length),
    }));
    server.most = 0;
    server.longestRequest = 0;
    await Array.fromAsync(table.updateMany(entries));
    assert(server.longestRequest < 150_000, `${server.longestRequest}`);
    // A commit has one of the large entries, and sixteen are a megabyte.
    if (length > 10) assert(server.most <= 16, `${server.most}`);
    server.most = 0;
    server.delay = 5;
    const keys = entries.map(({ key }) => key);
    const found = await Array.fromAsync(table.lookupMany(keys));
    assert(found.every(({ value }) => value?.length === length));
    server.delay = 0;
    const { most } = server;
    assert(length > 10 ? most <= 8 : most > 8, `${length}: ${most}`);
  }
});

Deno.test("kv: over the network an answer to a listing stays small, though values are large", async () => {
  await using server = new KvServer();
  await using table = await openTable(`kv:${server.database().url}`, quiet);
  const entries = numbered(400).map(({ key }, at) => ({
    key,
    value: "v".repeat(at < 200 ? 10 : limits.value),
  }));
  await Array.fromAsync(table.updateMany(entries));
  server.longestAnswer = 0;
  assertEquals((await Array.fromAsync(table)).length, 400);
  // The first large values are met with pages of small ones.
  assert(server.longestAnswer < 20_000_000, `${server.longestAnswer}`);
});

Deno.test("kv: takes as many checks in a commit as the service allows", async () => {
  for (const checks of [10, 100]) {
    await using server = new KvServer();
    const database = server.database();
    database.store.checks = checks;
    await using table = await openTable(`kv:${database.url}`, {
      ...quiet,
      duplicates: "ignore",
    });
    await Array.fromAsync(table.updateMany(numbered(2000)));
    assertEquals(database.store.size, 2000);
    const { atomic_write } = server.requests;
    if (checks === 100) assert(atomic_write <= 25, `${atomic_write}`);
  }
});

Deno.test("kv: over the network an entry of something else, or expired, is no answer", async () => {
  await using server = new KvServer();
  const { url } = server.database();
  using kv = await Deno.openKv(url);
  const key = (name: string) => ["table", "", new TextEncoder().encode(name)];
  await kv.set(key("text"), "text");
  await kv.set(key("old"), new Uint8Array(1), { expireIn: 1 });
  await using table = await openTable(`kv:${url}`, quiet);
  await assertRejects(() => table.lookup("text"), ConfigError, "no byte value");
  assertEquals(await table.lookup("old"), undefined);
});
