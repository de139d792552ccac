import { ConfigError, openTable, ReadOnlyError } from "../../mod.ts";
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "../support/assert.ts";
import { Folder } from "../support/folder.ts";
import { entryLines } from "../support/entry_lines.ts";
import { Memcached } from "../support/memcached.ts";
import { run, runCli, runPostmap } from "../support/processes.ts";

const quiet = { utf8: true, onWarning: () => {} };
const source = 'alice one\nbob two words\n"c d" three\nkäse Brot\n-q dash\n';

async function made(
  folder: Folder,
  type: string,
  text = source,
): Promise<string> {
  const file = await folder.write(`${type}-source`, text);
  const { code } = await runPostmap([
    "-c",
    await folder.mailConfiguration(),
    `${type}:${file}`,
  ]);
  assertEquals(code, 0);
  return `${type}:${file}`;
}

Deno.test("tables of the installed Postfix are looked up, written and listed", async () => {
  await using folder = await Folder.make();
  for (const type of ["hash", "btree"]) {
    const name = await made(folder, type);
    const options = { ...quiet, configDirectory: folder.path };
    await using table = await openTable(name, { ...options, write: true });
    const found: [string, string | undefined][] = [
      ["ALICE", "one"],
      ["bob", "two words"],
      ['"C d"', "three"],
      ["KÄSE", "Brot"],
      ["-q", "dash"],
      ["-", undefined],
      ["--help", undefined],
      ["", undefined],
      ["a\nb", undefined],
      ["alice\n", undefined],
      ["alice\0", undefined],
      ["nobody", undefined],
    ];
    for (const [key, value] of found) {
      assertEquals(await table.lookup(key), value, JSON.stringify(key));
    }
    await using plain = await openTable(name, { ...options, fold: false });
    assertEquals(await plain.lookup("ALICE"), undefined);
    assertEquals(await table.update("New", "entry"), true);
    assertEquals(await table.update("new", "other"), true);
    assertEquals(await table.update("-r", "option"), true);
    assertEquals(await table.lookup("NEW"), "other");
    assertEquals(await table.delete("new"), true);
    assertEquals(await table.delete("new"), false);
    assertEquals(await table.delete("-r"), true);
    const { stdout } = await runPostmap(["-s", name]);
    const listed = await entryLines(table);
    assertEquals(
      listed,
      new TextDecoder().decode(bytes(stdout)).trimEnd().split("\n"),
    );
    assertEquals(listed.length, 5);
  }
});

