import {
  ConfigError,
  type Entry,
  type KvDatabase,
  openTable,
  ReadOnlyError,
  type TableOptions,
  TemporaryError,
} from "../../mod.ts";
import {
  cleanUp,
  type CleanUpOptions,
  type Expired,
} from "../../lib/maintenance/mod.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { Folder } from "../support/folder.ts";
import { freePort, Memcached } from "../support/memcached.ts";
import { runPostmap } from "../support/processes.ts";

const now = 1_800_000_000;
const day = 86400;
const old = `${now - 8 * day};1;1;1;1`;
const fresh = `${now + day};1;1;1;1`;
const record = "_LAST_CACHE_CLEANUP_COMPLETED_";

const noMainCf = { configDirectory: "/nonexistent" };

/** A cleanup at that time; a warning is an error unless it is wanted. */
function clean(name: string, more: Partial<CleanUpOptions> = {}) {
  return cleanUp(name, {
    ...noMainCf,
    daemon: "postscreen",
    timeOfDay: () => now * 1000,
    onWarning: (line) => {
      throw new Error(line);
    },
    ...more,
  });
}

const asStored: TableOptions = { ...noMainCf, fold: false };

async function store(
  name: string,
  entries: Iterable<Entry>,
  more: TableOptions = {},
): Promise<void> {
  await using table = await openTable(name, {
    ...asStored,
    write: true,
    ...more,
  });
  for await (const { stored } of table.updateMany(entries)) assert(stored);
}

async function stored(
  name: string,
  more: TableOptions = {},
): Promise<[string, string][]> {
  await using table = await openTable(name, { ...asStored, ...more });
  const entries: [string, string][] = [];
  for await (const { key, value } of table) entries.push([key, value]);
  return entries;
}

function* clients(
  count: number,
  value: (number: number) => string,
): Generator<Entry> {
  for (let at = 0; at < count; at++) {
    const key = `10.${at >> 16}.${(at >> 8) & 255}.${at & 255}`;
    yield { key, value: value(at) };
  }
}

Deno.test("cleanUp() removes what has expired, from the backup and from memcached", async () => {
  await using memcached = await Memcached.tcp();
  await using folder = await Folder.make();
  const backup = `kv:${folder.path}/t.kv`;
  // The backup has keys that the cache does not take, for all three reasons.
  const name = `memcache:${await folder.write(
    "t.cf",
    `memcache = ${memcached.server}\nkey_format = ps:%s\nbackup = ${backup}\n`,
  )}`;
  const long = "x".repeat(300);
  const count = 3000;
  await store(name, clients(count, (at) => at % 3 === 0 ? old : fresh));
  await store(backup, [
    { key: "with space", value: old },
    { key: long, value: old },
    { key: "Upper.Example", value: old },
    { key: record, value: "1" },
  ]);
  await memcached.set("ps:Upper.Example", old);

  const listed: Expired[] = [];
  const before = await stored(name);
  const dry = await clean(name, {
    dryRun: true,
    onExpired: (entry) => void listed.push(entry),
  });
  const gone = count / 3 + 3;
  const entries = count + 3;
  const done = { entries, removed: gone, malformed: 0, refreshed: 0 };
  assertEquals(dry, done);
  assertEquals(listed.length, gone);
  assertEquals(listed[0], {
    key: "10.0.0.0",
    value: old,
    reason: "greeting test expired 2027-01-07T08:00:00Z",
  });
  assertEquals(await stored(name), before);

  const seen: number[] = [];
  assertEquals(
    await clean(name, { onProgress: (at) => void seen.push(at.entries) }),
    done,
  );
  assertEquals(seen, [1024, 2048]);
  const left = await stored(name);
  assertEquals(left.length, entries - gone + 1);
  assertEquals(left.filter(([, value]) => value === old), []);
  assertEquals(left.at(-1), [record, `${now}`]);
  assertEquals(await memcached.get(`ps:${record}`), `${now}`);
  assertEquals(await memcached.get("ps:10.0.0.0"), undefined);
  assertEquals(await memcached.get("ps:10.0.0.1"), fresh);
  assertEquals(await memcached.get("ps:10.0.11.183"), fresh);
  assertEquals(await memcached.get("ps:Upper.Example"), undefined);
  assertEquals((await clean(name, { olderThan: day })).removed, 0);
  assertEquals(
    (await clean(name, {
      olderThan: 60,
      timeOfDay: () => (now + 2 * day) * 1000,
    }))
      .removed,
    entries - gone,
  );
});

