import { assertEquals } from "../support/assert.ts";
import { Folder } from "../support/folder.ts";
import { Memcached } from "../support/memcached.ts";
import {
  type ProgramResult,
  run,
  runCli,
  runPostmap,
} from "../support/processes.ts";
import { Random } from "../support/random.ts";
import { RecordingProxy } from "../support/recording_proxy.ts";

// Configurations of any bytes, through postmap and through the command line: the
// same keys asked for, the same output, the same exit status. All strings here are
// byte strings, one character for each byte.

const rounds = Number(Deno.env.get("ROUNDS") ?? 25);

// UTF-8, halves of it, bytes that are never part of it, white space of others, the
// byte order mark, and null bytes.
const pieces = [
  "a",
  "B",
  ".",
  "\xc3\xa9",
  "\xc3\x89",
  "\xc3",
  "\xa9",
  "\xe9",
  "\xff",
  "\x80",
  "\xa0",
  "\x85",
  "\xe2\x82\xac",
  "\xe2\x82",
  "\xf0\x9f\x98\x80",
  "\xed\xb3\xa9",
  "\xc0\xaf",
  "\xef\xbb\xbf",
];

function randomText(random: Random, most = 3): string {
  return random.list(0, most, () => random.pick(pieces)).join("");
}

function bytes(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

function randomFormat(random: Random): string {
  return random.list(
    1,
    4,
    () =>
      random.chance(0.5)
        ? randomText(random, 2)
        : random.pick(["%s", "%u", "%d", "%1", "%2", "%%"]),
  ).join("");
}

function randomDomain(random: Random): string {
  return randomText(random, 2) + random.pick(["", ".com"]);
}

function randomBackup(random: Random, source: string): string {
  const value = randomText(random) + random.pick(["", " x"]);
  return random.pick([
    () => `static:${value || "v"}`,
    () => `static:{ ${value} }`,
    () => `inline:{k=v, ${randomText(random) || "z"}=w, { x = ${value} }}`,
    () => `texthash:${source}`,
  ])();
}

/** A setting, which may be split over lines, and end at a null byte. */
function randomLine(random: Random, name: string, value: string): string {
  const broken = random.chance(0.1)
    ? value.replace(" ", "\n# \xe9\n\t")
    : value;
  const end = random.chance(0.05) ? `\0${randomText(random)}` : "";
  return `${name}${random.pick(["=", " = ", "\t=\v"])}${broken}${end}\n`;
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
  const mark = () => random.chance(0.1) ? "\xef\xbb\xbf" : "";
  const domains = random.list(1, 4, () => randomDomain(random));
  const list = await folder.write(
    `domains${number}`,
    bytes(
      mark() +
        domains.map((domain) =>
          domain + random.pick(["\n", " ", "\0x\n", ",\n#"])
        )
          .join(""),
    ),
  );
  const keys = random.list(5, 15, () => {
    const user = randomText(random);
    return random.chance(0.6)
      ? `${user}@${
        random.chance(0.7) ? random.pick(domains) : randomDomain(random)
      }`
      : user;
  });
  const source = await folder.write(
    `source${number}`,
    bytes(
      mark() +
        keys.map((key) =>
          `${key} v${randomText(random)}${random.pick(["\n", "\n", "\n#\0\n"])}`
        ).join(""),
    ),
  );
  const settings: [string, string][] = [["memcache", server], ["max_try", "1"]];
  if (random.chance(0.8)) settings.push(["key_format", randomFormat(random)]);
  if (random.chance(0.5)) {
    const pattern = random.pick([
      () => randomDomain(random) || "x",
      () => random.pick(domains) || "x",
      () => list,
      () => `!${list} static:all`,
      () => `inline:{${randomDomain(random) || "x"}=1}`,
      () => `static:${randomText(random) || "x"}`,
    ]);
    settings.push(["domain", random.list(1, 3, () => pattern()).join(" ")]);
  }
  if (random.chance(0.3)) {
    settings.push(["backup", randomBackup(random, source)]);
  }
  let main = "";
  let table: string;
  if (random.chance(0.5)) {
    const text = settings;
    const file = text.map(([name, value]) => randomLine(random, name, value));
    const path = await folder.write(
      `t${number}.cf`,
      bytes(mark() + file.join("")),
    );
    table = `memcache:${path}`;
  } else {
    main = settings.map(([name, value]) => {
      if (random.chance(0.5)) return randomLine(random, `t_${name}`, value);
      // In two parts, anywhere: also in the middle of a character.
      const at = random.integer(0, value.length);
      return randomLine(random, `a_${name}`, value.slice(0, at)) +
        randomLine(random, `b_${name}`, value.slice(at)) +
        randomLine(
          random,
          `t_${name}`,
          random.pick([
            `$a_${name}$b_${name}`,
            `\${a_${name}}$(b_${name})`,
            `\${{\xc3} < {\xe2\x82\xac} ? {$a_${name}$b_${name}} : {x}}`,
          ]),
        );
    }).join("");
    table = "memcache:t";
  }
  const support = random.pick(["", "", "smtputf8_enable = no\n"]);
  await folder.write(
    "main.cf",
    bytes(mark() + "compatibility_level = 3.6\n" + main + support),
  );
  const options: string[] = ["-c", folder.path];
  if (random.chance(0.2)) options.push("-f");
  if (random.chance(0.4)) options.push("-u");
  // Elsewhere it has an effect here, but none in postmap.
  if (support === "" && random.chance(0.2)) options.push("-U");
  return { table, options, keys };
}

Deno.test("configurations of any bytes make the keys that they make for postmap", async (t) => {
  const random = Random.seeded("postmap_bytes");
  await using folder = await Folder.make();
  await using memcached = await Memcached.tcp();
  await using proxy = new RecordingProxy(memcached);
  for (let round = 0; round < rounds; round++) {
    const { table, options, keys } = await randomCase(
      random,
      folder,
      proxy.server,
      round,
    );
    const stdin = bytes(keys.map((key) => `${key}\n`).join(""));
    const files = await Promise.all(
      [
        table.slice("memcache:".length),
        `${folder.path}/main.cf`,
        `${folder.path}/domains${round}`,
      ].map((path) => Deno.readFile(path).then(escaped, () => "")),
    );
    const shown = [
      ...options,
      ...keys.map((key) => escaped(bytes(key))),
      ...files,
    ].join("\n");
    const both = async (
      what: string,
      run: (ours: boolean) => Promise<ProgramResult>,
    ) => {
      const outcomes: Outcome[] = [];
      for (const isOurs of [false, true]) {
        await memcached.flush();
        proxy.take();
        outcomes.push(outcome(await run(isOurs), proxy));
      }
      const [theirs, ours] = outcomes;
      if (theirs.failed || ours.failed) {
        // What was asked before that is of no interest, nor which of two faults
        // was found first.
        ours.asked = theirs.asked = [];
        ours.failed = theirs.failed = true;
      }
      assertEquals(ours, theirs, `${what} ${shown}`);
    };
    await t.step(`round ${round}`, async () => {
      for (const option of ["-q", "-d"]) {
        const args = [...options, option, "-", table];
        await both(`${option} -`, async (ours) => {
          const ended = ours
            ? await runCli(args, { stdin })
            : await runPostmap(args, { stdin });
          // To postmap a key that is not UTF-8 was deleted.
          return option === "-d" ? { ...ended, code: 0 } : ended;
        });
      }
      const key = escaped(bytes(random.pick(keys)));
      const arguments_ = [...options, "-q"];
      await both(`-q ${key}`, (ours) => typed(ours, arguments_, key, table));
    });
  }
});

/** Runs one of the two with a key of any bytes, which bash types. */
function typed(
  ours: boolean,
  options: string[],
  key: string,
  table: string,
): Promise<ProgramResult> {
  const program = ours
    ? [Deno.execPath(), "run", "--quiet", "-A", "cli.ts"]
    : ["postmap"];
  const script = `table=$1; shift; exec "$@" $'${
    key.replaceAll("'", "\\'")
  }' "$table"`;
  return run("bash", ["-c", script, "bash", table, ...program, ...options]);
}

interface Outcome {
  code: number;
  stdout: string;
  asked: string[];
  failed: boolean;
}

function outcome(
  { code, stdout, stderr }: ProgramResult,
  proxy: RecordingProxy,
): Outcome {
  const asked = proxy.take().lines.flatMap((line) => {
    const [command, ...keys] = line.split(" ");
    return command === "get" ? keys.map((key) => `get ${key}`) : [line];
  });
  // A batch looks all its keys up before it writes what the backup has.
  const isGet = (line: string) => line.startsWith("get ");
  return {
    code,
    stdout,
    asked: [
      ...asked.filter(isGet),
      ...asked.filter((line) => !isGet(line)),
    ],
    failed: stderr.includes("fatal: "),
  };
}

/** Bytes as a person can read them. */
function escaped(bytes: Uint8Array): string {
  return Array.from(
    bytes,
    (byte) =>
      byte === 10 || (byte >= 32 && byte < 127)
        ? String.fromCharCode(byte)
        : `\\x${byte.toString(16).padStart(2, "0")}`,
  ).join("");
}
