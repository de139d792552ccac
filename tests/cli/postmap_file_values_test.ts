import { assertEquals, assertStringIncludes } from "../support/assert.ts";
import { Folder } from "../support/folder.ts";
import { Memcached } from "../support/memcached.ts";
import { Postfix } from "../support/postfix.ts";
import { latin1 } from "../support/latin1.ts";
import { atOnce, runCli, runPostmap } from "../support/processes.ts";

// -F through postmap and through the command line: the same output, byte for
// byte, and the same exit status.

const binary = Uint8Array.from({ length: 600 }, (_, at) => at % 255 + 1);

/** The files that values name. */
async function writeFiles(folder: Folder) {
  const encoder = new TextEncoder();
  return {
    text: await folder.write("text", "one\ntwo\n"),
    umlaut: await folder.write("ümlaut", encoder.encode("Käse, no line end")),
    empty: await folder.write("empty", ""),
    nulls: await folder.write("nulls", "before\0after\n"),
    null: await folder.write("null", "\0after\n"),
    bytes: await folder.write("bytes", binary),
    missing: `${folder.path}/missing`,
  };
}

interface Case {
  args: string[];
  stdin?: string;
}

/** Lines in one order: postmap lists what is in memory in an order of its own. */
function sortedLines(output: string): string {
  return output.split("\n").toSorted().join("\n");
}

async function compare(cases: readonly Case[]): Promise<void> {
  // postmap waits a second when something is fatal.
  await atOnce(24, cases, async ({ args, stdin = "" }) => {
    const inOrder = args.includes("-s") ? sortedLines : (text: string) => text;
    const expected = await runPostmap(args, { stdin });
    const actual = await runCli(args, { stdin });
    assertEquals(
      [actual.code, inOrder(actual.stdout)],
      [expected.code, inOrder(expected.stdout)],
      `${args.join(" ")}: ${actual.stderr}`,
    );
    // What postmap complains of, we do.
    assertEquals(
      actual.stderr === "",
      expected.stderr === "",
      `${args.join(" ")}: ${actual.stderr}${expected.stderr}`,
    );
  });
}

Deno.test("-F: tables with a source name files, as postmap's do", async () => {
  await using folder = await Folder.make();
  await folder.mailConfiguration();
  const { text, umlaut, empty, nulls, null: null_, bytes, missing } =
    await writeFiles(folder);
  const config = ["-c", folder.path, "-F"];
  const source = await folder.write(
    "source",
    [
      `Text ${text}`,
      `both ${text}, ${umlaut}`,
      `  ${nulls}`,
      `empty ${empty}`,
      `null ${null_}`,
      `bytes ${bytes}`,
      `missing ${missing}`,
      `mixed ${text} ${missing}`,
      `folder ${folder.path}`,
      "commas ,,",
      `text ${bytes}`,
      `käse ${umlaut}`,
      "",
    ].join("\n"),
  );
  const good = await folder.write(
    "good",
    `a ${text}\nb ${bytes}\nc ${empty}\n`,
  );
  for (const type of ["hash", "btree"]) {
    const { code } = await runPostmap([...config, `${type}:${good}`]);
    assertEquals(code, 0);
  }
  const patterns = await folder.write(
    "patterns",
    `/^a/ ${text}, ${umlaut}\n/^b/ ${bytes}\n`,
  );
  const keys =
    "text\nTEXT\nboth\nempty\nnull\nmissing\nmixed\nfolder\ncommas\n" +
    "käse\nKÄSE\na\nb\nc\nx\n";
  const tables = [
    `static:${text}`,
    `static:${bytes}`,
    `static:{${text} ${bytes}}`,
    `static:${umlaut}`,
    `static:${empty}`,
    `static:${null_}`,
    `static:${missing}`,
    `static:{${text}, ${missing}}`,
    `static:${folder.path}`,
    "static:,",
    `inline:{a=${text},{B = ${text}, ${nulls}},{ c = ${umlaut} }}`,
    `inline:{a=${text},b=${missing}}`,
    `inline:{a=${empty}}`,
    `texthash:${source}`,
    `texthash:${good}`,
    `hash:${good}`,
    `btree:${good}`,
    `regexp:${patterns}`,
    "fail:x",
  ];
  const cases = tables.flatMap((table): Case[] => [
    { args: [...config, "-q", "-", table], stdin: keys },
    { args: [...config, "-q", "a", table] },
    { args: [...config, "-s", table] },
  ]);
  cases.push(
    { args: [...config, "-q", "bytes", `texthash:${source}`] },
    { args: [...config, "-uq", "käse", `texthash:${source}`] },
    { args: [...config, "-fq", "KÄSE", `texthash:${source}`] },
    { args: [...config, "-d", "a", `static:${missing}`] },
    { args: [...config, "-q", "x", `inline:{a=${text}}`, `static:${bytes}`] },
    // What the lines of messages find is not decoded.
    { args: [...config, "-hq", "-", `static:${text}`], stdin: "A: 1\n\n" },
    { args: [...config, "-bq", "-", `hash:${good}`], stdin: "\na\nx\n" },
    { args: [...config, "-mq", "-", `hash:${good}`], stdin: "\na\nx\n" },
  );
  await compare(cases);
  const { stderr } = await runCli([...config, "-q", "a", `static:${missing}`]);
  assertStringIncludes(stderr, `${missing}: there is no such file`);
  assertStringIncludes(stderr, "names of files");
});

