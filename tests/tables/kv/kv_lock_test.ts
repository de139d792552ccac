import { locksIn } from "../../../lib/tables/kv/lock_holder.ts";
import {
  ClosedError,
  type KvAtomic,
  type KvDatabase,
  openTable,
  type TableOptions,
  TemporaryError,
} from "../../../mod.ts";
import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
} from "../../support/assert.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { Folder } from "../../support/folder.ts";
import { KvLock } from "../../support/kv_lock.ts";
import { root, runCli } from "../../support/processes.ts";
import { Serving } from "../../support/serving.ts";
import { RawClient } from "../../support/socketmap.ts";

const quiet = { utf8: true, onWarning: () => {} };

/** A file with an entry. */
async function file(folder: Folder): Promise<string> {
  const path = `${folder.path}/t.kv`;
  const { code } = await runCli(["-i", `kv:${path}`], { stdin: "k v\n" });
  assertEquals(code, 0);
  return path;
}

/** How long something takes, in seconds. */
async function timed<T>(work: () => Promise<T>): Promise<[T, number]> {
  const start = performance.now();
  const result = await work();
  return [result, (performance.now() - start) / 1000];
}

// WAL mode, as Deno has it; who has it for himself; and without a log.
const locks = [
  ["BEGIN IMMEDIATE"],
  ["BEGIN EXCLUSIVE", "UPDATE data_version SET version = version + 1"],
  ["PRAGMA locking_mode = EXCLUSIVE", "BEGIN IMMEDIATE"],
  ["PRAGMA journal_mode = DELETE", "BEGIN EXCLUSIVE"],
];

Deno.test("kv: does not wait for ever for who has the database locked, and says who", async () => {
  // In real time: where the database is asked all the same, it answers in its own.
  await Promise.all(locks.map(async (commands) => {
    await using folder = await Folder.make();
    const path = await file(folder);
    const warnings: string[] = [];
    await using table = await openTable(`kv:${path}`, {
      utf8: true,
      write: true,
      onWarning: (line) => warnings.push(line),
    });
    {
      await using lock = await KvLock.take(path, commands);
      const holder = `another process, ${lock.process} (deno), is writing`;
      const requests: (() => Promise<unknown>)[] = [
        () => table.lookup("k"),
        () => table.first(),
        () => table.update("k", "never"),
        () => table.delete("k"),
        () => Array.fromAsync(table.lookupMany(["k", "l"])),
        () => Array.fromAsync(table.updateMany([{ key: "k", value: "never" }])),
        () => Array.fromAsync(table.deleteMany(["k"])),
      ];
      await Promise.all(requests.map(async (request) => {
        const [_, seconds] = await timed(() =>
          assertRejects(request, TemporaryError, holder)
        );
        assert(
          seconds > 4.5 && seconds < 10,
          `${commands.join()}: ${seconds} s`,
        );
      }));
      assert(warnings.length > 0);
      for (const warning of warnings) {
        assert(warning.startsWith(`kv:${path}: waiting: ${holder}`), warning);
      }
    }
    assertEquals(await table.lookup("k"), "v");
    assertEquals(await table.update("k", "w"), true);
    assertEquals(await table.lookup("k"), "w");
  }));
});

Deno.test("kv: answers lookups while another process writes, and a write that failed was not done", async () => {
  await using folder = await Folder.make();
  const path = await file(folder);
  const warnings: string[] = [];
  await using table = await openTable(`kv:${path}`, {
    utf8: true,
    write: true,
    onWarning: (line) => warnings.push(line),
  });
  assertEquals(await table.lookup("k"), "v");
  {
    await using _ = await KvLock.take(path);
    const [error, seconds] = await timed(() =>
      assertRejects(
        () => table.update("k", "never"),
        TemporaryError,
        "another process, ",
      )
    );
    assert(seconds > 4.5 && seconds < 8, `${seconds}`);
    assert(!error.message.includes("may still"), error.message);
    assertEquals(warnings.length, 1);
    // The next one waits where it is in nobody's way.
    const failing = assertRejects(() => table.delete("k"), TemporaryError);
    for (let number = 0; number < 20; number++) {
      const [value, seconds] = await timed(() => table.lookup("k"));
      assertEquals(value, "v");
      assert(seconds < 2, `${seconds}`);
    }
    await failing;
  }
  assertEquals(await table.lookup("k"), "v");
  assertEquals(await table.update("k", "w"), true);
  assertEquals(await table.lookup("k"), "w");
});