function bytes(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

Deno.test("tables of the installed Postfix keep what exists, when told so", async () => {
  await using folder = await Folder.make();
  const name = await made(folder, "btree");
  for (const [duplicates, count] of [["ignore", 0], ["warn", 1]] as const) {
    const warnings: string[] = [];
    await using table = await openTable(name, {
      utf8: true,
      write: true,
      duplicates,
      onWarning: (line) => warnings.push(line),
    });
    await table.update("alice", "again");
    assertEquals(await table.lookup("alice"), "one");
    assertEquals(warnings.length, count);
  }
});

Deno.test("tables of the installed Postfix are loaded in batches", async () => {
  await using folder = await Folder.make();
  const name = await made(folder, "btree");
  const lines = Array.from(
    { length: 2000 },
    (_, number) => `Key${number} value ${number}\n`,
  );
  const { code, stderr } = await runCli(["-i", name], {
    stdin: `${lines.join("")}ALICE two\n#x y\n`,
  });
  assertEquals(code, 0);
  assert(
    /^memcache-table: warning: .*"ALICE" exists.*\n$/.test(stderr),
    stderr,
  );
  await using table = await openTable(name, quiet);
  assertEquals((await entryLines(table)).length, 2005);
  assertEquals(await table.lookup("key1999"), "value 1999");
  assertEquals(await table.lookup("alice"), "one");
});

Deno.test("tables of the installed Postfix refuse what postmap cannot be given", async () => {
  await using folder = await Folder.make();
  const name = await made(folder, "btree");
  const warnings: string[] = [];
  await using table = await openTable(name, {
    utf8: true,
    write: true,
    onWarning: (line) => warnings.push(line),
  });
  const refused: [string, string][] = [
    ["a b", "v"],
    ["a\nb", "v"],
    ["#a", "v"],
    [" a", "v"],
    ["", "v"],
    ["a", ""],
    ["a", " v"],
    ["a", "v\nb w"],
    ['a"', "v"],
  ];
  for (const [key, value] of refused) {
    assertEquals(await table.update(key, value), false, `${key} ${value}`);
  }
  assertEquals(warnings.length, refused.length);
  assertEquals((await entryLines(table)).length, 5);
});

Deno.test("pattern tables of the installed Postfix see keys as they are", async () => {
  await using folder = await Folder.make();
  const patterns = await folder.write(
    "patterns",
    "/^(a.*)$/ found $1\n/^x\\ny$/ lines\n",
  );
  await using table = await openTable(`regexp:${patterns}`, quiet);
  assertEquals(await table.lookup("Abc"), "found Abc");
  assertEquals(await table.lookup("b"), undefined);
  await assertRejects(() => entryLines(table), ConfigError, "cannot be listed");
  await assertRejects(
    () => openTable(`regexp:${patterns}`, { ...quiet, write: true }),
    ReadOnlyError,
    "is read-only",
  );
});

Deno.test("memcache table has a Postfix database as backup and in its domain list", async () => {
  await using memcached = await Memcached.tcp();
  await using folder = await Folder.make();
  const backup = await made(folder, "btree", "alice@example.com one\n");
  const domains = await made(folder, "hash", "example.com x\n");
  await using table = await openTable(
    `memcache:{memcache=${memcached.server} key_format=b:%s backup=${backup} domain=${domains}}`,
    { ...quiet, write: true },
  );
  assertEquals(await table.lookup("Alice@Example.com"), "one");
  assertEquals(await memcached.get("b:alice@example.com"), "one");
  assertEquals(await table.lookup("alice@example.org"), undefined);
  assertEquals(await table.update("bob@example.com", "two"), true);
  assertEquals(
    (await runPostmap(["-q", "bob@example.com", backup])).stdout,
    "two\n",
  );
  assertEquals(await table.delete("alice@example.com"), true);
  assertEquals((await runPostmap(["-q", "alice@example.com", backup])).code, 1);
  assertEquals(await entryLines(table), ["bob@example.com\ttwo"]);
});

Deno.test("tables of the installed Postfix are created when they are first written", async () => {
  await using folder = await Folder.make();
  const name = `btree:${folder.path}/new`;
  await using table = await openTable(name, { ...quiet, write: true });
  assertEquals(await table.update("k", "v"), true);
  assertEquals((await runPostmap(["-s", name])).stdout, "k\tv\n");
});

Deno.test("tables of the installed Postfix say what is wrong", async () => {
  await using folder = await Folder.make();
  await assertRejects(
    () => openTable(`btree:${folder.path}/none`, quiet),
    ConfigError,
    "No such file",
  );
  await assertRejects(
    () => openTable("-q:x", quiet),
    ConfigError,
    'unknown table type "-q"',
  );
  const name = await made(folder, "btree");
  const denied = await runCli(["-q", "alice", name], {
    permissions: ["--allow-read"],
  });
  assertEquals(denied.code, 1);
  assertStringIncludes(denied.stderr, "--allow-run=postmap");
  const allowed = await runCli(["-q", "alice", name], {
    permissions: ["--allow-read", "--allow-run=postmap"],
  });
  assertEquals(allowed.stdout, "one\n");
  const absent = await run(
    "env",
    [
      "PATH=/nonexistent",
      Deno.execPath(),
      "run",
      "-A",
      "cli.ts",
      "-q",
      "alice",
      name,
    ],
  );
  assertEquals(absent.code, 1);
  assertStringIncludes(absent.stderr, "postmap is not installed");
});

Deno.test("a long listing of a Postfix table can be left in the middle", async () => {
  await using folder = await Folder.make();
  const lines = Array.from(
    { length: 50_000 },
    (_, number) => `key${number} value${number}\n`,
  );
  const name = await made(folder, "btree", lines.join(""));
  await using table = await openTable(name, quiet);
  let seen = 0;
  for await (const { value } of table) {
    assert(value.startsWith("value"));
    if (++seen === 10) break;
  }
  assertEquals((await entryLines(table)).length, 50_000);
  assert(await table.first() !== undefined);
});

Deno.test("command line answers of a Postfix table as postmap does", async () => {
  await using folder = await Folder.make();
  const name = await made(folder, "btree");
  const config = ["-c", folder.path];
  const cases: [string[], string][] = [
    [["-q", "ALICE"], ""],
    [["-fq", "ALICE"], ""],
    [["-q", "-"], "bob\nnobody\nKÄSE\n-q\n"],
    [["-s"], ""],
    [["-d", "-"], "alice\nnobody\n"],
    [["-d", "ALICE"], ""],
    [["-d", "nobody"], ""],
  ];
  for (const [args, stdin] of cases) {
    const outcomes = [];
    for (const execute of [runPostmap, runCli]) {
      await made(folder, "btree");
      const { code, stdout } = await execute([...config, ...args, name], {
        stdin,
      });
      outcomes.push({
        code,
        stdout,
        left: (await runPostmap(["-s", name])).stdout,
      });
    }
    assertEquals(outcomes[1], outcomes[0], args.join(" "));
  }
});