const stored = [
  "YQ==",
  "YWI=",
  "YWJj",
  "YQ",
  "YQ=",
  "Y===",
  "====",
  "YQ==YQ==",
  "YQ=x",
  "YWI=====",
  "YW\nI",
  "Y W=",
  "YW-_",
  "YW",
  "AGFi",
  "YQBi",
  "/+//",
  "w6Q=",
  "",
  "plain text",
  "YQ==éé",
  "YQ==é",
];

Deno.test("-F: what memcached has is decoded as postmap decodes it", async () => {
  await using folder = await Folder.make();
  await folder.mailConfiguration();
  await using memcached = await Memcached.tcp();
  const files = await writeFiles(folder);
  const prefixed = (prefix: string, more = "") =>
    `memcache:{ memcache=${memcached.server}, key_format=${prefix}:%s${more} }`;
  // postmap knows no parameters in braces.
  const table = await folder.write(
    "t.cf",
    `memcache = ${memcached.server}\nkey_format = t:%s\n`,
  );
  for (const [number, value] of stored.entries()) {
    await memcached.set(`t:${number}`, value);
  }
  await memcached.set("t:latin", Uint8Array.from([0x59, 0x51, 0x3d, 0xff]));
  await memcached.set("t:null", "YWJj\0YWJj");
  const config = ["-c", folder.path, "-F"];
  const withoutUtf8 = `${folder.path}/without`;
  await Deno.mkdir(withoutUtf8);
  await folder.write("without/main.cf", "smtputf8_enable = no\n");
  const name = `memcache:${table}`;
  const keys = [...stored.keys(), "latin", "null", "x"].map(String);
  await compare([
    ...keys.map((key): Case => ({ args: [...config, "-q", key, name] })),
    ...["0", "3", "6", "9", "12", "18", "19", "latin", "x"].map((
      key,
    ): Case => ({
      args: [...config, "-q", "-", name],
      stdin: `1\n${key}\n2\n`,
    })),
    { args: [...config, "-uq", "latin", name] },
    { args: ["-c", withoutUtf8, "-Fq", "latin", name] },
    { args: ["-c", withoutUtf8, "-Fq", "-", name], stdin: "latin\n" },
    { args: [...config, "-q", "käse", name] },
    { args: [...config, "-hq", "-", name], stdin: "x\n" },
  ]);

  // Tables of the source behind the cache: base64 is what it is filled with.
  const source = await folder.write(
    "source",
    `a ${files.text}\nb ${files.bytes}\nc ${files.missing}\n`,
  );
  const btree = await folder.write("btree", `a ${files.bytes}\n`);
  assertEquals((await runPostmap([...config, `btree:${btree}`])).code, 0);
  await runPostmap(["-i", `btree:${btree}`], { stdin: "plain x\nz YQ==\n" });
  const backups = [
    `static:${files.bytes}`,
    `static:${files.missing}`,
    `texthash:${source}`,
    `btree:${btree}`,
    `inline:{a=${files.text}}`,
    "fail:x",
  ];
  const cases: Case[] = [];
  for (const [number, backup] of backups.entries()) {
    const file = await folder.write(
      `b${number}.cf`,
      `memcache = ${memcached.server}\nkey_format = b${number}:%s\n` +
        // The values of a domain list are not files.
        (number % 2 === 0 ? "" : `domain = static:${files.missing}\n`) +
        `backup = ${backup}\n`,
    );
    const name = `memcache:${file}`;
    for (const key of ["a", "b", "plain", "a@x", "b@y"]) {
      cases.push({ args: [...config, "-q", key, name] });
    }
    cases.push({ args: [...config, "-s", name] });
  }
  await compare(cases);
  assertEquals(await memcached.get("b2:a"), btoa("one\ntwo\n"));
  assertEquals(await memcached.get("b0:a"), btoa(latin1(binary)));

  // What is stored by -i is what postmap finds, and postmap's the other way.
  const loaded = await runCli(["-F", "-i", name], {
    stdin: `i1 ${files.bytes}\ni2 ${files.text},${files.umlaut}\n` +
      `i3 ${files.missing}\nI4 ${files.empty}\ni5 ,\nkäse ${files.umlaut}\n`,
  });
  assertEquals(loaded.code, 1);
  assertEquals(
    loaded.stderr.match(/line \d+: .*?[:;]/g),
    [`line 3: ${files.missing}:`, "line 5: no file is named;"],
  );
  assertEquals(await memcached.get("t:i1"), btoa(latin1(binary)));
  await compare(
    ["i1", "i2", "i3", "i4", "i5", "käse"].map((key) => ({
      args: [...config, "-q", key, name],
    })),
  );
  // Beyond data_size_limit nothing is stored.
  const small = prefixed("s", ", data_size_limit=5");
  const refused = await runCli(["-F", "-i", small], {
    stdin: `a ${files.text}\n`,
  });
  assertEquals([refused.code, await memcached.get("s:a")], [1, undefined]);
});

