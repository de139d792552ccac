import {
  defaultLimits,
  MessageKeys,
  type MessageLimits,
  type MessageQuery,
} from "../../lib/cli/message/message_keys.ts";
import { byteText } from "../../lib/bytes/text.ts";
import { assertEquals, assertStringIncludes } from "../support/assert.ts";
import { Folder } from "../support/folder.ts";
import { atOnce, root, runCli, runPostmap } from "../support/processes.ts";
import { Random } from "../support/random.ts";

// Messages through postmap and through ours, whole and broken: the same keys in
// the same order. `static:x` has every key, so its output shows them all.

const rounds = Number(Deno.env.get("ROUNDS") ?? 300);

const queries: [option: string, MessageQuery][] = [
  ["-b", { headers: false, body: true, mime: false }],
  ["-h", { headers: true, body: false, mime: false }],
  ["-bh", { headers: true, body: true, mime: false }],
  ["-bm", { headers: false, body: true, mime: true }],
  ["-hm", { headers: true, body: false, mime: true }],
  ["-bhm", { headers: true, body: true, mime: true }],
];

const lines = (...text: string[]) => text.join("\n") + "\n";

const ordinary = lines(
  "Return-Path: <alice@example.com>",
  "Received: from mx.example.com (mx.example.com [192.0.2.1])",
  "\tby mail.example.net (Postfix) with ESMTPS id 4XyZ",
  "\tfor <bob@example.net>; Mon,  1 Jan 2024 00:00:00 +0000 (UTC)",
  "From: Alice <alice@example.com>",
  "To : bob@example.net",
  "Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=",
  "MIME-Version: 1.0",
  "Content-Type: text/plain; charset=utf-8",
  "Content-Transfer-Encoding: 8bit",
  "",
  "Hello Bob: this is no header.",
  " neither is this",
  "",
  "-- ",
  "Alice",
);

const mixed = lines(
  "From: a@example.com",
  "Mime-Version: 1.0",
  "Content-Type: multipart/mixed;",
  '  boundary="=_outer (1)"; charset=us-ascii',
  "",
  "This is a multi-part message in MIME format.",
  "--=_outer (1)",
  "Content-Type: multipart/alternative; boundary=inner",
  "Content-Description: two",
  " ways to say it",
  "",
  "--inner",
  "Content-Type: text/plain",
  "",
  "text: plain",
  "--inner",
  "Content-Type: text/html",
  "Content-Transfer-Encoding: quoted-printable",
  "",
  "<p>text=3A html</p>",
  "--inner--",
  "epilogue: inner",
  "--=_outer (1)",
  'Content-Type: application/pdf; name="a.pdf"',
  'Content-Disposition: attachment; filename="a.pdf"',
  "Content-Transfer-Encoding: base64",
  "",
  "JVBERi0xLjQKJcfsj6IKNSAwIG9iago8PC9MZW5ndGggNiAwIFI+PgpzdHJlYW0K",
  "--=_outer (1)",
  "Content-Type: message/rfc822",
  "",
  "Subject: attached",
  "Content-Type: multipart/mixed; boundary=third",
  "",
  "--third",
  "X: y",
  "",
  "never closed",
  "--=_outer (1)--",
  "epilogue: outer",
);

const bounce = lines(
  "From: MAILER-DAEMON (Mail Delivery System)",
  "Content-Type: multipart/report; report-type=delivery-status;",
  '\tboundary="4XyZ.1704067200/mail.example.net"',
  "",
  "--4XyZ.1704067200/mail.example.net",
  "Content-Description: Notification",
  "",
  "I'm sorry",
  "--4XyZ.1704067200/mail.example.net",
  "Content-Type: message/delivery-status",
  "",
  "Reporting-MTA: dns; mail.example.net",
  "",
  "Final-Recipient: rfc822; bob@example.org",
  "--4XyZ.1704067200/mail.example.net",
  "Content-Type: message/rfc822-headers",
  "",
  "Subject: returned",
  "--4XyZ.1704067200/mail.example.net",
  "Content-Type: message/partial; id=1",
  "",
  "Subject: partial",
  "--4XyZ.1704067200/mail.example.net",
  "Content-Type: message/global",
  "",
  "Subject: global",
  "",
  "x",
  "--4XyZ.1704067200/mail.example.net--",
);

