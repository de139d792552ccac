import { ConfigError, openTable, ReadOnlyError } from "../../mod.ts";
import type { Table } from "../../mod.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { Folder } from "../support/folder.ts";
import { atOnce, runCli, runPostmap } from "../support/processes.ts";

const quiet = { utf8: true, onWarning: () => {} };

async function keys(table: Table): Promise<string[]> {
  return await Array.fromAsync(table, ({ key }) => key);
}

Deno.test("inline: looks up and lists", async () => {
  await using table = await openTable(
    'inline:{ A=1, { b = two words }, { "c d"=3 }, a=4 }',
    quiet,
  );
  assertEquals(await table.lookup("a"), "4");
  assertEquals(await table.lookup("B"), "two words");
  assertEquals(await table.lookup('"C d"'), "3");
  assertEquals(await table.lookup("c"), undefined);
  assertEquals(await keys(table), [
    "a",
    "b",
    '"c d"',
  ]);
  await assertRejects(
    () => openTable("inline:{a=1}", { ...quiet, write: true }),
    ReadOnlyError,
  );
});

Deno.test("static: has every key, and cannot be listed", async () => {
  await using table = await openTable("static:{ a b }", {
    ...quiet,
    write: true,
  });
  assertEquals(await table.lookup("x"), "a b");
  await using plain = await openTable("static:a:b", quiet);
  assertEquals(await plain.lookup("x"), "a:b");
  await using bytes = await openTable("static:{ ä }", {
    ...quiet,
    utf8: false,
  });
  assertEquals(await bytes.lookup("x"), "\xc3\xa4");
});

const source = [
  "# comment",
  "Alice  one",
  "bob two words",
  "  continued",
  '"quoted key" three',
  "missing-value",
  '"unbalanced four',
  "alice again",
  "root: me",
  "Käse Brot",
].join("\n");

Deno.test("texthash: reads postmap's source, and keeps the first of two", async () => {
  await using folder = await Folder.make();
  const file = await folder.write("source", source);
  const warnings: string[] = [];
  const onWarning = (line: string) => warnings.push(line);
  await using table = await openTable(`texthash:${file}`, {
    utf8: true,
    onWarning,
  });
  assertEquals(await table.lookup("ALICE"), "one");
  assertEquals(await table.lookup("bob"), "two words  continued");
  assertEquals(await table.lookup('"quoted key"'), "three");
  assertEquals(await table.lookup("KÄSE"), "Brot");
  assertEquals(await table.lookup("missing-value"), undefined);
  assertEquals(
    warnings.map((line) => line.replace(/^.*, (line \d+):.*/, "$1")),
    [
      "line 6",
      "line 7",
      "line 8",
      "line 9",
    ],
  );
  await using replaced = await openTable(`texthash:${file}`, {
    ...quiet,
    duplicates: "replace",
  });
  assertEquals(await replaced.lookup("alice"), "again");
});

Deno.test("texthash: leaves out lines that are not UTF-8, unless UTF-8 is off", async () => {
  await using folder = await Folder.make();
  const file = await folder.write(
    "source",
    Uint8Array.from(
      "a 1\nb\xff 2\nc 3\n",
      (character) => character.charCodeAt(0),
    ),
  );
  const warnings: string[] = [];
  await using table = await openTable(`texthash:${file}`, {
    utf8: true,
    onWarning: (line) => warnings.push(line),
  });
  assertEquals(warnings, [
    `${file}, line 2: it is not UTF-8: ignoring this line`,
  ]);
  assertEquals(await keys(table), ["a", "c"]);
  await using bytes = await openTable(`texthash:${file}`, {
    ...quiet,
    utf8: false,
  });
  assertEquals(await bytes.lookup("b\xff"), "2");
});

