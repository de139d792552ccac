import { ConfigError } from "../../mod.ts";
import {
  openServedTable,
  type ServedTableOptions,
} from "../../lib/socketmap/served_table.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { Folder } from "../support/folder.ts";
import { Memcached } from "../support/memcached.ts";
import { run } from "../support/processes.ts";

/** A table, what it said, and a clock that a test moves. */
async function serve(name: string, options: ServedTableOptions = {}) {
  const said: string[] = [];
  const clock = new FakeClock();
  const table = await openServedTable(name, {
    utf8: true,
    onWarning: (line) => said.push(line),
    onReload: (line) => said.push(line),
    clock,
    ...options,
  });
  return { table, said, clock };
}

Deno.test("openServedTable() follows every file that a table is made of", async () => {
  await using folder = await Folder.make();
  await using memcached = await Memcached.tcp();
  for (const key of ["a", "b"]) {
    await memcached.set(`${key}:k@x.example`, `of ${key}`);
  }
  const { path } = folder;
  const server = `memcache = ${memcached.server}\n`;
  await folder.write("domains", "x.example");
  await folder.write("domain-table", "x.example y");
  await folder.write("content", "one");
  const own = (more: string) => `${server}key_format = a:%s\n${more}\n`;
  const of = (file: string) =>
    `memcache:{memcache=${memcached.server}, key_format=a:%s, domain=${file}}`;
  await folder.write("listed.cf", own(`domain = ${path}/domains`));
  const table: {
    name: string;
    files: [string, string][];
    after: string | undefined;
    options?: ServedTableOptions;
    before?: string;
  }[] = [{
    name: `texthash:${path}/source`,
    before: "k@x.example first",
    files: [["source", "k@x.example second"]],
    after: "second",
  }, {
    name: `memcache:${path}/t.cf`,
    before: own(""),
    files: [["t.cf", `${server}key_format = b:%s\n`]],
    after: "of b",
  }, {
    name: "memcache:named",
    before: `named_memcache = ${memcached.server}\nnamed_key_format = a:%s\n`,
    files: [[
      "main.cf",
      `named_memcache = ${memcached.server}\nf = b:%s
named_key_format = $f\n`,
    ]],
    after: "of b",
  }, {
    name: of(`${path}/domains`),
    files: [["domains", "y.example"]],
    after: undefined,
  }, {
    name: `memcache:${path}/listed.cf`,
    files: [["domains", "y.example"]],
    after: undefined,
  }, {
    name: of(`texthash:${path}/domain-table`),
    files: [["domain-table", "y.example y"]],
    after: undefined,
  }, {
    name: `inline:{k@x.example=${path}/content}`,
    options: { fileValues: true },
    files: [["content", "two"]],
    after: "two",
  }];
  for (const { name, before, files, after, options } of table) {
    await folder.write("domains", "x.example");
    if (before !== undefined) await folder.write(files[0][0], before);
    const { table, said, clock } = await serve(name, {
      configDirectory: path,
      ...options,
    });
    await using _ = table;
    const first = await table.lookup("K@x.example");
    assert(first !== undefined && first !== after, `${name}: ${first}`);
    for (const [file, content] of files) await folder.write(file, content);
    // At most one look a second.
    clock.pass(999);
    assertEquals(await table.lookup("K@x.example"), first, name);
    clock.pass(1);
    // All that come at once see the change.
    const answers = await Promise.all(
      Array.from({ length: 3 }, () => table.lookup("K@x.example")),
    );
    assertEquals(answers, [after, after, after], name);
    assertEquals(said, [`${name} has changed, and was opened again`]);
    clock.pass(5_000);
    assertEquals(await table.lookup("K@x.example"), after);
    assertEquals(said.length, 1);
  }
});

