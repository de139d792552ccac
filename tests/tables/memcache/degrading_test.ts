import {
  type Connect,
  type Entry,
  type KvDatabase,
  openTable,
  type Table,
  type TableOptions,
} from "../../../mod.ts";
import { connectDeno } from "../../../lib/socket/deno.ts";
import { assert, assertEquals } from "../../support/assert.ts";
import { Authority, type Certificate } from "../../support/certificates.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { Folder } from "../../support/folder.ts";
import { freePort, Memcached } from "../../support/memcached.ts";
import { runCli } from "../../support/processes.ts";

const timeout = 1000;

/** A memcache table with a backup in memory, and what it warns of. */
interface Backed extends AsyncDisposable {
  /** Starts the memcached of the table, where it is, with more arguments. */
  start(more?: string[]): Promise<Memcached>;
  readonly clock: FakeClock;
  /** Lets the time-out pass after all that is sent: nothing is answered. */
  hangs: boolean;
  readonly warnings: string[];
  readonly table: Table;
  /** What the backup has, asked without the table. */
  kept(key: string): Promise<string | undefined>;
}

/** Opens one whose memcached is reached without TLS, or with it. */
type OpenBacked = (more?: string) => Promise<Backed>;

async function openBacked(
  more = "max_try=1",
  certificate?: Certificate & { caCerts: string },
): Promise<Backed> {
  const port = freePort();
  const kv: KvDatabase = await Deno.openKv(":memory:");
  const clock = new FakeClock();
  const warnings: string[] = [];
  const connect: Connect = async (endpoint, options) => {
    const connecting = connectDeno(endpoint, options);
    // Such a server accepts a connection, and answers no handshake.
    if (backed.hangs && certificate) setTimeout(() => clock.pass(timeout));
    const socket = await connecting;
    return {
      read: () => socket.read(),
      close: () => socket.close(),
      setBusy: (busy) => socket.setBusy?.(busy),
      async write(data) {
        await socket.write(data);
        if (backed.hangs) clock.pass(timeout);
      },
    };
  };
  const options: TableOptions = {
    utf8: true,
    write: true,
    clock,
    connect,
    onWarning: (line) => warnings.push(line),
    openKv: () => Promise.resolve(kv),
    tls: certificate && { caCerts: certificate.caCerts },
  };
  const server = `memcache=${certificate ? "tls" : "inet"}:127.0.0.1:${port}`;
  const table = await openTable(
    `memcache:{${server} timeout=1 retry_pause=1 backup=kv: ${more}}`,
    options,
  );
  const backed: Backed = {
    hangs: false,
    start: (more) =>
      certificate === undefined
        ? Memcached.tcp(port, "127.0.0.1", more)
        : Memcached.tls(certificate, port, more),
    clock,
    warnings,
    table,
    async kept(key) {
      const { value } = await kv.get(["table", "", encode(key)]);
      return value === null
        ? undefined
        : new TextDecoder().decode(value as Uint8Array);
    },
    [Symbol.asyncDispose]: () => table.close(),
  };
  return backed;
}

