import { assertEquals } from "../support/assert.ts";
import { Folder } from "../support/folder.ts";
import { Memcached } from "../support/memcached.ts";
import {
  type ProgramResult,
  runCli,
  runPostmap,
} from "../support/processes.ts";
import { Random } from "../support/random.ts";
import { RecordingProxy } from "../support/recording_proxy.ts";

// Random configurations, keys, values and options, through postmap and through
// the command line against the same memcached: the same output, the same exit
// status, the same keys asked for.

const rounds = Number(Deno.env.get("ROUNDS") ?? 60);
const labels = [
  "example",
  "EXAMPLE",
  "com",
  "org",
  "mail",
  "a",
  "bücher",
  "ÇA",
];
const words = [
  "alice",
  "Bob",
  "STRAßE",
  "İstanbul",
  "ΣΊΣΥΦΟΣ",
  "ŒUVRE",
  "x.y",
  "a+b",
  "%s",
  '"q"',
  "ı",
  "Ꮳ",
  "ꭳ",
  "'",
  "{b}",
  "#c",
  "$d",
  "日本",
  "ﬀ",
  "ſ",
  "K",
];

function randomDomain(random: Random): string {
  const parts = random.list(
    0,
    4,
    () => random.chance(0.1) ? "" : random.pick(labels),
  );
  return parts.join(".");
}

function randomKey(random: Random): string {
  const user = random.list(0, 2, () => random.pick(words)).join("");
  const shape = random.number();
  if (shape < 0.25) return user;
  if (shape < 0.85) return `${user}@${randomDomain(random)}`;
  if (shape < 0.9) return `${user}@b@${randomDomain(random)}`;
  if (shape < 0.94) return `${user} ${random.pick(words)}`;
  if (shape < 0.96) return `${user}\t${random.pick(words)}`;
  return random.pick([
    "",
    "@",
    "a@",
    "@example.com",
    " ",
    "a\r",
    "\v",
    "-",
    "a".repeat(random.integer(1, 80)),
  ]);
}

function randomFormat(random: Random): string {
  return random.list(1, 4, () =>
    random.pick([
      "%s",
      "%u",
      "%d",
      "%S",
      "%U",
      "%D",
      "%1",
      "%2",
      "%3",
      "%9",
      "%%",
      "a:",
      "Ä",
      ".",
      " ",
    ])).join("").trim() || "%s";
}

function randomDomainList(
  random: Random,
  file: string,
): string {
  const items = random.list(1, 4, () => {
    const bang = random.pick(["", "", "", "!", "!!"]);
    const item = random.pick([
      () => `${random.pick(labels)}.${random.pick(labels)}`,
      () => `${random.pick(labels)}.${random.pick(labels)}`,
      () => "inline:{example.com=1, { mail.example.com = 2 }}",
      () => "static:all",
      () => "inline:{bücher.com=x}",
      () => file,
    ])();
    return bang + item;
  });
  return items.join(
    random.pick([" ", ",", ", ", "\n    ", ",\n# between\n\t"]),
  );
}

function spaced(random: Random, name: string, value: string): string {
  const space = () => random.pick(["", " ", "  ", "\t"]);
  return `${name}${space()}=${space()}${value}${space()}`;
}

interface Case {
  table: string;
  options: string[];
  keys: string[];
}

async function randomCase(
  random: Random,
  folder: Folder,
  server: string,
  number: number,
): Promise<Case> {
  const domains = await folder.write(
    "domains",
    "# a comment\nexample.org, mail.example.org\n\n!a.com com.com\n",
  );
  const settings: [string, string][] = [["memcache", server]];
  if (random.chance(0.6)) settings.push(["key_format", randomFormat(random)]);
  if (random.chance(0.4)) {
    settings.push(["domain", randomDomainList(random, domains)]);
  }
  if (random.chance(0.3)) {
    settings.push(["data_size_limit", `${random.integer(1, 30)}`]);
  }
  if (random.chance(0.15)) {
    settings.push(["line_size_limit", `${random.integer(3, 60)}`]);
  }
  if (random.chance(0.3)) {
    settings.push(["ttl", random.pick(["0", "-1", "+60", "2592001", "007"])]);
  }
  if (random.chance(0.2)) {
    settings.push(["flags", random.pick(["1", "65535", "0"])]);
  }
  if (random.chance(0.2)) settings.push(["max_try", "1"]);
  else if (random.chance(0.9)) settings.push(["max_try", "1"]);
  const backup = random.number();
  if (backup < 0.2) {
    settings.push([
      "backup",
      "inline:{alice=in backup, {Bob = a b}, alice@example.com=x, strasse=s}",
    ]);
  } else if (backup < 0.3) settings.push(["backup", "static:of the backup"]);
  else if (backup < 0.35) settings.push(["backup", "fail:always"]);
  if (random.chance(0.05)) settings.push(["unknown_parameter", "x"]);
  if (random.chance(0.05)) {
    settings.push(["retry_pause", random.pick(["0", "1h", "", "x"])]);
  }

  let table: string;
  let main = "";
  if (random.chance(0.75)) {
    const text = settings.map(([name, value]) =>
      random.pick(["", "", "# comment\n", "\n", "   # indented\n"]) +
      spaced(random, name, value) + "\n"
    ).join("");
    table = `memcache:${await folder.write(`t${number}.cf`, text)}`;
  } else {
    main = settings.map(([name, value]) => {
      const escaped = value.replaceAll("$", "$$$$");
      if (random.chance(0.2)) {
        const middle = `m_${name}`;
        const use = random.pick([
          `$${middle}`,
          `\${${middle}}`,
          `$(${middle})`,
          `\${${middle}?{$${middle}}:{nothing}}`,
          `\${nosuch:$${middle}}`,
          `\${{1} < {2} ? {$${middle}} : {x}}`,
        ]);
        return `${middle} = ${escaped}\n${spaced(random, `t_${name}`, use)}\n`;
      }
      return `${spaced(random, `t_${name}`, escaped)}\n`;
    }).join("");
    table = "memcache:t";
  }
  const support = random.pick(["", "", "", "smtputf8_enable = no\n"]);
  await folder.mailConfiguration(main + support);
  const options: string[] = ["-c", folder.path];
  if (random.chance(0.25)) options.push("-f");
  if (random.chance(0.25)) options.push("-u");
  // Elsewhere it has an effect here, but none in postmap.
  if (support === "" && random.chance(0.2)) options.push("-U");
  const keys = random.list(5, 25, () => randomKey(random));
  return { table, options, keys };
}