const digest = lines(
  "Content-Type: multipart/digest; boundary=d",
  "",
  "--d",
  "",
  "Subject: one",
  "",
  "body: one",
  "--d",
  "Content-Type: text/plain",
  "",
  "Subject: no header",
  "--d",
  "Content-Type: application/octet-stream",
  "",
  "Subject: two",
  "",
  "--d",
  "garbage in place of headers",
  "Subject: no header",
  "--d",
  "Content-Type: (nothing",
  "",
  "Subject: no header",
  "--d--",
  "--d",
  "X: y",
);

const boundaries = lines(
  'Content-Type: multipart/mixed; boundary="a\\"b";',
  "    boundary=second; (a (nested) comment \\) ; boundary=no)",
  '    boundary="fold  ',
  '     ed"',
  "Content-Type: multipart/mixed; boundary=another",
  "",
  '--a"b',
  "A: 1",
  "",
  "--second and what follows",
  "B: 2",
  "--fold     ed",
  "C: 3",
  "",
  "--fold ed",
  "D: 4",
  "",
  "--another--x",
  "E: 5",
  "",
  "---",
  "--",
);

const messages: Record<string, string> = {
  "an ordinary message": ordinary,
  "a multipart": mixed,
  "a bounce": bounce,
  "a digest": digest,
  "many boundaries": boundaries,
  "line ends of CR LF": mixed.replaceAll("\n", "\r\n"),
  "CR LF behind headers alone": ordinary.replaceAll("\n", "\r\n"),
  "no line end at the end": mixed.slice(0, -1),
  "nothing": "",
  "an empty line": "\n",
  "headers alone": "A: 1\nB: 2\n  3\n",
  "half a line": "A: 1",
  "a body alone": "\nA: 1\n",
  "From_ first": `From alice@example.com Mon Jan  1 00:00:00 2024\n${ordinary}`,
  ">From first": `>From: x\n${ordinary}`,
  "white space first": ` A: 1\n${ordinary}`,
  "headers that garbage ends": "A: 1\ngarbage\nB: 2\n\nC: 3\n",
  "headers that a boundary ends": mixed.replaceAll("\n\n", "\n"),
  "null bytes": "A\0: 1\nB: 2\0: 3\n 4\0 5\n\0 6\nC: 7\n\nx\0y\n\0\nz\n",
  "bytes that are no text": "A: \xff\xfe\n \xe4\nB\xe4: 2\n\n\xe4\xf6\xfc\n",
  "UTF-8": "A: \xc3\xa4\n\n\xc3\xb6: \xe2\x82\xac\n",
  "control characters": "A\x01: 1\nB: \x01\x7f\n\x7f: 2\nC\x7f: 3\n",
  "a message in a message": "Content-Type: message/rfc822\n\n".repeat(30) +
    "A: 1\n\nB: 2\n",
  "an empty boundary": 'Content-Type: multipart/x; boundary=""\n\n' +
    "--\n--a\nA: 1\n\n----\nB: 2\n",
  "a long boundary": `Content-Type: multipart/x; boundary=${
    "b".repeat(3000)
  }\n\n--${"b".repeat(2047)}\nA: 1\n--${"b".repeat(2048)}c\nB: 2\n`,
  "a header longer than the limit": `A: ${"a".repeat(102390)}\n 1\n${
    " 2\n".repeat(40_000)
  }B: 2\n\nC: 3\n`,
  "a line longer than the limit": `A: ${"a".repeat(300_000)}\n 1\n\n${
    "b".repeat(300_000)
  }\n`,
  "multiparts deeper than the limit": Array.from(
    { length: 110 },
    (_, level) =>
      `Content-Type: multipart/x; boundary=${level}.\n\n--${level}.`,
  ).join("\n") + "\nA: 1\n\n--101.\nB: 2\n\n--102.\nC: 3\n",
};

