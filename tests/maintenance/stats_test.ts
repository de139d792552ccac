import { readStats } from "../../lib/maintenance/mod.ts";
import { ConfigError, openTable, TemporaryError } from "../../mod.ts";
import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
} from "../support/assert.ts";
import { Folder } from "../support/folder.ts";
import { freePort, Memcached } from "../support/memcached.ts";
import { Nutcracker } from "../support/nutcracker.ts";
import { ScriptedServer } from "../support/scripted_server.ts";

const options = { utf8: true, onWarning: () => {} };

Deno.test("readStats() reads the figures of a real memcached", async () => {
  await using folder = await Folder.make();
  for (const start of await Memcached.everyWay(folder.path)) {
    await using memcached = await start();
    const name = `memcache:{memcache=${memcached.server}}`;
    const fresh = await readStats(name, options);
    assertEquals([fresh.hits, fresh.hitRatio, fresh.items], [0, null, 0]);
    await using table = await openTable(name, { ...options, write: true });
    await table.update("a", "1".repeat(1000));
    await table.lookup("a");
    await table.lookup("a");
    await table.lookup("a");
    await table.lookup("nobody");
    const { version, uptime, bytes, ...stats } = await readStats(name, options);
    assertMatch(version!, /^\d+\.\d+/);
    assert(uptime! >= 0 && uptime! < 100);
    assert(bytes! > 1000 && bytes! < 2000);
    assertEquals(stats, {
      table: name,
      server: memcached.server,
      hits: 3,
      misses: 1,
      hitRatio: 0.75,
      sets: 1,
      items: 1,
      limitBytes: 67108864,
      evictions: 0,
      connections: stats.connections,
      maxConnections: 1024,
    });
    assert(stats.connections! >= 2);
  }
});

Deno.test("readStats() reads the table's configuration, and says what is wrong there", async () => {
  await using memcached = await Memcached.tcp();
  await using folder = await Folder.make();
  const configDirectory = await folder.mailConfiguration(
    `a_memcache = ${memcached.server}\nb_ttl = 1h\n`,
  );
  const given = { ...options, configDirectory };
  assertEquals((await readStats("memcache:a", given)).hits, 0);
  const table: [string, string][] = [
    ["memcache:b", `${configDirectory}/main.cf, line 3: b_ttl = 1h`],
    ["memcache:/nonexistent", "there is no such file"],
    ["memcache:{memcache=x}", "no transport"],
    ["memcache:", "need type:name"],
    ["inline:{a=b}", "inline:{a=b} has no statistics"],
    ["proxy:memcache:/a", "so name memcache:/a itself"],
    ["hash:/a", "name a memcache: table"],
    ["plain", "plain has no statistics"],
  ];
  for (const [name, message] of table) {
    await assertRejects(() => readStats(name, given), ConfigError, message);
  }
  await assertRejects(() => readStats(1 as unknown as string), TypeError);
});

Deno.test("readStats() tells of a server that fails", async () => {
  const down = `memcache:{memcache=inet:127.0.0.1:${freePort()}}`;
  await assertRejects(
    () => readStats(down, options),
    TemporaryError,
    "running",
  );
  await using memcached = await Memcached.tcp();
  await using proxy = await Nutcracker.start([memcached]);
  const proxied = `memcache:{memcache=${proxy.server}}`;
  await assertRejects(
    () => readStats(proxied, options),
    TemporaryError,
    'does not answer "stats"',
  );
  await using empty = new ScriptedServer(() => ["END\r\n"]);
  await assertRejects(
    () => readStats(`memcache:{memcache=${empty.server}}`, options),
    TemporaryError,
    "is it a proxy?",
  );
  await using other = new ScriptedServer(() => [
    "STAT get_hits 5\r\nSTAT get_misses many\r\nEND\r\n",
  ]);
  const { hits, misses, hitRatio, version } = await readStats(
    `memcache:{memcache=${other.server}}`,
    options,
  );
  assertEquals([hits, misses, hitRatio, version], [5, null, null, null]);
});
