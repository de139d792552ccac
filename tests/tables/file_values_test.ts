import {
  ConfigError,
  MemcacheTable,
  type OpenOptions,
  openTable,
} from "../../mod.ts";
import { assertEquals, assertRejects } from "../support/assert.ts";
import { entryLines } from "../support/entry_lines.ts";
import { Folder } from "../support/folder.ts";
import { Memcached } from "../support/memcached.ts";

const encoder = new TextEncoder();

/** Options that need no file on a disk. */
function options(
  files: Record<string, string | Uint8Array>,
  more: OpenOptions = {},
): OpenOptions {
  return {
    utf8: true,
    fileValues: true,
    onWarning: () => {},
    readFile: (path) => {
      const content = files[path];
      return content === undefined
        ? Promise.reject(new Error("no such file"))
        : Promise.resolve(
          typeof content === "string" ? encoder.encode(content) : content,
        );
    },
    ...more,
  };
}

const files = {
  "/one": "eins\n",
  "/two": "zwei\0ä",
  "/bytes": Uint8Array.of(0, 255, 10),
  "/source": "a /one\nb /one,\t/two\nc /missing\nd ,\ne /two\n",
};

Deno.test("fileValues: values of a source name files", async () => {
  await using inline = await openTable(
    "inline:{a=/one, {b = /one, /two}}",
    options(files),
  );
  assertEquals(await inline.lookup("A"), "eins\n");
  assertEquals(await inline.lookup("b"), "eins\n\nzwei\0ä");
  assertEquals(await inline.lookup("c"), undefined);
  await using fixed = await openTable("static:/two", options(files));
  assertEquals(await fixed.lookup("x"), "zwei\0ä");

  const warnings: string[] = [];
  await using texthash = await openTable(
    "texthash:/source",
    options(files, { onWarning: (line) => warnings.push(line) }),
  );
  assertEquals(await entryLines(texthash), [
    "a\teins\n",
    "b\teins\n\nzwei\0ä",
    "e\tzwei\0ä",
  ]);
  assertEquals(warnings, [
    "/source, line 3: /missing: cannot be read: no such file: ignoring this line",
    "/source, line 4: no file is named: ignoring this line",
  ]);
});

Deno.test("fileValues: a file that is not there is named, and so is the table", async () => {
  for (const name of ["static:/missing", "inline:{a=/one,b=/missing}"]) {
    await assertRejects(
      () => openTable(name, options(files)),
      ConfigError,
      `${name}: /missing: cannot be read: no such file; its values are names`,
    );
  }
  await assertRejects(
    () => openTable("static:,", options(files)),
    ConfigError,
    "no file is named",
  );
});

Deno.test("fileValues: content is text, or any bytes when UTF-8 is off", async () => {
  await using text = await openTable("static:/bytes", options(files));
  await assertRejects(() => text.lookup("a"), ConfigError, "not UTF-8");
  await using bytes = await openTable(
    "static:/bytes",
    options(files, { utf8: false }),
  );
  assertEquals(await bytes.lookup("a"), "\0\xff\n");
});

Deno.test("fileValues: content goes into kv: and comes out again", async () => {
  await using folder = await Folder.make();
  const name = `kv:${folder.path}/kv`;
  {
    await using table = await openTable(name, options({}, { write: true }));
    assertEquals([table.name, table.writable], [name, true]);
    assertEquals(await table.update("Käse", "a\0ü\n"), true);
    assertEquals(await table.update("empty", ""), true);
    const entries = [{ key: "b", value: "1" }, { key: "C", value: "2\n" }];
    assertEquals(
      await Array.fromAsync(table.updateMany(entries)),
      [{ key: "b", stored: true }, { key: "C", stored: true }],
    );
    assertEquals(await table.lookup("KÄSE"), "a\0ü\n");
    assertEquals(await table.lookup("empty"), "");
    assertEquals(await table.delete("B"), true);
    assertEquals(await table.lookup("b"), undefined);
    await assertRejects(() => table.update("x", "\ud800"), TypeError);
    // @ts-expect-error a value must be a string
    await assertRejects(() => table.update("x", 1), TypeError);
    // @ts-expect-error a key must be a string
    await assertRejects(() => table.lookup(1), TypeError);
  }
  await using stored = await openTable(name, { utf8: true, write: true });
  assertEquals(await entryLines(stored), [
    "c\tMgo=",
    "empty\t",
    "käse\tYQDDvAo=",
  ]);

  await stored.update("a first", "no base64");
  await stored.update("d", "no base64");
  const warnings: string[] = [];
  await using table = await openTable(
    name,
    options({}, { onWarning: (line) => warnings.push(line) }),
  );
  assertEquals(await entryLines(table), ["c\t2\n", "empty\t", "käse\ta\0ü\n"]);
  assertEquals(warnings.map((line) => /key "(.*?)"/.exec(line)?.[1]), [
    "a first",
    "d",
  ]);
  assertEquals(await table.first(), { key: "c", value: "2\n" });
  assertEquals(await table.next(), { key: "empty", value: "" });
  assertEquals((await table.next())?.key, "käse");
  assertEquals(await table.next(), undefined);
  await assertRejects(() => table.lookup("d"), ConfigError, "is not base64");
});

Deno.test("fileValues: a memcache table fills its cache with base64, however it is made", async () => {
  await using memcached = await Memcached.tcp();
  const { server } = memcached;
  const opened = await openTable(
    `memcache:{ memcache=${server}, key_format=o:%s, backup=static:/two }`,
    options(files),
  );
  const made = new MemcacheTable(
    { memcache: server, key_format: "m:%s", backup: "static:/two" },
    { ...options(files), openTable },
  );
  for (const [table, prefix] of [[opened, "o"], [made, "m"]] as const) {
    await using _ = table;
    assertEquals(await table.lookup("a"), "zwei\0ä");
    await memcached.until(`${prefix}:a`, "endlaQDDpA==");
    assertEquals(await table.lookup("a"), "zwei\0ä");
  }
  await using writable = new MemcacheTable(
    { memcache: server, key_format: "w:%s" },
    options({}, { write: true }),
  );
  assertEquals(await writable.update("k", "ä"), true);
  assertEquals(await memcached.get("w:k"), "w6Q=");
  assertEquals(await writable.lookup("k"), "ä");
});
