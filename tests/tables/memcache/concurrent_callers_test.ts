import { openTable, type Table } from "../../../mod.ts";
import { assert, assertEquals } from "../../support/assert.ts";
import { Folder } from "../../support/folder.ts";
import { Memcached } from "../../support/memcached.ts";
import { Random } from "../../support/random.ts";
import { Versions } from "../../support/versions.ts";

// Many callers of one table with several connections to a real memcached: no lookup
// misses what was acknowledged before it began. ROUNDS=500 for a night, SEED=… to
// choose the same requests again.
const rounds = Number(Deno.env.get("ROUNDS") ?? 3);
const writers = 8;
const keys = Array.from({ length: 2000 }, (_, at) => `key-${at}@example.com`);

/** Small values, and large ones between them. */
function valueOf(key: string, number: number): string {
  const padding = number % 5 === 4 && key.endsWith("77@example.com")
    ? 60_000
    : number % 5 === 0
    ? 2000
    : 0;
  return `${number} of ${key} ${"x".repeat(padding)}`;
}

async function readAll(
  table: Table,
  versions: Versions,
  some: readonly string[],
): Promise<void> {
  const from = some.map((key) => versions.acknowledged(key));
  let at = 0;
  for await (const { key, value } of table.lookupMany(some)) {
    versions.check(key, value, from[at++]);
  }
  assertEquals(at, some.length);
}

/** Writes keys one by one and in bulk, the same ones several times. */
async function write(
  random: Random,
  table: Table,
  versions: Versions,
  own: readonly string[],
): Promise<void> {
  for (let turn = 0; turn < 12; turn++) {
    // Several writes of a key, of which none waits for another: the last one counts.
    const key = random.pick(own);
    const writing: Promise<boolean>[] = [];
    let latest = 0;
    for (let more = random.integer(1, 4); more > 0; more--) {
      const { number, value } = versions.next(key);
      latest = number;
      writing.push(
        value === undefined ? table.delete(key) : table.update(key, value),
      );
      if (random.chance(0.5)) await table.lookup(random.pick(keys));
    }
    await Promise.all(writing);
    versions.acknowledge(key, latest);
    versions.check(key, await table.lookup(key), latest);

    const last = new Map<string, number>();
    const entries = random.list(1, 300, () => random.pick(own)).flatMap(
      (key) => {
        const { number, value } = versions.next(key);
        if (value === undefined) return [];
        last.set(key, number);
        return [{ key, value }];
      },
    );
    for await (const { stored } of table.updateMany(entries)) assert(stored);
    for (const [key, number] of last) versions.acknowledge(key, number);
    await readAll(table, versions, [...last.keys()]);
  }
}

async function testCallers(
  random: Random,
  memcached: Memcached,
  backup: string,
): Promise<void> {
  const connections = random.integer(2, 8);
  await using table = await openTable(
    `memcache:{ memcache=${memcached.server}, data_size_limit=100000, ` +
      `connections=${connections}${backup && `, backup=${backup}`} }`,
    {
      write: true,
      onWarning: (warning) => assert(/no such database/.test(warning), warning),
    },
  );
  const versions = new Versions(keys, valueOf);
  const first = keys.map((key) => ({ key, value: valueOf(key, 1) }));
  for await (const { stored } of table.updateMany(first)) assert(stored);
  // Those that go on after another one failed still need the table.
  const callers = await Promise.allSettled([
    ...[0, 1, 2].map(async () => {
      for (let turn = 0; turn < 8; turn++) {
        const start = random.integer(0, keys.length / 2);
        await readAll(table, versions, keys.slice(start));
      }
    }),
    ...Array.from(
      { length: writers },
      (_, writer) =>
        write(
          random,
          table,
          versions,
          keys.filter((_, at) => at % writers === writer),
        ),
    ),
  ]);
  for (const caller of callers) {
    if (caller.status === "rejected") throw caller.reason;
  }
}

for (const backup of [false, true]) {
  const what = backup ? ", with a backup" : "";
  Deno.test(`many callers of a table see what was acknowledged, over several connections${what}`, async () => {
    const random = Random.seeded(`concurrent callers${what}`);
    await using folder = await Folder.make();
    await Deno.chmod(folder.path, 0o777);
    for (let round = 0; round < rounds; round++) {
      await using memcached = round % 2 === 0
        ? await Memcached.tcp(undefined, undefined, ["-t", "4", "-m", "256"])
        : await Memcached.unix(`${folder.path}/${round}.sock`);
      const database = `kv:${folder.path}/${round}.kv`;
      await testCallers(random, memcached, backup ? database : "");
    }
  });
}
