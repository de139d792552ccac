import { assert, assertEquals } from "../support/assert.ts";
import { readCounts } from "./counts.ts";
import { quickTests } from "./quick_tests.ts";

Deno.test("readCounts() reads what deno test counted", () => {
  const table: [string, boolean, boolean, passed: number, failed: number][] = [
    ["ok | 85 passed | 0 failed (10s)", true, false, 85, 0],
    ["ok | 85 passed (226 steps) | 0 failed (10s)", true, false, 311, 0],
    ["ok | 1 passed (1 step) | 0 failed (10s)", true, false, 2, 0],
    ["ok | 5 passed | 0 failed | 2 ignored (1s)", true, false, 5, 0],
    ["ok | 5 passed | 0 failed | 2 ignored (1s)", true, true, 5, 2],
    ["FAILED | 5 passed | 1 failed (1 step) (1s)", false, false, 5, 2],
    // It failed behind the tests, as by a rejection that nobody handled.
    ["ok | 5 passed | 0 failed (1s)", false, false, 5, 1],
    ["error: Module not found", false, false, 0, 1],
    ["", true, false, 0, 1],
  ];
  for (const [line, success, ci, passed, failed] of table) {
    assertEquals(
      readCounts(`a test ... ok (2ms)\n\n${line}\n\n`, success, ci),
      { passed, failed },
      line,
    );
  }
});

Deno.test("quickTests() are those that start no program", async () => {
  const quick = await quickTests();
  const table: [string, boolean][] = [
    ["tests/memcached/protocol_test.ts", true],
    ["tests/suite/suite_test.ts", true],
    ["tests/house_test.ts", true],
    // It starts one itself.
    ["tests/cli/stats_test.ts", false],
    // It imports support/memcached.ts.
    ["tests/tables/memcache/memcache_test.ts", false],
    // It imports table_kinds.ts, which imports memcached.ts and postfix.ts.
    ["tests/tables/conformance_test.ts", false],
  ];
  for (const [path, isQuick] of table) {
    await Deno.stat(path);
    assertEquals(quick.includes(path), isQuick, path);
  }
  assert(quick.length > 30, `${quick.length} files`);
});