Deno.test("openServedTable() keeps what it had while it cannot be opened", async () => {
  await using folder = await Folder.make();
  const { path } = folder;
  const file = "t.cf";
  const good = (value: string) =>
    `memcache = unix:${path}/none\nbackup = inline:{k=${value}}\n`;
  await folder.write(file, good("one"));
  const name = `memcache:${path}/${file}`;
  const { table, said, clock } = await serve(name);
  await using _ = table;
  const changes: [string | undefined, string, string | undefined][] = [
    ["no parameter\n", "one", "line 1"],
    ["memcache = what\n", "one", "need inet:HOST:PORT"],
    [undefined, "one", "there is no such file"],
    [good("two"), "two", undefined],
    ["no parameter\n", "two", "line 1"],
    [good("three"), "three", undefined],
  ];
  assertEquals(await table.lookup("k"), "one");
  for (const [content, value, reason] of changes) {
    said.length = 0;
    if (content === undefined) await Deno.remove(`${path}/${file}`);
    else await folder.write(file, content);
    for (let second = 0; second < 100; second++) {
      clock.pass(1000);
      assertEquals(await table.lookup("k"), value);
    }
    const lines = said.filter((line) => !line.includes("cannot connect"));
    assertEquals(lines.length, 1, said.join("\n"));
    const expected = reason === undefined
      ? `${name} has changed, and was opened again`
      : `${name} has changed, and cannot be opened again: `;
    assert(lines[0].startsWith(expected), lines[0]);
    if (reason !== undefined) assert(lines[0].includes(reason), lines[0]);
  }
});

Deno.test("openServedTable() tries again by itself when what is missing is no file of its own", async () => {
  await using folder = await Folder.make();
  const { path } = folder;
  const write = (backup: string) =>
    folder.write("t.cf", `memcache = unix:${path}/none\nbackup = ${backup}\n`);
  await write("inline:{k=one}");
  const { table, said, clock } = await serve(`memcache:${path}/t.cf`);
  await using _ = table;
  await write(`hash:${path}/db`);
  clock.pass(1000);
  assertEquals(await table.lookup("k"), "one");
  await run("postmap", [`hash:${await folder.write("db", "k two\n")}`]);
  clock.pass(30_000);
  // Nobody waits for it.
  assertEquals(await table.lookup("k"), "one");
  while (await table.lookup("k") !== "two") {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  const changes = said.filter((line) => line.includes("has changed"));
  assertEquals(changes.length, 2, said.join("\n"));
});

Deno.test("openServedTable() answers what is under way by the old table, and closes it then", async () => {
  await using folder = await Folder.make();
  await using old = await Memcached.tcp();
  await using next = await Memcached.tcp();
  await old.set("k", "old");
  await next.set("k", "new");
  const connections = async (memcached: Memcached) => {
    const stats = await memcached.talk("stats\r\n", "END\r\n");
    return Number(/curr_connections (\d+)/.exec(stats)![1]);
  };
  const unused = await connections(old);
  const write = ({ server }: Memcached) =>
    folder.write("t.cf", `memcache = ${server}\n`);
  const { table, said, clock } = await serve(`memcache:${await write(old)}`);
  await using _ = table;
  assertEquals(await table.lookup("k"), "old");
  assertEquals(await connections(old), unused + 1);
  await old.signal("SIGSTOP");
  const slow = table.lookup("k");
  await write(next);
  clock.pass(1000);
  assertEquals(await table.lookup("k"), "new");
  await old.signal("SIGCONT");
  assertEquals(await slow, "old");
  while (await connections(old) > unused);
  assertEquals(said.length, 1, said.join("\n"));
});

Deno.test("openServedTable() answers by the old table while opening takes long", async () => {
  const gate = Promise.withResolvers<void>();
  await using folder = await Folder.make();
  const path = await folder.write("source", "k old\n");
  let reads = 0;
  const { table, clock } = await serve(`texthash:${path}`, {
    readFile: async (path) => {
      if (reads++ > 0) await gate.promise;
      return await Deno.readFile(path);
    },
  });
  await using _ = table;
  await folder.write("source", "k new\n");
  clock.pass(1000);
  const waiting = table.lookup("k");
  clock.pass(1000);
  assertEquals(await waiting, "old");
  assertEquals(await table.lookup("k"), "old");
  const reloaded = table.reload();
  gate.resolve();
  assertEquals(await reloaded, true);
  assertEquals(await table.lookup("k"), "new");
  assertEquals(reads, 2);
});

Deno.test("ServedTable.reload() opens a table again that has not changed", async () => {
  await using folder = await Folder.make();
  const path = await folder.write("source", "k v\n");
  const { table, said } = await serve(`texthash:${path}`);
  await using _ = table;
  assertEquals(await Promise.all([table.reload(), table.reload()]), [
    true,
    true,
  ]);
  assertEquals(said.length, 1);
  await Deno.remove(path);
  assertEquals(await table.reload(), false);
  assertEquals(await table.lookup("k"), "v");
  await table.close();
  await assertRejects(() => table.lookup("k"), Error, "the table is closed");
});

Deno.test("openServedTable() throws what is wrong at first", async () => {
  await assertRejects(
    () => openServedTable("texthash:/nonexistent"),
    ConfigError,
    "there is no such file",
  );
});