Deno.test("cleanUp() works on what is no memcache table", async () => {
  await using folder = await Folder.make();
  const verify = (status: number, updated: number) =>
    `${status}:0:${updated}:text: more\\text "quoted"`;
  const btree = `btree:${folder.path}/verify`;
  const entries = [
    { key: "good@example.com", value: verify(0, now - 30 * day) },
    { key: "Old@example.com", value: verify(0, now - 32 * day) },
    { key: "bad@example.com", value: verify(2, now - 4 * day) },
    { key: "ödd@example.com", value: "ödd" },
  ];
  const expired: Expired[] = [];
  const configDirectory = await folder.mailConfiguration();
  for (const name of [btree, `kv:${folder.path}/t.kv`]) {
    if (name === btree) {
      await Deno.writeTextFile(`${folder.path}/verify`, "");
      await runPostmap(["-c", configDirectory, btree]);
    }
    await store(name, entries, { configDirectory });
    const warnings: string[] = [];
    const done = await clean(name, {
      configDirectory,
      daemon: "verify",
      onWarning: (line) => warnings.push(line),
      onExpired: (entry) => void expired.push(entry),
    });
    const reason = 'malformed: "ödd"';
    assertEquals(
      expired.splice(0).find(({ key }) => key === entries[3].key),
      { ...entries[3], reason },
    );
    assertEquals(
      done,
      { entries: 4, removed: 3, malformed: 1, refreshed: 0 },
    );
    assertEquals(warnings, [
      `${name}: removing key "ödd@example.com": malformed: "ödd"`,
    ]);
    assertEquals(Object.fromEntries(await stored(name, { configDirectory })), {
      "good@example.com": entries[0].value,
      [record]: `${now}`,
    });
  }
});

/** A KV database that calls back when it has listed all. */
function telling(onListed: () => Promise<void>) {
  return async (path: string | undefined): Promise<KvDatabase> => {
    const database = await Deno.openKv(path);
    return new Proxy(database, {
      get(target, property) {
        if (property === "list") {
          return async function* (selector: Deno.KvListSelector) {
            yield* target.list(selector);
            await onListed();
          };
        }
        const value = Reflect.get(target, property);
        return typeof value === "function" ? value.bind(target) : value;
      },
    }) as unknown as KvDatabase;
  };
}

Deno.test("cleanUp() loses nothing that Postfix refreshes meanwhile", async () => {
  await using memcached = await Memcached.tcp();
  await using folder = await Folder.make();
  const backup = `kv:${folder.path}/t.kv`;
  const name =
    `memcache:{memcache=${memcached.server}, {backup = ${backup}}, key_format=r:%s}`;
  const keys = ["a", "b", "c", "d", "e"];
  await store(name, keys.map((key) => ({ key, value: old })));
  await using postfix = await openTable(name, { ...asStored, write: true });
  const done = await clean(name, {
    openKv: telling(async () => {
      // After it was listed: seen by the look before the removal.
      await postfix.update("a", fresh);
      await postfix.delete("b");
    }),
    onExpired: async ({ key }) => {
      // After that look: its entry in the backup goes, for the moment.
      if (key === "c") await postfix.update("c", fresh);
    },
  });
  assertEquals(done, { entries: 5, removed: 2, malformed: 0, refreshed: 2 });
  assertEquals(await stored(name), [
    [record, `${now}`],
    ["a", fresh],
    ["c", fresh],
  ]);
  const cached = await Promise.all(
    keys.map((key) => memcached.get(`r:${key}`)),
  );
  assertEquals(cached, [fresh, undefined, fresh, undefined, undefined]);
});

Deno.test("cleanUp() keeps what is refreshed meanwhile, also without memcached", async () => {
  await using folder = await Folder.make();
  const name = `kv:${folder.path}/t.kv`;
  await store(name, ["a", "b", "c"].map((key) => ({ key, value: old })));
  await using postfix = await openTable(name, { ...asStored, write: true });
  const done = await clean(name, {
    openKv: telling(async () => {
      await postfix.update("a", fresh);
      await postfix.delete("b");
    }),
  });
  assertEquals(done, { entries: 3, removed: 1, malformed: 0, refreshed: 1 });
  assertEquals(await stored(name), [[record, `${now}`], ["a", fresh]]);
});

