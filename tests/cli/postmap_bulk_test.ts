import { assertEquals } from "../support/assert.ts";
import { Folder } from "../support/folder.ts";
import { Memcached } from "../support/memcached.ts";
import { latin1 } from "../support/latin1.ts";
import { root, runCli, runPostmap } from "../support/processes.ts";
import { Random } from "../support/random.ts";

const count = 20_000;

/** Keys as they are typed: half of them are there, some in another spelling. */
function typedKeys(random: Random): Uint8Array {
  const parts: string[] = [];
  for (let number = 0; number < count; number++) {
    const name = random.chance(0.1) ? "käse" : "k";
    const key = `${name}${random.integer(0, count)}`;
    parts.push(
      random.chance(0.1) ? key.toUpperCase() : key,
      random.chance(0.01) ? `\0${random.pick(["", "behind", "\0"])}` : "",
      random.chance(0.01) ? random.pick([" ", "\t", "\r", " x"]) : "",
      random.chance(0.01) ? "\n\n" : "\n",
    );
  }
  return new TextEncoder().encode(parts.join("") + "k1");
}

/** Stores entries by their memcache keys, without the code under test. */
async function fill(memcached: Memcached, prefix: string): Promise<void> {
  const encoder = new TextEncoder();
  const sets: string[] = [];
  for (let number = 0; number < count; number++) {
    if (number % 2 === 1) continue;
    const key = `${prefix}${number % 10 === 0 ? "käse" : "k"}${number}`;
    const value = number % 50 === 0 ? "" : `${prefix} wért ${number}`;
    const { length } = encoder.encode(value);
    sets.push(`set ${key} 0 0 ${length} noreply\r\n${value}\r\n`);
  }
  await memcached.talk(`${sets.join("")}version\r\n`, "\r\n");
}

/** Feeds the command line through a pipe, in pieces; returns what it printed. */
async function piped(
  args: string[],
  input: Uint8Array,
  piece: () => number,
): Promise<{ code: number; stdout: string }> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "cli.ts", ...args],
    cwd: root,
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const feeding = (async () => {
    const writer = child.stdin.getWriter();
    for (let at = 0; at < input.length;) {
      const end = at + piece();
      await writer.write(input.subarray(at, end));
      at = end;
    }
    await writer.close();
  })();
  const { code, stdout } = await child.output();
  await feeding;
  return { code, stdout: latin1(stdout) };
}

async function fromFile(
  args: string[],
  file: string,
): Promise<{ code: number; stdout: string }> {
  const { code, stdout } = await new Deno.Command("sh", {
    args: ["-c", `"$@" < ${file} 2>/dev/null`, "sh"].concat(
      Deno.execPath(),
      ["run", "-A", "cli.ts"],
      args,
    ),
    cwd: root,
  }).output();
  return { code, stdout: latin1(stdout) };
}

Deno.test("command line looks 20,000 keys up as postmap does, from files and pipes", async () => {
  const random = Random.seeded("postmap bulk");
  await using folder = await Folder.make();
  await using memcached = await Memcached.tcp();
  await fill(memcached, "a:");
  const table = async (name: string) =>
    `memcache:${await folder.write(
      `${name}.cf`,
      `memcache = ${memcached.server}\nkey_format = ${name}:%s\n`,
    )}`;
  const input = typedKeys(random);
  const file = await folder.write("keys", input);
  const configuration = ["-c", await folder.mailConfiguration()];
  const args = [...configuration, "-q", "-", await table("a")];
  const { code, stdout } = await runPostmap(args, { stdin: input });
  const expected = { code, stdout };
  assertEquals(code, 0);
  const start = input.subarray(0, 3000);
  const few = await runPostmap(args, { stdin: start });
  const outcomes = [
    await fromFile(args, file),
    await piped(args, input, () => 65536),
    await piped(args, input, () => random.integer(1, 20_000)),
  ];
  for (const outcome of outcomes) {
    // Not with assertEquals: that takes minutes to show what is not the same.
    assertEquals(outcome.code, code);
    assertEquals(outcome.stdout === expected.stdout, true);
  }
  assertEquals(await piped(args, start, () => 1), {
    code: few.code,
    stdout: few.stdout,
  });
});

Deno.test("command line asks the second table for what the first has not, as JSON too", async () => {
  const random = Random.seeded("postmap bulk, two tables");
  await using folder = await Folder.make();
  await using memcached = await Memcached.tcp();
  await fill(memcached, "a:");
  const input = typedKeys(random);
  const second = await folder.write(
    "second",
    Array.from(
      { length: 1000 },
      (_, number) => `k${2 * number + 1} second\nkäse${number} käse\n`,
    ).join(""),
  );
  const configuration = ["-c", await folder.mailConfiguration()];
  const first = `memcache:${await folder.write(
    "a.cf",
    `memcache = ${memcached.server}\nkey_format = a:%s\n`,
  )}`;
  const tables = [first, `texthash:${second}`];
  const args = [...configuration, "-q", "-", ...tables];
  const theirs = await runPostmap(args, { stdin: input });
  const ours = await runCli(args, { stdin: input });
  assertEquals([ours.code, ours.stdout === theirs.stdout], [0, true]);
  const json = await runCli([...configuration, "-j", ...args.slice(2)], {
    stdin: input,
  });
  const utf8 = (bytes: string) =>
    new TextDecoder().decode(
      Uint8Array.from(bytes, (character) => character.charCodeAt(0)),
    );
  const entries = utf8(json.stdout).trimEnd().split("\n").map((line) =>
    Object.entries(JSON.parse(line) as Record<string, string>)[0].join("\t")
  );
  assertEquals(`${entries.join("\n")}\n` === utf8(theirs.stdout), true);
});

Deno.test("command line loads and deletes 20,000 entries, as memcached has them then", async () => {
  const random = Random.seeded("postmap bulk, writes");
  await using folder = await Folder.make();
  await using memcached = await Memcached.tcp();
  const configuration = ["-c", await folder.mailConfiguration()];
  const table = `memcache:{memcache=${memcached.server}}`;
  const entries = Array.from(
    { length: count },
    (_, number) => `K${number}  wért ${number}\n`,
  );
  const lines = new TextEncoder().encode(entries.join(""));
  const loaded = await piped(
    [...configuration, "-i", table],
    lines,
    () => random.integer(1, 60_000),
  );
  assertEquals(loaded, { code: 0, stdout: "" });
  const items = async () =>
    Number(
      /curr_items (\d+)/.exec(await memcached.talk("stats\r\n", "END\r\n"))![1],
    );
  assertEquals(await items(), count);
  assertEquals(await memcached.get("k19999"), "w\xc3\xa9rt 19999");
  const gone = entries.filter((_, number) => number % 4 !== 0)
    .map((entry) => entry.split(" ")[0] + "\n").join("");
  const deletes = [...configuration, "-d", "-", table];
  const deleted = await runCli(deletes, { stdin: gone });
  assertEquals([deleted.code, deleted.stdout], [0, ""]);
  assertEquals(await items(), count / 4);
  assertEquals(await memcached.get("k4"), "w\xc3\xa9rt 4");
  assertEquals(await memcached.get("k5"), undefined);
  assertEquals((await runCli(deletes, { stdin: gone })).code, 1);
});
