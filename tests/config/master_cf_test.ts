import { parseMasterCf } from "../../lib/config/master_cf.ts";
import { ConfigError } from "../../lib/errors.ts";
import { assert, assertEquals, assertThrows } from "../support/assert.ts";
import { Folder } from "../support/folder.ts";
import { run } from "../support/processes.ts";
import { Random } from "../support/random.ts";

/** The services, where all lines are right. */
const parse = (text: string) =>
  parseMasterCf(text, "master.cf", {
    onFlaw: (error) => {
      throw error;
    },
    onWarning: (message) => {
      throw new Error(message);
    },
  });

/** The overrides of the only service. */
function overrides(options: string): Record<string, [string, number]> {
  const [service, ...others] = parse(`a unix - - n - - x ${options}`);
  assertEquals(others, []);
  return Object.fromEntries(
    [...service.overrides].map((
      [name, { value, line }],
    ) => [name, [value, line!]]),
  );
}

Deno.test("parseMasterCf() reads services, and where their options are", () => {
  const services = parse(
    `\
# A comment.

smtp      inet  n       -       y       -       -       smtpd
  -o content_filter=
# within a service

    -o { mynetworks = 127.0.0.0/8, [::1] } -v
local unix - n n - - /usr/lib/postfix/sbin/local -o a=b
maildrop unix - n n - - pipe
  flags=DRXhu user=vmail argv=/usr/bin/maildrop -o c=d
`,
  );
  assertEquals(
    services.map(({ name, type, program, chroot, line, overrides }) => [
      ...[name, type, program, chroot, line],
      [...overrides],
    ]),
    [
      ["smtp", "inet", "smtpd", "y", 3, [
        ["content_filter", { value: "", file: "master.cf", line: 4 }],
        ["mynetworks", {
          value: "127.0.0.0/8, [::1]",
          file: "master.cf",
          line: 7,
        }],
      ]],
      ["local", "unix", "local", "n", 8, [
        ["a", { value: "b", file: "master.cf", line: 8 }],
      ]],
      ["maildrop", "unix", "pipe", "n", 9, []],
    ],
  );
});

Deno.test("parseMasterCf() takes every form of -o, and no other argument", () => {
  const table: [string, Record<string, [string, number]>][] = [
    ["-o a=b", { a: ["b", 1] }],
    ["-o a= -o a=c", { a: ["c", 1] }],
    ["-oa=b", { a: ["b", 1] }],
    ["-o proxy=o -oproxy_o=-o", { proxy: ["o", 1], proxy_o: ["-o", 1] }],
    ["-vo a=b -vvDoc=d", { a: ["b", 1], c: ["d", 1] }],
    ["-o {a=b}", { a: ["b", 1] }],
    ["-o{ a = b {c} }\n -o\n # x\n d=e", { a: ["b {c}", 1], d: ["e", 4] }],
    ["-o { a =\n  b\n\tc }", { a: ["b\tc", 1] }],
    ["-o a=$b,${c}", { a: ["$b,${c}", 1] }],
    ["-o a=b=c", { a: ["b=c", 1] }],
    ["-o", {}],
    ["-o a", {}],
    ["-o =b", {}],
    ["-o -o a=b", {}],
    ["-- -o a=b", {}],
    ["x -o a=b", {}],
    ["{-o} a=b", {}],
  ];
  for (const [options, expected] of table) {
    assertEquals(overrides(options), expected, options);
  }
});

Deno.test("parseMasterCf() names the line that Postfix does not start with", () => {
  const table: [string, string][] = [
    ["b unix - - n - -", "at least 8 fields, not 7"],
    ["b tcp - - n - - x", '"tcp" is no service type'],
    ["b unix yes - n - - x", '"yes" is no private'],
    ["b unix - - N - - x", '"N" is no chroot'],
    ["b unix - - n 5m - x", '"5m" is no wake-up time'],
    ["b unix - - n - 1? x", '"1?" is no process limit'],
    ["b unix - - n - - x -o { a = b", 'missing "}"'],
    ["b unix - - n - - x -o {a=b}c", 'text after "}"'],
    ["b unix - - n - - x {a}b", 'text after "}"'],
  ];
  for (const [text, message] of table) {
    const error = assertThrows(
      () => parse(`a unix - - n - - x\n\n${text}\n`),
      ConfigError,
      message,
    );
    assertEquals([error.file, error.line], ["master.cf", 3], text);
  }
  const secret = "a unix - - n - - x { password = s3cret";
  const { message } = assertThrows(() => parse(secret), ConfigError);
  assert(!message.includes("s3cret"), message);
});