Deno.test("cleanUp() goes on without a memcached that is down, and says so once", async () => {
  await using folder = await Folder.make();
  const backup = `kv:${folder.path}/t.kv`;
  await store(backup, clients(2000, (at) => at % 2 === 0 ? old : fresh));
  const warnings: string[] = [];
  const name =
    `memcache:{memcache=inet:127.0.0.1:${freePort()}, {backup = ${backup}}}`;
  const done = await clean(name, {
    onWarning: (line) => warnings.push(line),
  });
  assertEquals(
    done,
    { entries: 2000, removed: 1000, malformed: 0, refreshed: 0 },
  );
  assertEquals(warnings.length, 1);
  assert(
    /Connection refused.*; cleaning up the backup alone/.test(warnings[0]),
  );
  const left = await stored(backup);
  assertEquals(left.length, 1001);
  assertEquals(left.at(-1), [record, `${now}`]);
});

Deno.test("cleanUp() that fails leaves the time of the last one", async () => {
  await using folder = await Folder.make();
  const name = `kv:${folder.path}/t.kv`;
  await store(name, [
    ...clients(1000, () => old),
    { key: record, value: "5" },
    { key: "zzz", value: fresh },
  ]);
  let calls = 0;
  await assertRejects(
    () =>
      clean(name, {
        onExpired: () => {
          if (++calls > 600) throw new TemporaryError("fails here");
        },
      }),
    TemporaryError,
    "fails here",
  );
  const left = await stored(name);
  assertEquals(left.slice(-2), [[record, "5"], ["zzz", fresh]]);
  assertEquals(left.length, 1002 - 512);
  const stop = new AbortController();
  stop.abort(new Error("enough"));
  await assertRejects(
    () => clean(name, { signal: stop.signal }),
    Error,
    "enough",
  );
});

Deno.test("cleanUp() takes a table of something else for what it is", async () => {
  await using folder = await Folder.make();
  const aliases = `kv:${folder.path}/aliases.kv`;
  const entries = [...clients(3000, () => "someone@example.com")];
  await store(aliases, entries);
  for (const daemon of ["postscreen", "verify"] as const) {
    for (const dryRun of [true, false]) {
      await assertRejects(
        () => clean(aliases, { daemon, dryRun }),
        ConfigError,
        `${aliases}: none of its first 1000 entries is one of ${daemon}: nothing was removed`,
      );
    }
  }
  assertEquals((await stored(aliases)).length, 3000);
  const small = `kv:${folder.path}/small.kv`;
  await store(small, [{ key: "a", value: "b" }, { key: record, value: "1" }]);
  await assertRejects(
    () => clean(small),
    ConfigError,
    "none of its first 1 entries is one of postscreen",
  );
  assertEquals(await stored(small), [[record, "1"], ["a", "b"]]);
  const rejected: [
    string,
    typeof ConfigError | typeof ReadOnlyError,
    string,
  ][] = [
    ["memcache:{}", ConfigError, "memcached cannot list its keys"],
    ["memcache:{{backup=inline:{a=1}}}", ReadOnlyError, "is read-only"],
    ["inline:{a=1}", ReadOnlyError, "inline:{a=1} is read-only"],
    ["x", ConfigError, "need type:name"],
  ];
  for (const [name, kind, message] of rejected) {
    await assertRejects(() => clean(name), kind as typeof ConfigError, message);
  }
  await assertRejects(
    () => clean("static:x", { dryRun: true }),
    ConfigError,
    "static:x cannot be listed",
  );
  await assertRejects(
    () => clean(aliases, { daemon: "smtpd" as "verify" }),
    TypeError,
    "daemon must be postscreen or verify: smtpd",
  );
  await assertRejects(
    () => clean(aliases, { olderThan: 0 }),
    RangeError,
    "olderThan must be a number above 0: 0",
  );
});

Deno.test("cleanUp() says what it waits for when a daemon has the table locked", async () => {
  await using folder = await Folder.make();
  const configDirectory = await folder.mailConfiguration();
  const name = `btree:${folder.path}/cache`;
  await Deno.writeTextFile(`${folder.path}/cache`, `192.0.2.1 ${old}\n`);
  await runPostmap(["-c", configDirectory, name]);
  using file = await Deno.open(`${folder.path}/cache.db`);
  await file.lock(true);
  const clock = new FakeClock();
  const warnings: string[] = [];
  const cleaning = clean(name, {
    configDirectory,
    clock,
    onWarning: (line) => warnings.push(line),
  });
  await clock.untilSet(5000);
  clock.pass(5000);
  assertEquals(warnings.length, 1);
  assert(warnings[0].startsWith(`${name} is locked: a daemon`), warnings[0]);
  await file.unlock();
  assertEquals((await cleaning).removed, 1);
  assertEquals([warnings.length, clock.waiting], [1, 0]);
});