Deno.test("the command line ends soon when another process has a kv: database locked, and says so before", async () => {
  await using folder = await Folder.make();
  const path = await file(folder);
  await using _ = await KvLock.take(path);
  const name = `kv:${path}`;
  const backed =
    `memcache:{memcache=inet:127.0.0.1:1 max_try=1 timeout=1 backup=${name}}`;
  const confined = [
    `--allow-read=${folder.path}`,
    `--allow-write=${folder.path}`,
  ];
  const commands: [string[], { stdin?: string; permissions?: string[] }][] = [
    [["-q", "k", name], {}],
    [["-q", "k", backed], {}],
    [["-s", name], {}],
    [["-i", name], { stdin: "k never\n" }],
    [["-d", "k", backed], {}],
    [["-q", "-", name], { stdin: "k\nl\n" }],
    // Without a look at the locks of all processes.
    [["-q", "k", name], { permissions: confined }],
    [["-ri", name], { stdin: "k never\n", permissions: confined }],
  ];
  await Promise.all(commands.map(async ([args, given]) => {
    const [{ code, stdout, stderr }, seconds] = await timed(() =>
      runCli(args, given)
    );
    const about = args.join(" ");
    assertEquals([code, stdout], [1, ""], about);
    assert(seconds < 12, `${about}: ${seconds} s`);
    assertMatch(
      stderr,
      /warning: kv:\S+: waiting: another process.* is writing to the database.*\n(?:.*\n)?.*fatal: kv:\S+: no answer within 5 s: another process.* is writing to the database/,
    );
    assertEquals(stderr.split("waiting:").length, 2, stderr);
  }));
  const checked = await runCli(["check", name]);
  assertEquals(checked.code, 1);
  assertMatch(checked.stdout, /error: kv:.* is writing to the database/);
});

Deno.test("serve answers TEMP while a kv: database is locked, and ends when it is told to", async () => {
  await using folder = await Folder.make();
  const path = await file(folder);
  await using _ = await KvLock.take(path);
  await using server = await Serving.start([
    "--socketmap=inet:127.0.0.1:0",
    `a=kv:${path}`,
    "b=static:here",
  ]);
  using client = await RawClient.connect(server.endpoint);
  using other = await RawClient.connect(server.endpoint);
  await client.send("3:a k,");
  const failed = client.reply();
  // Others are answered meanwhile.
  await other.send("3:b k,");
  const [reply, seconds] = await timed(() => other.reply());
  assertEquals(reply, "OK here");
  assert(seconds < 2, `${seconds}`);
  assertMatch(`${await failed}`, /^TEMP kv:.* is writing to the database/);
  await client.send("3:a k,");
  const [code, ended] = await timed(() => server.stop());
  assertEquals(code, 0);
  assert(ended < 12, `${ended}`);
});

Deno.test("kv: a program whose database is locked comes to its end", async () => {
  await using folder = await Folder.make();
  const path = await file(folder);
  const script = await folder.write(
    "script.ts",
    `import { openTable } from "${root}mod.ts";
     const table = await openTable("kv:${path}", { utf8: true, onWarning: () => {} });
     await table.lookup("k").catch((error) => console.log(error.name));
     await table.close();`,
  );
  await using _ = await KvLock.take(path);
  const [{ code, stdout }, seconds] = await timed(() =>
    new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--unstable-kv", script],
    }).output()
  );
  assertEquals(code, 0);
  assertEquals(new TextDecoder().decode(stdout), "TemporaryError\n");
  assert(seconds < 10, `${seconds}`);
});

