import { MemcacheTable, openTable } from "../mod.ts";
import {
  checkTable,
  cleanUp,
  readStats,
  syncTable,
  warmCache,
} from "../lib/maintenance/mod.ts";
import { serveSocketmap } from "../lib/socketmap/server.ts";
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