function bytes(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

function keysOf(
  message: string,
  query: MessageQuery,
  limits: MessageLimits = defaultLimits,
): string[] {
  const keys = new MessageKeys(query, limits);
  const found: string[] = [];
  const physical = message.split("\n");
  if (physical.at(-1) === "") physical.pop();
  for (const line of physical) {
    if (!keys.done) found.push(...keys.push(line));
  }
  return [...found, ...keys.end()];
}

function printed(keys: readonly string[]): { code: number; stdout: string } {
  return {
    code: keys.length > 0 ? 0 : 1,
    stdout: keys.map((key) => `${key}\tx\n`).join(""),
  };
}

Deno.test("messages give the keys that they give postmap", async (t) => {
  await using folder = await Folder.make();
  await folder.mailConfiguration();
  const compare = async (
    name: string,
    [option, query]: typeof queries[number],
  ) => {
    const stdin = bytes(messages[name]);
    const { code, stdout } = await runPostmap(
      ["-c", folder.path, option, "-q", "-", "static:x"],
      { stdin },
    );
    const ours = printed(keysOf(messages[name], query));
    assertEquals(ours, { code, stdout }, `${option}: ${name}`);
  };
  for (const name of Object.keys(messages)) {
    await t.step(name, async () => {
      await atOnce(3, queries, (query) => compare(name, query));
    });
  }
});

Deno.test("command line looks up the lines of messages as postmap does", async () => {
  await using folder = await Folder.make();
  await folder.mailConfiguration();
  const checks = await folder.write(
    "checks",
    "/^Content-Type:[^;]*;\\s+boundary/ folded\n/^subject:/ a subject\n" +
      "/^$/ nothing\n/text/ some text\n",
  );
  const all = ["-b", "-h", "-m", "-bm", "-hm", "-bh", "-bhm"];
  const inline = "inline:{{ from: a@example.com = x}, {text: plain=y},{ä=z}}";
  const cases: [string[], string][] = [
    ...all.map((option): [string[], string] => [
      [option, "-q", "-", "static:x"],
      mixed,
    ]),
    ...Object.values(messages).map((message): [string[], string] => [
      ["-bhmq-", "static:x"],
      message,
    ]),
    [["-hmq", "-", inline], mixed],
    [["-fbhmq", "-", inline, "static:x"], mixed],
    [["-hq", "-", "inline:{a=b}"], mixed],
    [["-hq", "-", "static:x", "nosuch:x"], mixed],
    [["-hq", "-", "fail:x"], mixed],
    [["-hmq", "-", `regexp:${checks}`], lines(...mixed.split("\n", 12))],
    ...["-bh", "-Ubh", "-ubh", "-uUbh", "-m", "-um", "-Um"].flatMap((option) =>
      ["bytes that are no text", "UTF-8"].map((name): [string[], string] => [
        [option, "-q", "-", inline, "static:x"],
        messages[name],
      ])
    ),
    ...["-b", "-hm", "-m"].flatMap((option) =>
      [["-q", "k"], ["-q", ""], ["-d", "k"], ["-d", "-"], ["-s"], ["-i"]].map((
        action,
      ): [string[], string] => [[option, ...action, "static:x"], mixed])
    ),
    [["-h", "static:x"], mixed],
  ];
  // postmap waits a second when something is fatal.
  await atOnce(16, cases, async ([args, message]) => {
    const given = { stdin: bytes(message) };
    const expected = await runPostmap(["-c", folder.path, ...args], given);
    const actual = await runCli(["-c", folder.path, ...args], given);
    assertEquals(
      [actual.code, actual.stdout],
      [expected.code, expected.stdout],
      args.join(" "),
    );
  });
  const alone = await runCli(["-mq-", "static:x"], { stdin: "k" });
  assertEquals(alone.stdout, "k\tx\n");
  assertStringIncludes(alone.stderr, "warning: -m does nothing without");
});

Deno.test("command line takes the limits of messages from main.cf", async () => {
  await using folder = await Folder.make();
  const settings: [string, string][] = [
    ["header_size_limit", "60"],
    ["mime_nesting_limit", "1"],
    ["mime_boundary_length_limit", "3"],
    ["mime_nesting_limit", "0"],
    ["header_size_limit", "1k"],
    ["header_size_limit", ""],
    ["header_size_limit", "$size\nsize = 70"],
  ];
  await atOnce(8, settings, async ([name, value], number) => {
    const directory = `${folder.path}/${number}`;
    await Deno.mkdir(directory);
    await folder.write(`${number}/main.cf`, `${name} = ${value}\n`);
    const args = ["-c", directory, "-bhmq", "-", "static:x"];
    for (const message of [mixed, ordinary]) {
      const expected = await runPostmap(args, { stdin: message });
      const actual = await runCli(args, { stdin: message });
      assertEquals(
        [actual.code, actual.stdout],
        [expected.code, expected.stdout],
        `${name} = ${value}`,
      );
      if (actual.code === 0) continue;
      assertStringIncludes(actual.stderr, `${name} = ${value}: need`);
      break;
    }
  });
});

Deno.test("command line reads no more of a message than its headers, if it needs no more", async () => {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "cli.ts", "-hq", "-", "static:x"],
    cwd: root,
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(bytes("A: 1\n\nthe body never ends"));
  const { code, stdout } = await child.output();
  assertEquals([code, byteText.decode(stdout)], [0, "A: 1\tx\n"]);
  await writer.close().catch(() => {});
});

