import { readStats } from "../../../lib/maintenance/mod.ts";
import {
  MemcacheTable,
  type MemcacheTableParameters,
  openTable,
  TemporaryError,
} from "../../../mod.ts";
import { assert, assertEquals, assertRejects } from "../../support/assert.ts";
import { Authority } from "../../support/certificates.ts";
import { type Cut, CuttingRelay } from "../../support/cutting_relay.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { Folder } from "../../support/folder.ts";
import { freePort, Memcached } from "../../support/memcached.ts";

const timeout = 2000;
const pause = 1000;

/** A memcached with TLS behind a relay that cuts what it sends. */
async function scene() {
  const stack = new AsyncDisposableStack();
  const folder = stack.use(await Folder.make());
  const authority = await Authority.make(folder.path);
  const { cert, key } = await authority.sign("good", "IP:127.0.0.1");
  const port = freePort();
  const ssl = ["-Z", "-o", `ssl_chain_cert=${cert},ssl_key=${key}`];
  stack.use(await Memcached.tcp(port, "127.0.0.1", ssl));
  const relay = stack.use(await CuttingRelay.start(port));
  const tls = { caCerts: await Deno.readTextFile(authority.cert) };
  const warnings: string[] = [];
  return {
    relay,
    warnings,
    open: async (more: MemcacheTableParameters) => {
      const clock = new FakeClock();
      clock.passPauses(pause);
      relay.onCut = (how) => {
        if (how === "HANG") clock.pass(timeout);
      };
      const table = new MemcacheTable({
        memcache: `tls:127.0.0.1:${relay.port}`,
        timeout: timeout / 1000,
        retry_pause: pause / 1000,
        max_try: 1,
        tls,
        ...more,
      }, {
        clock,
        write: more.backup === undefined,
        openTable,
        onWarning: (line) => warnings.push(line),
      });
      return await table.open();
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

const cuts: readonly Cut[] = ["CLOSE", "RESET", "HANG"];
// At once; in the head of a TLS record; after it.
const inHandshake = [0, 3, 700];
const inReply = [1, 3, 20];

const entries = Array.from(
  { length: 300 },
  (_, at) => ({ key: `k${at}`, value: `${at} ${"v".repeat(at)}` }),
);
const keys = entries.map(({ key }) => key);

Deno.test("a TLS connection that is cut in its handshake fails one request, with its reason", async () => {
  await using world = await scene();
  const { relay } = world;
  for (const how of cuts) {
    for (const bytes of inHandshake) {
      const what = `${how} after ${bytes} bytes`;
      await using table = await world.open({});
      relay.cutAfter(bytes, how);
      const error = await assertRejects(
        () => table.lookup("nobody"),
        TemporaryError,
        `cannot connect to memcached at tls:127.0.0.1:${relay.port}: ` +
          (how === "HANG"
            ? "no answer within 2 s"
            : "it closed the connection in the TLS handshake: does it speak TLS?"),
      );
      assert(!error.message.includes("\n"), what);
      assert(!relay.isArmed, what);
      assertEquals(await table.lookup("nobody"), undefined, what);
      await using backed = await world.open({ backup: "static:kept" });
      world.warnings.length = 0;
      relay.cutAfter(bytes, how);
      assertEquals(await backed.lookup("other"), "kept", what);
      assertEquals(world.warnings.length, 1, world.warnings.join("\n"));
    }
  }
});

Deno.test("a TLS connection that is cut in a reply, in the middle of a record too, gives no wrong answer", async () => {
  await using world = await scene();
  const { relay } = world;
  await using writer = await world.open({});
  for await (const { stored } of writer.updateMany(entries)) assert(stored);
  const bulk = async (table: MemcacheTable) => {
    let at = 0;
    for await (const found of table.lookupMany(keys)) {
      assertEquals(found, entries[at++]);
    }
    assertEquals(at, keys.length);
  };
  const together = async (table: MemcacheTable) => {
    const settled = await Promise.allSettled(
      keys.map((key) => table.lookup(key)),
    );
    const failed: unknown[] = [];
    for (const [at, one] of settled.entries()) {
      if (one.status === "rejected") failed.push(one.reason);
      else assertEquals(one.value, entries[at].value);
    }
    if (failed.length > 0) throw failed[0];
  };
  const requests: [(table: MemcacheTable) => Promise<unknown>, number[]][] = [
    [
      async (table) => assertEquals(await table.lookup("k7"), "7 vvvvvvv"),
      inReply,
    ],
    [async (table) => assert(await table.update("k7", "7 vvvvvvv")), inReply],
    [bulk, [3, 20_000]],
    [together, [3, 20_000]],
  ];
  for (const how of cuts) {
    for (const [request, places] of requests) {
      for (const bytes of places) {
        const what = `${how} after ${bytes} bytes: ${request}`;
        await using single = await world.open({});
        await single.lookup("nobody");
        relay.cutAfter(bytes, how);
        const [settled] = await Promise.allSettled([request(single)]);
        // Of many requests, those behind the first may have a try left.
        const mustFail = places === inReply;
        if (settled.status === "rejected") {
          assert(settled.reason instanceof TemporaryError, what);
        } else assert(!mustFail, what);
        assert(!relay.isArmed, what);
        await request(single);
        await using patient = await world.open({ max_try: 2 });
        await patient.lookup("nobody");
        relay.cutAfter(bytes, how);
        await request(patient);
        assert(!relay.isArmed, what);
      }
    }
  }
});

Deno.test("a server may be restarted with a renewed certificate, of a new authority too, during lookups", async () => {
  await using folder = await Folder.make();
  await using elsewhere = await Folder.make();
  const authorities = [
    await Authority.make(folder.path),
    await Authority.make(elsewhere.path),
  ];
  const port = freePort();
  const trusted = `${folder.path}/trusted.pem`;
  const start = async (round: number) => {
    const authority = authorities[round % 2];
    const name = `round${round}`;
    const { cert, key } = await authority.sign(name, "IP:127.0.0.1");
    await Deno.copyFile(authority.cert, trusted);
    const ssl = ["-Z", "-o", `ssl_chain_cert=${cert},ssl_key=${key}`];
    return await Memcached.tcp(port, "127.0.0.1", ssl);
  };
  let memcached = await start(0);
  try {
    const warnings: string[] = [];
    const name = `memcache:${await folder.write(
      "t.cf",
      `memcache = tls:127.0.0.1:${port}\ntls_CAfile = ${trusted}\n` +
        `backup = kv:${folder.path}/t.kv\n`,
    )}`;
    await using table = await openTable(name, {
      utf8: true,
      write: true,
      onWarning: (line) => warnings.push(line),
    });
    for await (const { stored } of table.updateMany(entries)) assert(stored);
    for (let round = 1; round <= 3; round++) {
      let isOver = false;
      const single = async () => {
        while (!isOver) {
          assertEquals(await table.lookup("k9"), entries[9].value);
        }
      };
      const bulk = async () => {
        while (!isOver) {
          const found = await Array.fromAsync(table.lookupMany(keys));
          assertEquals(found, entries);
        }
      };
      const asking = Promise.all([single(), single(), bulk()]);
      await memcached.stop();
      memcached = await start(round);
      // The lookups fill it again, from the backup.
      const filled = async () => (await readStats(name, { utf8: true })).items;
      while (await filled() !== keys.length);
      isOver = true;
      await asking;
    }
    assert(warnings.length <= 3, warnings.join("\n"));
  } finally {
    await memcached.stop();
  }
});