/** Lets time pass until something has ended. */
async function passUntil<T>(
  clock: FakeClock,
  ending: Promise<T>,
): Promise<T> {
  let isOver = false;
  ending.then(() => isOver = true, () => isOver = true);
  while (!isOver) {
    clock.pass(100);
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  return await ending;
}

/** A library over memory whose calls hang while the test says so. */
function hanging() {
  const state = { hangs: false, calls: 0, closed: 0, release: () => {} };
  const kvLibrary: TableOptions["kvLibrary"] = () =>
    Promise.resolve({
      async openKv(): Promise<KvDatabase> {
        const kv = await Deno.openKv(":memory:");
        const { promise, resolve } = Promise.withResolvers<void>();
        state.release = resolve;
        const whenFree = async () => {
          state.calls++;
          if (state.hangs) await promise;
        };
        return {
          get: async (key) => {
            await whenFree();
            return await kv.get(key);
          },
          set: async (key, value) => {
            await whenFree();
            return await kv.set(key, value);
          },
          delete: (key) => kv.delete(key),
          list: (selector, options) => kv.list(selector, options),
          atomic: () => {
            const atomic = kv.atomic();
            const commit = async () => {
              await whenFree();
              return await atomic.commit();
            };
            const made: KvAtomic = {
              check: (...checks) => (atomic.check(...checks), made),
              set: (key, value) => (atomic.set(key, value), made),
              delete: (key) => (atomic.delete(key), made),
              commit,
            };
            return made;
          },
          close: () => {
            state.closed++;
            kv.close();
          },
        };
      },
    });
  return { state, kvLibrary };
}

Deno.test("kv: a call that never ends holds up neither those after it nor the end", async () => {
  const { state, kvLibrary } = hanging();
  const clock = new FakeClock();
  const table = await openTable("kv::memory:", {
    ...quiet,
    write: true,
    clock,
    kvLibrary,
  });
  assertEquals(await table.update("k", "one"), true);
  state.hangs = true;
  const start = clock.now();
  const late = table.update("k", "late");
  const waiting = table.lookup("k");
  const [, { message }] = await passUntil(
    clock,
    Promise.all([
      assertRejects(() => late, TemporaryError, "it may still be written then"),
      assertRejects(() => waiting, TemporaryError, "no answer within 5 s"),
    ]),
  );
  assert(!message.includes("may still"));
  assert(clock.now() - start >= 5000 && clock.now() - start < 6500);
  // Not asked behind it, or an older value could win.
  const known = clock.now();
  await passUntil(
    clock,
    Promise.all([
      assertRejects(() => table.update("k", "two"), TemporaryError),
      assertRejects(() => table.lookup("k"), TemporaryError),
    ]),
  );
  assert(clock.now() - known < 3000);
  const fourth = table.update("k", "four");
  state.hangs = false;
  state.release();
  assertEquals(await fourth, true);
  assertEquals(await table.lookup("k"), "four");
  await table.close();
  assertEquals(state.closed, 1);
});

Deno.test("kv: a lookup ends with its signal though a call never ends", async () => {
  const { state, kvLibrary } = hanging();
  const options = { ...quiet, clock: new FakeClock(), kvLibrary };
  await using table = await openTable("kv::memory:", options);
  assertEquals(await table.lookup("k"), undefined);
  state.hangs = true;
  const abort = new AbortController();
  const { signal } = abort;
  // Many of them, on Node, would be a warning if each listened.
  const lookups = Array.from(
    { length: 2000 },
    () => assertRejects(() => table.lookup("k", { signal }), Error, "enough"),
  );
  const together = assertRejects(
    () => Array.fromAsync(table.lookupMany(["k", "l"], { signal })),
    Error,
    "enough",
  );
  const other = table.lookup("k");
  abort.abort(new Error("enough"));
  await Promise.all([...lookups, together]);
  await assertRejects(() => table.lookup("k", { signal }), Error, "enough");
  state.hangs = false;
  state.release();
  assertEquals(await other, undefined);
});

Deno.test("kv: closes at once though a call never ends, and the database when it does", async () => {
  const { state, kvLibrary } = hanging();
  const clock = new FakeClock();
  const table = await openTable("kv::memory:", { ...quiet, clock, kvLibrary });
  assertEquals(await table.lookup("k"), undefined);
  state.hangs = true;
  const waiting = table.lookup("k");
  const ended = assertRejects(() => waiting, ClosedError, "is closed");
  while (state.calls < 2) await undefined;
  await passUntil(clock, table.close());
  await ended;
  assert(clock.now() <= 1100);
  assertEquals(state.closed, 0);
  state.release();
  while (state.closed === 0) {
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  assertEquals(state.closed, 1);
});

Deno.test("kv: tries again while a database that does not wait is locked, but not for ever", async () => {
  for (const [locked, stores] of [[300, true], [Infinity, false]] as const) {
    const kv = await Deno.openKv(":memory:");
    let left: number = locked;
    const clock = new FakeClock();
    // Each pause goes by as it is set.
    const pausing = {
      now: () => clock.now(),
      setTimer: (milliseconds: number, callback: () => void) => {
        const timer = clock.setTimer(milliseconds, callback);
        if (milliseconds < 100) queueMicrotask(() => clock.pass(milliseconds));
        return timer;
      },
    };
    const database = {
      get: (key: Deno.KvKey) => kv.get(key),
      close: () => kv.close(),
      atomic: () => {
        if (left-- > 0) throw new TypeError("database is locked");
        return kv.atomic();
      },
    } as unknown as KvDatabase;
    await using table = await openTable("kv::memory:", {
      ...quiet,
      write: true,
      duplicates: "warn",
      kvLibrary: () =>
        Promise.resolve({ openKv: () => Promise.resolve(database) }),
      clock: pausing,
    });
    if (stores) {
      assertEquals(await table.update("k", "v"), true);
      assertEquals(await table.lookup("k"), "v");
    } else {
      const start = clock.now();
      await assertRejects(
        () => table.update("k", "v"),
        TemporaryError,
        "kv::memory:: no answer within 5 s",
      );
      const waited = clock.now() - start;
      assert(waited >= 5000 && waited < 6000, `${waited}`);
    }
  }
});

Deno.test("locksIn() reads what Linux writes", () => {
  const text = "1: POSIX  ADVISORY  READ 14501 fe:00:2163827 123 123\n" +
    "2: FLOCK  ADVISORY  WRITE 77 00:1b:5 0 EOF\n" +
    "3: POSIX  MANDATORY WRITE 9 103:05:7 0 EOF\n" +
    "4: -> POSIX  ADVISORY  WRITE 10 fe:00:2 120 120\n" +
    "5: LEASE  ACTIVE    READ 8 fe:00:3 0 EOF\n";
  assertEquals([...locksIn(text)], [
    {
      process: 14501,
      exclusive: false,
      device: 0xfe00,
      inode: 2163827,
      from: 123,
      to: 123,
    },
    {
      process: 9,
      exclusive: true,
      device: 0x10305,
      inode: 7,
      from: 0,
      to: Infinity,
    },
  ]);
  assertEquals([...locksIn("")], []);
});