Deno.test("command line answers random lookups and deletes as postmap does", async (t) => {
  const random = Random.seeded("postmap_random");
  await using folder = await Folder.make();
  await using memcached = await Memcached.tcp();
  await using proxy = new RecordingProxy(memcached);

  const both = async (
    args: string[],
    stdin: string,
    prepare: () => Promise<void>,
  ): Promise<[Outcome, Outcome]> => {
    await prepare();
    const reference = outcome(await runPostmap(args, { stdin }), proxy);
    await prepare();
    return [reference, outcome(await runCli(args, { stdin }), proxy)];
  };

  for (let round = 0; round < rounds; round++) {
    const { table, options, keys } = await randomCase(
      random,
      folder,
      proxy.server,
      round,
    );
    const lines = keys.join("\n") + random.pick(["\n", "\n", ""]);
    const shown = JSON.stringify({ table, options, keys });

    // First see what it asks for, so that some of that can be there.
    await memcached.flush();
    proxy.take();
    const asked = outcome(
      await runPostmap([...options, "-q", "-", table], { stdin: lines }),
      proxy,
    ).lines.map((line) => line.split(" ")[1]);
    const stored = asked.filter(() => random.chance(0.5)).map((key) => ({
      key,
      value: random.pick([
        "v",
        "some value",
        "Ünïcödé",
        "a\0b",
        "x".repeat(31),
        "\xff-",
        "",
      ]),
    })).filter(({ key, value }) =>
      key && key.length <= 250 && (value !== "\xff-" || random.chance(0.2))
    );
    const prepare = async () => {
      await memcached.flush();
      for (const { key, value } of stored) {
        const bytes = value === "\xff-"
          ? Uint8Array.of(255, 45)
          : new TextEncoder().encode(value);
        await memcached.talk(
          new Uint8Array([
            ...Uint8Array.from(
              `set ${key} 0 0 ${bytes.length}\r\n`,
              (c) => c.charCodeAt(0),
            ),
            ...bytes,
            13,
            10,
          ]),
          "\r\n",
        );
      }
      proxy.take();
    };

    await t.step(`round ${round}`, async () => {
      const [lookups, ours] = await both(
        [...options, "-q", "-", table],
        lines,
        prepare,
      );
      assertSame(ours, lookups, `-q - ${shown}`);

      const [deletes, oursDeleted] = await both(
        [...options, "-d", "-", table],
        lines,
        prepare,
      );
      assertSame(oursDeleted, deletes, `-d - ${shown}`);

      // Deno drops a carriage return at the end of an argument.
      const key = random.pick(keys).replace(/\r$/, "");
      const arranged = random.chance(0.5)
        ? [...options, "-q", key, table]
        : [...options, `-q${key}`, table];
      if (key !== "" || arranged.includes("-q")) {
        const [lookup, oursFound] = await both(arranged, "", prepare);
        assertSame(oursFound, lookup, `-q ${JSON.stringify(key)} ${shown}`);
      }
    });
  }
});

interface Outcome {
  code: number;
  stdout: string;
  lines: string[];
  connections: number;
  failed: boolean;
}

function outcome(
  { code, stdout, stderr }: ProgramResult,
  proxy: RecordingProxy,
): Outcome {
  const { lines, connections } = proxy.take();
  const single = lines.flatMap(oneByOne);
  const isGet = (line: string) => line.startsWith("get ");
  // A batch looks all its keys up before it writes what the backup has.
  const sorted = [
    ...single.filter(isGet),
    ...single.filter((line) => !isGet(line)),
  ];
  const failed = /fatal: |memcached at .* failed|unexpected|too long/.test(
    stderr,
  );
  return { code, stdout, lines: sorted, connections, failed };
}

function assertSame(ours: Outcome, theirs: Outcome, message: string): void {
  // Where a lookup fails, others of its batch have been sent as well.
  if (ours.failed || theirs.failed) {
    assertEquals(
      [ours.code, ours.stdout],
      [theirs.code, theirs.stdout],
      message,
    );
  } else assertEquals(ours, theirs, message);
}

/** A line of several keys as the lines that Postfix would send. */
function oneByOne(line: string): string[] {
  const [command, ...keys] = line.split(" ");
  return command === "get" ? keys.map((key) => `get ${key}`) : [line];
}