/** Tests a table without TLS, and over TLS. */
function testBoth(
  name: string,
  test: (open: OpenBacked) => Promise<void>,
): void {
  Deno.test(name, () => test(openBacked));
  Deno.test(`over TLS: ${name}`, async () => {
    await using folder = await Folder.make();
    const authority = await Authority.make(folder.path);
    const certificate = await authority.sign("good", "IP:127.0.0.1");
    const caCerts = await Deno.readTextFile(authority.cert);
    await test((more) => openBacked(more, { ...certificate, caCerts }));
  });
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function numbered(
  count: number,
  value = "v",
): { key: string; value: string }[] {
  return Array.from(
    { length: count },
    (_, number) => ({ key: `k${number}`, value: `${value}${number}` }),
  );
}

/** Lookups, updates and deletes, of which memcached need not know. */
async function exercise({ table, kept }: Backed, mark: string): Promise<void> {
  const many = numbered(120, mark);
  const told = await Array.fromAsync(table.updateMany(many));
  assertEquals(told.filter(({ stored }) => !stored), []);
  for (const { key, value } of many.slice(0, 5)) {
    assertEquals(await table.lookup(key), value);
  }
  assertEquals(await table.lookup("nobody"), undefined);
  assertEquals(await table.update("new", mark), true);
  assertEquals(await table.lookup("NEW"), mark);
  assertEquals(await kept("new"), mark);
  assertEquals(await table.delete("new"), true);
  assertEquals(await table.delete("new"), false);
  assertEquals(await table.lookup("new"), undefined);
  assertEquals(await kept("k119"), `${mark}119`);
}

testBoth(
  "while memcached is not running, the backup answers and takes what is written, with one warning an outage",
  async (open) => {
    await using backed = await open();
    for (let outage = 1; outage <= 2; outage++) {
      await exercise(backed, `outage ${outage}: `);
      assertEquals(backed.warnings.length, outage, backed.warnings.join("\n"));
      assert(/refused.*backup/i.test(backed.warnings[outage - 1]));
      await using memcached = await backed.start();
      // What was written meanwhile comes from the backup, and is filled in.
      assertEquals(await memcached.get("k7"), undefined);
      assertEquals(await backed.table.lookup("K7"), `outage ${outage}: 7`);
      await memcached.until("k7", `outage ${outage}: 7`);
      assertEquals(await backed.table.update("k8", "both"), true);
      assertEquals(await memcached.get("k8"), "both");
      assertEquals(await backed.kept("k8"), "both");
      assertEquals(backed.warnings.length, outage);
    }
    assertEquals(backed.clock.now(), 0);
  },
);

testBoth(
  "while memcached hangs, the backup answers after the time-out, with one warning an outage",
  async (open) => {
    await using backed = await open();
    const { table, clock, warnings } = backed;
    await using memcached = await backed.start();
    await Array.fromAsync(table.updateMany(numbered(3)));
    for (let outage = 1; outage <= 2; outage++) {
      await memcached.signal("SIGSTOP");
      backed.hangs = true;
      const asked: [() => Promise<unknown>, unknown][] = [
        [() => table.lookup("k0"), outage === 1 ? "v0" : "w0"],
        [() => table.lookup("nobody"), undefined],
        [() => table.update("new", `${outage}`), true],
        [() => table.lookup("new"), `${outage}`],
        [() => table.delete("k2"), outage === 1],
        [
          () => Array.fromAsync(table.updateMany(numbered(2, "w"))),
          numbered(2).map(({ key }) => ({ key, stored: true })),
        ],
      ];
      for (const [ask, answer] of asked) {
        const start = clock.now();
        assertEquals(await ask(), answer);
        assert(
          clock.now() - start <= timeout,
          `${ask}: ${clock.now() - start} ms`,
        );
      }
      assertEquals(await backed.kept("new"), `${outage}`);
      assertEquals(await backed.kept("k1"), "w1");
      assertEquals(warnings.length, outage, warnings.join("\n"));
      assert(/no answer within 1 s.*backup/.test(warnings[outage - 1]));
      await memcached.signal("SIGCONT");
      backed.hangs = false;
      // Nothing that came late is taken for the answer to something else.
      assertEquals(await memcached.talk("flush_all\r\n", "OK\r\n"), "OK\r\n");
      const passing = clock.now();
      assertEquals(await table.lookup("k1"), "w1");
      await memcached.until("k1", "w1");
      assertEquals(clock.now(), passing);
      assertEquals(warnings.length, outage);
      // What was deleted while it hung is not found again.
      assertEquals(await table.lookup("k2"), undefined);
    }
  },
);

testBoth(
  "when memcached was restarted, it is filled again, with no warning",
  async (open) => {
    await using backed = await open();
    const { table, warnings, clock } = backed;
    for (let round = 0; round < 3; round++) {
      await using memcached = await backed.start();
      if (round === 0) await Array.fromAsync(table.updateMany(numbered(20)));
      for (const { key, value } of numbered(20)) {
        if (round > 0) assertEquals(await memcached.get(key), undefined);
        assertEquals(await table.lookup(key), value);
        await memcached.until(key, value);
      }
    }
    assertEquals(warnings, []);
    assertEquals(clock.now(), 0);
  },
);

testBoth(
  "while memcached is full, the backup answers and takes what is written",
  async (open) => {
    await using backed = await open("max_try=1 data_size_limit=65536");
    const { table, warnings } = backed;
    // 1 MB, and an error instead of dropping what is old.
    await using memcached = await backed.start([
      "-m",
      "1",
      "-M",
      "-I",
      "512k",
    ]);
    const large = numbered(100, "v".repeat(60_000));
    const told = await Array.fromAsync(table.updateMany(large));
    assertEquals(told.filter(({ stored }) => !stored), []);
    assert(/out of memory.*backup/.test(warnings[0]), warnings[0]);
    assert(await memcached.get("k0") !== undefined);
    assertEquals(await memcached.get("k99"), undefined);
    for (const { key, value } of large) {
      assert(await table.lookup(key) === value, key);
      assertEquals((await backed.kept(key))?.length, value.length);
    }
    assertEquals(warnings.length, 1);
    // There is room again. Values of the last lookups may still be on their way to
    // it: one that finds no room then is an outage of its own.
    assertEquals(await table.delete("k0"), true);
    assertEquals(await table.delete("k1"), true);
    assertEquals(await table.lookup("k99"), large[99].value);
    await memcached.until("k99", large[99].value);
    assertEquals(await table.lookup("k0"), undefined);
  },
);

async function* stoppingAt(
  stop: number,
  memcached: Memcached,
  entries: readonly Entry[],
): AsyncGenerator<Entry> {
  for (const [number, entry] of entries.entries()) {
    if (number === stop) await memcached.stop();
    yield entry;
  }
}

testBoth(
  "when memcached is killed in the middle of a bulk load, all goes to the backup, with one warning",
  async (open) => {
    await using backed = await open();
    const { table, warnings } = backed;
    const entries = numbered(1000);
    {
      await using memcached = await backed.start();
      const coming = stoppingAt(350, memcached, entries);
      const told = await Array.fromAsync(table.updateMany(coming));
      assertEquals(told, entries.map(({ key }) => ({ key, stored: true })));
    }
    assertEquals(warnings.length, 1, warnings.join("\n"));
    assertEquals((await Array.fromAsync(table)).length, 1000);
    await using memcached = await backed.start();
    for (const key of ["k0", "k999"]) {
      assertEquals(await table.lookup(key), `v${key.slice(1)}`);
      await memcached.until(key, `v${key.slice(1)}`);
    }
    assertEquals(warnings.length, 1);
  },
);

Deno.test("while memcached is not running, a bulk run of the command line warns once", async () => {
  await using folder = await Folder.make();
  const table =
    `memcache:{memcache=inet:127.0.0.1:${freePort()} backup=kv:${folder.path}/t.kv}`;
  const entries = numbered(300);
  const outage = "memcache-table: warning: .*refused.*backup\n";
  // What was written meanwhile memcached does not know, and nobody will tell it.
  const unsure = "memcache-table: warning: .*old values of 300 keys.*warm .*\n";
  const runs: [string[], string, string][] = [
    [
      ["-i"],
      entries.map(({ key, value }) => `${key} ${value}\n`).join(""),
      "",
    ],
    [
      ["-q", "-"],
      entries.map(({ key }) => `${key}\n`).join(""),
      entries.map(({ key, value }) => `${key}\t${value}\n`).join(""),
    ],
    [["-d", "-"], entries.map(({ key }) => `${key}\n`).join(""), ""],
  ];
  for (const [action, stdin, stdout] of runs) {
    const done = await runCli([...action, table], { stdin });
    assertEquals([done.code, done.stdout], [0, stdout], action.join(" "));
    const warnings = action[0] === "-q" ? outage : outage + unsure;
    assert(new RegExp(`^${warnings}$`).test(done.stderr), done.stderr);
  }
  assertEquals((await runCli(["-s", table])).stdout, "");
});
