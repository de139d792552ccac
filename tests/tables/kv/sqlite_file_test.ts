import { DatabaseSync } from "node:sqlite";
import {
  contentOf,
  type FileContent,
} from "../../../lib/tables/kv/sqlite_file.ts";
import { assert, assertEquals, assertMatch } from "../../support/assert.ts";
import { Folder } from "../../support/folder.ts";
import { Random } from "../../support/random.ts";

/** What bytes are, with the log beside them if there is one. */
function judge(bytes: Uint8Array, log?: Uint8Array): FileContent {
  return contentOf({
    size: bytes.length,
    read: (at, length) => bytes.subarray(at, at + length),
    log,
  });
}

/** The bytes of a database of Deno KV with so many entries. */
async function kvBytes(folder: Folder, entries: number): Promise<Uint8Array> {
  const path = `${folder.path}/${entries}.kv`;
  const kv = await Deno.openKv(path);
  for (let at = 0; at < entries; at += 500) {
    let atomic = kv.atomic();
    for (let number = at; number < Math.min(at + 500, entries); number++) {
      const key = new TextEncoder().encode(`key ${number}`);
      atomic = atomic.set(["table", "", key], new Uint8Array(100));
    }
    await atomic.commit();
  }
  kv.close();
  return await Deno.readFile(path);
}

/** The bytes of a database that SQL made. */
async function sqlBytes(folder: Folder, sql: string): Promise<Uint8Array> {
  const path = `${folder.path}/other`;
  const database = new DatabaseSync(path);
  database.exec(sql);
  database.close();
  const bytes = await Deno.readFile(path);
  await Deno.remove(path);
  return bytes;
}

Deno.test("contentOf() knows the databases of Deno KV, of any size", async () => {
  await using folder = await Folder.make();
  for (const entries of [0, 1, 5000]) {
    const bytes = await kvBytes(folder, entries);
    assertEquals(judge(bytes), { kind: "kv", hasLog: true });
  }
  const path = `${folder.path}/1.kv`;
  const database = new DatabaseSync(path);
  database.exec("PRAGMA journal_mode = DELETE");
  database.exec("CREATE TABLE mine (a)");
  database.close();
  assertEquals(judge(await Deno.readFile(path)), { kind: "kv", hasLog: false });
  const copy = new DatabaseSync(path);
  copy.exec("PRAGMA page_size = 512; VACUUM");
  copy.close();
  assertEquals(judge(await Deno.readFile(path)).kind, "kv");
});

Deno.test("contentOf() knows a database whose tables are still in its log", async () => {
  await using folder = await Folder.make();
  const path = `${folder.path}/t.kv`;
  const kv = await Deno.openKv(path);
  try {
    await kv.set(["a"], 1);
    const bytes = await Deno.readFile(path);
    const log = await Deno.readFile(`${path}-wal`);
    assert(log.length > 0);
    assertEquals(judge(bytes, log).kind, "kv");
    // Without its log nothing can be seen in it.
    assertEquals(judge(bytes), { kind: "empty" });
  } finally {
    kv.close();
  }
});

Deno.test("contentOf() tells databases of other programs, and other files", async () => {
  await using folder = await Folder.make();
  const many = Array.from(
    { length: 300 },
    (_, number) => `CREATE TABLE t${number} (a, b, c);`,
  ).join("");
  const cases: [Uint8Array, FileContent][] = [
    [new Uint8Array(0), { kind: "empty" }],
    [
      await sqlBytes(folder, "CREATE TABLE a (x); DROP TABLE a"),
      { kind: "empty" },
    ],
    // A program has begun to use it: these are never set in a database of Deno KV.
    [await sqlBytes(folder, "PRAGMA user_version = 1"), {
      kind: "foreign",
      tables: [],
    }],
    [await sqlBytes(folder, "PRAGMA application_id = 7"), {
      kind: "foreign",
      tables: [],
    }],
    [
      await sqlBytes(folder, "CREATE VIEW kv AS SELECT 1 AS k, 2 AS v"),
      { kind: "foreign", tables: ["kv"] },
    ],
    [
      await sqlBytes(folder, "CREATE TABLE a (x); CREATE TABLE b (y)"),
      { kind: "foreign", tables: ["a", "b"] },
    ],
    [
      await sqlBytes(folder, "CREATE TABLE kv (k, v)"),
      { kind: "foreign", tables: ["kv"] },
    ],
    [new TextEncoder().encode("# a source file\nkey value\n"), {
      kind: "unknown",
    }],
    [new Uint8Array(40960), { kind: "unknown" }],
  ];
  for (const [bytes, expected] of cases) assertEquals(judge(bytes), expected);
  const large = judge(await sqlBytes(folder, `BEGIN; ${many} COMMIT`));
  assert(large.kind === "foreign" && large.tables.includes("t7"));
});

Deno.test("contentOf() sees what is cut off, or lost where Deno KV would end the program", async () => {
  await using folder = await Folder.make();
  const whole = await kvBytes(folder, 5000);
  for (const length of [50, 4096, 5000, 100_000, whole.length - 4096]) {
    const seen = judge(whole.subarray(0, length));
    assert(seen.kind === "damaged", `${length}`);
    assertMatch(seen.flaw, /cut off/);
  }
  // The pages of the schema, and those that its thread reads by itself.
  for (const page of [1, 2, 3, 5, 6, 7, 8, 9]) {
    for (const filler of [0, 0xff]) {
      const bytes = whole.slice();
      const start = page === 1 ? 100 : 0;
      bytes.fill(filler, (page - 1) * 4096 + start, page * 4096);
      assertEquals(judge(bytes).kind, "damaged", `${page} ${filler}`);
    }
  }
});

Deno.test("contentOf() ends for any bytes", async () => {
  const random = Random.seeded("sqlite bytes");
  await using folder = await Folder.make();
  const whole = await kvBytes(folder, 300);
  const kinds = new Set<string>();
  for (let round = 0; round < 3000; round++) {
    const bytes = whole.slice(0, random.integer(0, whole.length));
    for (let flips = random.integer(0, 200); flips > 0; flips--) {
      const at = random.integer(round % 2 === 0 ? 100 : 0, whole.length - 1);
      if (at < bytes.length) bytes[at] ^= 1 << random.integer(0, 7);
    }
    const log = round % 3 === 0
      ? whole.slice(0, random.integer(0, 20_000))
      : undefined;
    kinds.add(judge(bytes, log).kind);
  }
  assert(kinds.has("damaged") && kinds.has("unknown"), `${[...kinds]}`);
});