Deno.test("-F: stores files in kv: and in tables of the installed Postfix", async () => {
  await using folder = await Folder.make();
  await folder.mailConfiguration();
  const files = await writeFiles(folder);
  const config = ["-c", folder.path, "-F"];
  const stdin = [
    `text ${files.text}`,
    `both ${files.text}, ${files.umlaut}`,
    `bytes ${files.bytes}`,
    `käse ${files.umlaut}`,
    `again ${files.text}`,
    `again ${files.bytes}`,
    "",
  ].join("\n");
  const reference = `btree:${folder.path}/reference`;
  await runPostmap([...config, "-i", reference], { stdin });
  for (const name of [`kv:${folder.path}/kv`, `btree:${folder.path}/ours`]) {
    const { code, stderr } = await runCli([...config, "-i", name], { stdin });
    assertEquals(code, 0);
    assertStringIncludes(stderr, "exists");
    for (const options of [["-F"], []]) {
      const args = ["-c", folder.path, ...options, "-s"];
      const ours = await runCli([...args, name]);
      const theirs = await runPostmap([...args, reference]);
      assertEquals(sortedLines(ours.stdout), sortedLines(theirs.stdout));
    }
    for (const key of ["bytes", "both", "käse", "x"]) {
      const ours = await runCli([...config, "-q", key, name]);
      const theirs = await runPostmap([...config, "-q", key, reference]);
      assertEquals([ours.code, ours.stdout], [theirs.code, theirs.stdout]);
    }
    const deleted = await runCli([...config, "-d", "KÄSE", name]);
    assertEquals(deleted.code, 0);
    assertEquals((await runCli([...config, "-q", "käse", name])).code, 1);
  }
});

Deno.test("-F: leaves out lines that are not UTF-8", async () => {
  await using folder = await Folder.make();
  const { text } = await writeFiles(folder);
  const stdin = Uint8Array.from(
    `a ${text}\nb\xff ${text}\nc ${text}\xff\nd ${text}\n`,
    (character) => character.charCodeAt(0),
  );
  const kv = `kv:${folder.path}/kv`;
  const { code, stderr } = await runCli(["-UFi", kv], { stdin });
  assertEquals(code, 1);
  assertEquals(stderr.match(/line \d+: it is not UTF-8/g), [
    "line 2: it is not UTF-8",
    "line 3: it is not UTF-8",
  ]);
  assertEquals(
    (await runCli(["-UFs", kv])).stdout,
    "a\tone\ntwo\n\nd\tone\ntwo\n\n",
  );
  assertEquals(
    (await runCli(["-UFjq", "-", kv], { stdin: "a\nä\n" })).stdout,
    '{"a": "one\\ntwo\\n"}\n',
  );
});

Deno.test("-F: proxymap reads the files of its tables", async () => {
  await using postfix = await Postfix.start((data) => [
    `proxy:texthash:${data}/source`,
    `proxy:btree:${data}/t`,
  ]);
  const { dataDirectory: data, configDirectory } = postfix;
  await Deno.writeFile(`${data}/bytes`, binary);
  await Deno.writeTextFile(`${data}/source`, `a ${data}/bytes\n`);
  await postfix.make(`btree:${data}/t`, "a YQ==\nb x\n");
  await compare(
    [`proxy:texthash:${data}/source`, `proxy:btree:${data}/t`].flatMap((
      table,
    ) =>
      ["a", "A", "b", "x"].flatMap((key) =>
        [["-F"], []].map((option) => ({
          args: ["-c", configDirectory, ...option, "-q", key, table],
        }))
      )
    ),
  );
});
