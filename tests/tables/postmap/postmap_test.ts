import {
  ClosedError,
  ConfigError,
  openTable,
  ReadOnlyError,
  type Table,
  TemporaryError,
} from "../../../mod.ts";
import { byteText, utf8Text } from "../../../lib/bytes/text.ts";
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "../../support/assert.ts";
import { EndlessFile, hasEnded } from "../../support/endless_file.ts";
import { Folder } from "../../support/folder.ts";
import { entryLines } from "../../support/entry_lines.ts";
import { Memcached } from "../../support/memcached.ts";
import { latin1 } from "../../support/latin1.ts";
import {
  type ProgramResult,
  run,
  runCli,
  runPostmap,
} from "../../support/processes.ts";
import { Random } from "../../support/random.ts";

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

function lines(keys: readonly string[]): Uint8Array {
  return byteText.encode(keys.map((key) => `${key}\n`).join(""));
}

/** How the same is asked of our table and of postmap with another database. */
interface Pair {
  ours: Table;
  theirs: (action: string[], stdin?: Uint8Array) => Promise<ProgramResult>;
}

const randomKeys = [
  "a",
  "A",
  "b:",
  "x=y",
  "-q",
  "{c}",
  "$d",
  "%s",
  "a@B.c",
  '"e f"',
  '"E\tf"',
  "k\xc3\xa4se",
  "K\xc3\x84SE",
  "\xc3\x9f",
  "SS",
  "i\xcc\x87",
  "\xc4\xb0",
  "k".repeat(300),
  "nobody",
];

async function compare(
  random: Random,
  { ours, theirs }: Pair,
  utf8: boolean,
  duplicates: "warn" | "replace" | "ignore",
) {
  const text = (bytes: string) =>
    utf8 ? utf8Text.decode(byteText.encode(bytes))! : bytes;
  const key = random.pick(randomKeys);
  switch (random.pick(["lookup", "update", "update", "delete"])) {
    case "lookup": {
      const { code, stdout } = await theirs(["-q", "-"], lines([key]));
      const value = await ours.lookup(text(key));
      assertEquals(value !== undefined, code === 0);
      if (value !== undefined) {
        assertEquals(text(stdout), `${text(key)}\t${value}\n`);
      }
      return `lookup ${key}`;
    }
    case "update": {
      const value = `${random.integer(0, 999)} \xc3\xb6`;
      const options = { warn: [], replace: ["-r"], ignore: ["-w"] }[duplicates];
      const { stderr } = await theirs(
        [...options, "-i"],
        lines([`${key} ${value}`]),
      );
      const stored = await ours.update(text(key), text(value));
      // With -w postmap does not tell.
      if (duplicates !== "ignore") {
        assertEquals(stored, !stderr.includes("duplicate entry"));
      }
      return `update ${key}`;
    }
    default: {
      const { code } = await theirs(["-d", "-"], lines([key]));
      assertEquals(await ours.delete(text(key)), code === 0);
      return `delete ${key}`;
    }
  }
}

