import { type LookupResult, openTable } from "../../../mod.ts";
import { NotUtf8Error } from "../../../lib/errors.ts";
import { byteText, utf8Text } from "../../../lib/bytes/text.ts";
import { assert, assertEquals, assertRejects } from "../../support/assert.ts";
import { Folder } from "../../support/folder.ts";
import { runCli, runPostmap } from "../../support/processes.ts";
import { Random } from "../../support/random.ts";

const sources: Record<string, string> = {
  hash: "",
  btree: "",
  lmdb: "",
  texthash: "",
  regexp: "/^a(.*)$/ pattern $1\n/^$/ empty\n/k.se/ UTF-8\n/\\t/ tab\n",
  pcre: "/^a(.*)$/ pattern $1\n/^$/ empty\n/k..?se/ UTF-8\n/\\t/ tab\n",
  cidr: "10.0.0.0/8 ten\n::1 loop\n10.1.1.1 never\n",
};
const entries =
  'a one\nab two  words\n"c d" three\nkäse Brot\ne\\f g\nstrasse s\n';

const keys = [
  "",
  "a",
  "A",
  "ab",
  "abc",
  '"c d"',
  "c d",
  "\x6b\xc3\xa4se",
  "KÄSE".replace("Ä", "\xc3\x84"),
  "a\tb",
  "a\nb",
  "a\0b",
  "a\r",
  " a",
  "-q",
  "10.1.1.1",
  "10.2.3.4",
  "::1",
  "k".repeat(511),
  "k".repeat(512),
  "k".repeat(3000),
  "nobody",
];

function linesOf(some: readonly string[]): Uint8Array {
  return byteText.encode(some.map((key) => `${key}\n`).join(""));
}

Deno.test("tables of the installed Postfix look many up as postmap does, and as one by one", async () => {
  const random = Random.seeded("postmap lookups");
  await using folder = await Folder.make();
  const configDirectory = await folder.mailConfiguration();
  const { stdout } = await (new Deno.Command("postconf", { args: ["-m"] }))
    .output();
  const known = new TextDecoder().decode(stdout).split("\n");
  let types = 0;
  for (const [type, patterns] of Object.entries(sources)) {
    if (!known.includes(type)) continue;
    types++;
    const file = await folder.write(type, patterns || entries);
    const name = `${type}:${file}`;
    if (patterns === "" && type !== "texthash") {
      await runPostmap(["-c", configDirectory, name]);
    }
    for (const utf8 of [true, false]) {
      const text = utf8 ? utf8Text : byteText;
      const string = (bytes: string) => text.decode(byteText.encode(bytes))!;
      await using table = await openTable(name, {
        configDirectory,
        utf8,
        onWarning: () => {},
      });
      const single = new Map<string, string | undefined>();
      for (const key of keys) {
        single.set(key, await table.lookup(string(key)));
      }
      for (let round = 0; round < 3; round++) {
        const asked = random.list(0, 300, () => random.pick(keys));
        const found = await Array.fromAsync(
          table.lookupMany(asked.map(string)),
        );
        assertEquals(
          found,
          asked.map((key): LookupResult => ({
            key: string(key),
            value: single.get(key),
          })),
        );
        // What is one line of text to postmap, and no error.
        const lines = asked.filter((key) =>
          !/[\n\0]/.test(key) &&
          (type !== "lmdb" || (key !== "" && key.length < 512))
        );
        const theirs = await runPostmap(
          ["-c", configDirectory, ...(utf8 ? [] : ["-u"]), "-q", "-", name],
          { stdin: linesOf(lines) },
        );
        const ours = lines.flatMap((key) => {
          const value = single.get(key);
          return value === undefined
            ? []
            : [`${key}\t${byteText.decode(text.encode(value))}\n`];
        });
        assertEquals(ours.join(""), theirs.stdout, name);
      }
    }
  }
  assert(types >= 5, `${types} types`);
});

/** A folder for PATH with a postmap that counts its runs, and then is the real one. */
async function counting(
  folder: Folder,
  script = "",
): Promise<{ env: Record<string, string>; runs: () => Promise<number> }> {
  const count = await folder.write("count", "");
  const path = `${Deno.env.get("PATH")}:/usr/sbin`;
  await Deno.mkdir(`${folder.path}/bin`);
  await Deno.writeTextFile(
    `${folder.path}/bin/postmap`,
    `#!/bin/sh\necho >> ${count}\n${script}\nPATH=${path}\nexec postmap "$@"\n`,
    { mode: 0o755 },
  );
  return {
    env: { PATH: `${folder.path}/bin:${path}` },
    runs: async () => {
      const { length } = await Deno.readTextFile(count);
      await Deno.writeTextFile(count, "");
      return length;
    },
  };
}

Deno.test("tables of the installed Postfix look many up in one run, and tell who is to blame", async () => {
  await using folder = await Folder.make();
  const configDirectory = await folder.mailConfiguration();
  const bytes = byteText.encode(
    Array.from(
      { length: 500 },
      (_, number) => `k${number} ${number === 333 ? "\xff" : `v${number}`}\n`,
    ).join(""),
  );
  const name = `btree:${await folder.write("t", bytes)}`;
  await runPostmap(["-c", configDirectory, "-u", name]);
  const names = Array.from({ length: 1000 }, (_, number) => `K${number}`);
  const good = names.filter((_, number) => number !== 333);

  const { env, runs } = await counting(folder);
  const args = ["-c", configDirectory, "-q", "-", name];
  const ours = await runCli(args, { stdin: linesOf(good), env });
  // One of them opens the table.
  assertEquals(await runs(), 2);
  const theirs = await runPostmap(args, { stdin: linesOf(good) });
  assertEquals([ours.code, ours.stdout], [theirs.code, theirs.stdout]);
  const warnings: string[] = [];
  await using table = await openTable(name, {
    configDirectory,
    utf8: true,
    onWarning: (line) => warnings.push(line),
  });
  const told: LookupResult[] = [];
  await assertRejects(
    async () => {
      for await (const one of table.lookupMany(names)) told.push(one);
    },
    NotUtf8Error,
    'key "K333"',
  );
  assertEquals(
    told,
    names.slice(0, 333).map((key, at) => ({ key, value: `v${at}` })),
  );
  assertEquals(warnings, []);
});

Deno.test("tables of the installed Postfix ask again, one by one, where many answers make no sense", async () => {
  await using folder = await Folder.make();
  const configDirectory = await folder.mailConfiguration();
  const name = `btree:${await folder.write("t", entries)}`;
  await runPostmap(["-c", configDirectory, name]);
  const lines = `${folder.path}/lines`;
  const { env, runs } = await counting(
    folder,
    `cat > ${lines}
     test $(wc -l < ${lines}) -gt 1 && echo nonsense
     exec < ${lines}`,
  );
  const { stdout } = await runCli(["-c", configDirectory, "-q", "-", name], {
    stdin: "AB\nx\na\n",
    env,
  });
  assertEquals(stdout, "AB\ttwo  words\na\tone\n");
  // To open it; three keys together, then one by one.
  assertEquals(await runs(), 5);
});