Deno.test("parseMasterCf() reads the other lines where some are wrong", () => {
  const said: string[] = [];
  const services = parseMasterCf(
    "  c=d\na unix - - n - - x\nb unix\n -o e=f\nc unix - - n - - x\n\0\n",
    "master.cf",
    {
      onFlaw: ({ line, message }) => said.push(`${line} ${message}`),
      onWarning: (message) => said.push(message),
    },
  );
  assertEquals(services.map(({ name, line }) => [name, line]), [
    ["a", 2],
    ["c", 5],
  ]);
  const end = ": Postfix does not start with such a line";
  assertEquals(said, [
    'master.cf, line 1: ignoring a line that continues nothing: "c=d"',
    '3 master.cf, line 3: a service has at least 8 fields, not 4: "b unix -o e=f"' +
    end,
    '6 master.cf, line 6: a service has at least 8 fields, not 1: "\0"' + end,
  ]);
});

Deno.test("parseMasterCf() reads what postconf reads", async () => {
  const random = Random.seeded("parseMasterCf()");
  await using folder = await Folder.make();
  const config = ["-c", await folder.mailConfiguration()];
  const space = () => random.pick([" ", "  ", "\t", "\n  ", "\n# c\n\t", " "]);
  const value = () =>
    random.list(
      0,
      3,
      () =>
        random.pick([
          "x",
          "memcache:/a",
          "$q",
          "${q?{r}:{s}}",
          "é",
          ",",
          "b=c",
        ]),
    )
      .join("");
  const option = () =>
    random.pick([
      // Postconf, unlike a daemon, looks for another "o" in "-oNAME".
      () => `-o${random.pick(["", space()])}a${random.integer(1, 3)}=c`,
      () => `-o${space()}b${random.integer(1, 3)}=${value()}`,
      () =>
        `-o${space()}{${space()}c=${random.list(0, 3, value).join(space())} }`,
      () => "-v",
      () => `-vo${space()}d=${value()}`,
    ])();
  const argument = () =>
    random.pick(["flags=x", "argv=/bin/x", "{a b}", "-o", "${user}", "--"]);
  const service = (number: number) =>
    [
      `s${number}`,
      random.pick(["unix", "inet", "fifo", "pass", "unix-dgram"]),
      ...random.list(3, 3, () => random.pick(["y", "n", "-"])),
      random.pick(["-", "1", "10?"]),
      random.pick(["-", "0", "20"]),
      random.pick(["smtpd", "/x/pipe"]),
      ...random.list(0, 4, option),
      ...(random.chance(0.3) ? random.list(1, 3, argument) : []),
    ].join("\0").replaceAll("\0", () => space()).trimEnd();
  const rounds = Number(Deno.env.get("ROUNDS") ?? 30);
  for (let round = 0; round < rounds; round++) {
    const text = random.list(1, 20, () => "").map((_, at) => service(at))
      .join(random.pick(["\n", "\n\n", "\n# comment\n", "\n  # comment\n"])) +
      "\n";
    await folder.write("master.cf", text);
    const plain = (text: string) =>
      new TextDecoder().decode(
        Uint8Array.from(text, (one) => one.charCodeAt(0)),
      );
    const shown = await run("postconf", [...config, "-M"]);
    assertEquals(shown.code, 0, shown.stderr);
    // It puts braces around what has white space.
    const words = (text: string) =>
      text.replaceAll(/[{}]/g, " ").split(/[ \t]+/).filter((word) => word);
    const services = parse(text);
    assertEquals(
      services.map(({ fields }) => words(fields.join(" "))),
      plain(shown.stdout).trimEnd().split("\n").map(words),
      text,
    );
    const listed = await run("postconf", [...config, "-P"]);
    const own = services.flatMap(({ name, type, overrides }) =>
      [...overrides].map(([parameter, { value }]) =>
        words(`${name}/${type}/${parameter} = ${value}`)
      )
    );
    // Here it prints one space where there are more.
    assertEquals(
      own.map((all) => all.join(" ")).sort(),
      plain(listed.stdout).split("\n").filter((line) => line !== "")
        .map((line) => words(line).join(" ")).sort(),
      text,
    );
  }
});