Deno.test("tables of the installed Postfix do what postmap does with them", async () => {
  const random = Random.seeded("postmap tables");
  await using folder = await Folder.make();
  const configDirectory = await folder.mailConfiguration();
  for (const type of ["btree", "hash", "lmdb"]) {
    for (
      const [utf8, fold, duplicates] of [
        [true, true, "replace"],
        [true, false, "warn"],
        [false, true, "ignore"],
      ] as const
    ) {
      const there = await made(folder, type);
      const name = `${type}:${folder.path}/${type}-${duplicates}`;
      await runPostmap(["-c", configDirectory, "-i", name], { stdin: source });
      const options = [
        "-c",
        configDirectory,
        ...(utf8 ? [] : ["-u"]),
        ...(fold ? [] : ["-f"]),
      ];
      await using ours = await openTable(name, {
        utf8,
        fold,
        duplicates,
        configDirectory,
        write: true,
        onWarning: () => {},
      });
      const pair: Pair = {
        ours,
        theirs: (action, stdin) =>
          runPostmap([...options, ...action, there], { stdin }),
      };
      const done: string[] = [];
      for (let number = 0; number < 25; number++) {
        done.push(await compare(random, pair, utf8, duplicates));
      }
      const { stdout } = await pair.theirs(["-s"]);
      const listed = (await entryLines(ours)).map((line) => `${line}\n`).join(
        "",
      );
      const encoded = (utf8 ? utf8Text : byteText).encode(listed);
      assertEquals(
        latin1(encoded).split("\n").toSorted(),
        stdout.split("\n").toSorted(),
        done.join(", "),
      );
      if (type !== "hash") assertEquals(latin1(encoded), stdout);
    }
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
    /^memcache-table: warning: .*"alice" exists.*\n$/.test(stderr),
    stderr,
  );
  await using table = await openTable(name, quiet);
  assertEquals((await entryLines(table)).length, 2005);
  assertEquals(await table.lookup("key1999"), "value 1999");
  assertEquals(await table.lookup("alice"), "one");
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
  await memcached.until("b:alice@example.com", "one");
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

Deno.test("-i and sync without entries make a database without entries, as postmap -i does", async () => {
  await using folder = await Folder.make();
  const sync = (args: string[], options: { stdin: string }) =>
    runCli(["sync", "--allow-empty", ...args.slice(1)], options);
  for (const type of ["hash", "btree", "lmdb"]) {
    for (const program of [runPostmap, runCli, sync]) {
      for (const stdin of ["", "# nothing\n"]) {
        const name =
          `${type}:${folder.path}/${type}${program.name}${stdin.length}`;
        const made = await program(["-i", name], { stdin });
        assertEquals([made.code, made.stderr], [0, ""]);
        const { code, stdout, stderr } = await runPostmap(["-s", name]);
        assertEquals([code, stdout, stderr], [0, "", ""], program.name);
      }
    }
  }
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

Deno.test("closing a Postfix table ends the lookups that are under way", async () => {
  for (const shares of [false, true]) {
    await using file = await EndlessFile.make();
    const table = await openTable(file.table, quiet);
    await file.begin();
    const keys = shares ? ["a", "b", "c", "d"] : ["a"];
    const ended = Promise.all(
      keys.map((key) => assertRejects(() => table.lookup(key), ClosedError)),
    );
    using pipe = await file.opened();
    await table.close();
    await ended;
    assert(await hasEnded(pipe));
  }
  await using file = await EndlessFile.make();
  const table = await openTable(file.table, quiet);
  await file.begin();
  const many = table.lookupMany(["a", "b"]);
  const ended = assertRejects(() => many.next(), ClosedError);
  using pipe = await file.opened();
  await table.close();
  await ended;
  assert(await hasEnded(pipe));
});

Deno.test("a postmap that is killed has not told that there is no such key", async () => {
  await using file = await EndlessFile.makeDatabase();
  await using table = await openTable(file.table, { ...quiet, write: true });
  await file.begin();
  const requests = [
    () => table.lookup("a"),
    () => table.delete("a"),
    () => Array.fromAsync(table.lookupMany(["a"])),
    () => Array.fromAsync(table),
  ] as (() => Promise<unknown>)[];
  for (const request of requests) {
    const failed = assertRejects(request, TemporaryError, "was killed");
    using _ = await file.opened();
    await file.kill();
    await failed;
  }
});

Deno.test("closing a Postfix table ends a listing that is under way", async () => {
  for (const isCursor of [false, true]) {
    await using file = await EndlessFile.makeDatabase();
    const table = await openTable(file.table, quiet);
    await file.begin();
    const ended = assertRejects(
      async () => isCursor ? await table.first() : await Array.fromAsync(table),
      ClosedError,
    );
    using pipe = await file.opened();
    await table.close();
    await ended;
    assert(await hasEnded(pipe));
  }
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