const pieces = [
  "\n",
  "\n\n",
  "\r\n",
  "\r",
  "\0",
  "\xff",
  " ",
  "\t",
  ":",
  ";",
  '"',
  "(",
  ")",
  "\\",
  "--",
  "-",
  "=",
  "/",
  "boundary=",
  "boundary=inner",
  "; boundary=d",
  "\n--inner\n",
  "\n--inner--\n",
  "\n--d\n",
  "\nContent-Type: ",
  "\nContent-Type: message/rfc822\n\n",
  "\nContent-Type: multipart/mixed; boundary=inner\n\n",
  "\nContent-type : multipart/digest;\n\tboundary=d\n",
  "\nX-Header: value\n",
  "\n continued\n",
  "From ",
  "text",
  "message",
  "multipart",
];

function mutate(random: Random, message: string): string {
  for (let count = random.integer(0, 8); count > 0; count--) {
    const at = random.integer(0, message.length);
    const length = random.integer(0, random.pick([1, 1, 3, 30]));
    const other = Object.values(messages)[random.integer(0, 7)];
    const from = random.integer(0, other.length);
    const [before, after] = [message.slice(0, at), message.slice(at + length)];
    message = random.pick([
      () => before + after,
      () => before + random.pick(pieces) + message.slice(at),
      () => before + random.pick(pieces) + after,
      () => before + other.slice(from, from + random.integer(1, 200)) + after,
      () => before + message.slice(at, at + length) + message.slice(at),
    ])();
  }
  return message;
}

Deno.test("random messages give the keys that they give postmap", async () => {
  const random = Random.seeded("postmap_message");
  await using folder = await Folder.make();
  const names = Object.keys(messages).filter((name) => !/long/.test(name));
  const cases = Array.from({ length: rounds }, () => {
    let message = mutate(random, messages[random.pick(names)]);
    // postmap loses such a line when no line end follows.
    if (message.endsWith("\xff")) message += "\n";
    const limits = random.chance(0.5) ? defaultLimits : {
      headerSize: random.integer(1, 80),
      nesting: random.integer(1, 3),
      boundaryLength: random.integer(1, 9),
    };
    return { message, limits, query: random.pick(queries) };
  });
  await atOnce(4, cases, async ({ message, limits, query }, number) => {
    const directory = `${folder.path}/${number}`;
    await Deno.mkdir(directory);
    await folder.write(
      `${number}/main.cf`,
      [
        "compatibility_level = 3.6",
        `header_size_limit = ${limits.headerSize}`,
        `mime_nesting_limit = ${limits.nesting}`,
        `mime_boundary_length_limit = ${limits.boundaryLength}`,
        "",
      ].join("\n"),
    );
    const [option, fields] = query;
    const { code, stdout } = await runPostmap(
      ["-c", directory, option, "-q", "-", "static:x"],
      { stdin: byteText.encode(message) },
    );
    assertEquals(
      printed(keysOf(message, fields, limits)),
      { code, stdout },
      `${option} ${JSON.stringify({ limits, message })}`,
    );
  });
});