Deno.test("table types answer as postmap's do", async () => {
  await using folder = await Folder.make();
  await folder.mailConfiguration();
  const file = await folder.write("source", source);
  const nulls = await folder.write(
    "nulls",
    "a b\0c\n d\nb one\n\0x y\nbob\0 h\n# \0\nalice\ttwo \0\nk\u00e4se \0z\n",
  );
  const tables = [
    'inline:{ A=1, { b = two words }, { "c d"=3 }, a=4, =5 }',
    'inline:{ "c d"=3 }',
    "inline:{a=1,b}",
    "inline:{}",
    "inline:{a = b}",
    "inline:{ KÄSE = Brot, ä = Öl }",
    "static:Öl",
    "inline:a=b",
    "inline:{{a}=b}",
    "static:x",
    "static:{ x y }",
    "static:{x",
    "static:",
    "fail:x",
    `texthash:${file}`,
    `texthash:${nulls}`,
    `texthash:${file}.missing`,
    "nosuch:x",
    "inline",
  ];
  const keys = [
    "a",
    "A",
    "b",
    "c d",
    '"c d"',
    "alice",
    "BOB",
    '"quoted key"',
    "root:",
    "käse",
    "KÄSE",
    "",
  ];
  const cases = tables.flatMap((table) =>
    [[], ["-f"], ["-u"], ["-r"], ["-w"]].map((options) => ({ table, options }))
  );
  await atOnce(8, cases, async ({ table, options }) => {
    const args = ["-c", folder.path, ...options, "-q", "-", table];
    const stdin = keys.join("\n") + "\n";
    const expected = await runPostmap(args, { stdin });
    const actual = await runCli(args, { stdin });
    assertEquals(
      [actual.code, actual.stdout],
      [expected.code, expected.stdout],
      `${options} ${table}`,
    );
  });
});

Deno.test("inline: and static: have bytes that are not UTF-8 where UTF-8 is off", async () => {
  const off = { ...quiet, utf8: false };
  await using inline = await openTable("inline:{k\udce9=v\udce8, é=x}", off);
  assertEquals(await inline.lookup("K\xe9"), "v\xe8");
  assertEquals(await inline.lookup("\xc3\xa9"), "x");
  await using fixed = await openTable("static:v\udce9", off);
  assertEquals(await fixed.lookup("k"), "v\xe9");
  await assertRejects(
    () => openTable("inline:{k=v\udce9}", quiet),
    ConfigError,
    "it is not UTF-8",
  );
  await using text = await openTable("static:v\udce9", quiet);
  await assertRejects(
    () => text.lookup("k"),
    ConfigError,
    'the value of key "k" is not UTF-8',
  );
  await assertRejects(
    () => openTable("kv:/nonexistent/\udce9", quiet),
    ConfigError,
    "must have a name in UTF-8",
  );
});

Deno.test("a file whose name is not UTF-8 is named as the reason on Deno", async () => {
  for (const name of ["texthash:/a\udce9", "memcache:/a\udce9"]) {
    await assertRejects(
      () => openTable(name, quiet),
      ConfigError,
      "Deno can only",
    );
    const readFile = () => Promise.resolve(new Uint8Array());
    await assertRejects(
      () => openTable(name, { ...quiet, readFile }),
      ConfigError,
      "readFile",
    );
  }
});

Deno.test("texthash: warns of a byte order mark, and keeps it in the key", async () => {
  await using folder = await Folder.make();
  const file = await folder.write("source", "\ufeffalice one\nbob two\n");
  for (
    const [utf8, key] of [[true, "\ufeffalice"], [
      false,
      "\xef\xbb\xbfalice",
    ]] as const
  ) {
    const warnings: string[] = [];
    await using table = await openTable(`texthash:${file}`, {
      utf8,
      onWarning: (line) => warnings.push(line),
    });
    assertEquals(await table.lookup("alice"), undefined);
    assertEquals(await table.lookup(key), "one");
    assertEquals(warnings.length, 1);
    assert(
      warnings[0].startsWith(`${file}, line 1: an invisible byte order mark`),
    );
  }
});
