import { assertEquals } from "../support/assert.ts";
import { Folder } from "../support/folder.ts";
import { atOnce, runCli, runPostmap } from "../support/processes.ts";
import {
  type ReceivedRequest,
  ScriptedServer,
  type Step,
} from "../support/scripted_server.ts";

// What memcached would not do, done to postmap and to the command line: the
// same answer, the same exit status, the same requests on as many connections.
// Postfix believes a value of any key; here that is a failure, so each value has
// the key that was asked for.

type Script = (request: ReceivedRequest) => readonly Step[];

interface Case {
  name: string;
  script: Script;
  parameters?: string;
  args?: string[];
  stdin?: string;
}

const good = "VALUE k 0 5\r\nhello\r\nEND\r\n";
/** Values of all keys of a line. */
const values = (line: string, end = "END\r\n") =>
  line.split(" ").slice(1).map((key) => `VALUE ${key} 0 5\r\nhello\r\n`)
    .join("") + end;
const always = (...steps: Step[]): Script => () => steps;
const firstThen =
  (steps: Step[], ...then: Step[]): Script => ({ connection }) =>
    connection === 0 ? steps : then;

/** One reply to `get`, sent in one piece by itself. */
const getReplies: Record<string, string> = {
  "a value": good,
  "not found": "END\r\n",
  "bare LF": "VALUE k 0 5\nhello\r\nEND\n",
  "other flags": "VALUE k 4294967295 5\r\nhello\r\nEND\r\n",
  "a cas number": "VALUE k 0 5 123456\r\nhello\r\nEND\r\n",
  "no space after VALUE": "VALUEk 0 5\r\nhello\r\nEND\r\n",
  "more white space": "VALUE  \t k\t0   5\r\nhello\r\nEND\r\n",
  "a length with a sign": "VALUE k 0 +5\r\nhello\r\nEND\r\n",
  "a length with zeros": "VALUE k 0 0005\r\nhello\r\nEND\r\n",
  "text after the length": "VALUE k 0 5x\r\nhello\r\nEND\r\n",
  "an empty value": "VALUE k 0 0\r\n\r\nEND\r\n",
  "a null byte in the value": "VALUE k 0 5\r\nhe\0lo\r\nEND\r\n",
  "a line end in the value": "VALUE k 0 5\r\nh\r\nlo\r\nEND\r\n",
  "END as the value": "VALUE k 0 3\r\nEND\r\nEND\r\n",
  "a value that is not UTF-8": "VALUE k 0 2\r\n\xff\xfe\r\nEND\r\n",
  "a negative length": "VALUE k 0 -1\r\nEND\r\n",
  "a length that overflows":
    "VALUE k 0 99999999999999999999\r\nhello\r\nEND\r\n",
  "no length": "VALUE k 0\r\nhello\r\nEND\r\n",
  "data over the limit": `VALUE k 0 10241\r\n${"x".repeat(10241)}\r\nEND\r\n`,
  "data at the limit": `VALUE k 0 10240\r\n${"x".repeat(10240)}\r\nEND\r\n`,
  "data longer than announced": "VALUE k 0 4\r\nhello\r\nEND\r\n",
  "data that ends in a bare LF": "VALUE k 0 5\r\nhello\nEND\r\n",
  "something else than END": "VALUE k 0 5\r\nhello\r\nENDE\r\n",
  "a second value": "VALUE k 0 5\r\nhello\r\nVALUE k 0 5\r\nworld\r\nEND\r\n",
  "END and a null byte": "END\0x\r\n",
  "END and two CR": "END\r\r\n",
  "a space before END": " END\r\n",
  "end in lower case": "end\r\n",
  "an empty line": "\r\n",
  "ERROR": "ERROR\r\n",
  "SERVER_ERROR": "SERVER_ERROR out of memory\r\n",
  "STORED": "STORED\r\n",
  "garbage": "\xff\xfe\x00\x01\r\n",
  "a long line": `SERVER_ERROR ${"x".repeat(2000)}\r\n`,
  "a closing line that is too long": `VALUE k 0 5\r\nhello\r\n${
    "x".repeat(1100)
  }\r\n`,
};

const cases: Case[] = [];

for (const [name, reply] of Object.entries(getReplies)) {
  cases.push({
    name: `get: ${name}`,
    script: always(reply, "CLOSE"),
    parameters: "max_try = 1",
  });
}
cases.push({ name: "get: split at every byte", script: always(...good) });
cases.push({
  name: "get: not UTF-8, and UTF-8 is off",
  script: always(getReplies["a value that is not UTF-8"]),
  args: ["-u", "-q", "k"],
});
for (let length = 0; length < good.length; length++) {
  cases.push({
    name: `get: ${length} bytes of the reply, then closed`,
    script: always(good.slice(0, length), "CLOSE"),
    parameters: "max_try = 1",
  });
}
for (const length of [11, 12, 13, 14, 15]) {
  for (const end of ["\r\n", "\n", "\rx\n", "\r"]) {
    const line = "VALUE k 0 5".padEnd(length);
    cases.push({
      name: `get: a line of ${length} bytes and ${
        JSON.stringify(end)
      }, limit 13`,
      script: always(`${line}${end}`, "hello\r\nEND\r\n", "CLOSE"),
      parameters: "max_try = 1\nline_size_limit = 13",
    });
  }
}
for (const limit of [1, 2, 3, 4, 5, 6]) {
  cases.push({
    name: `get: END with line_size_limit = ${limit}`,
    script: always("E", "N", "D", "\r", "\n"),
    parameters: `max_try = 1\nline_size_limit = ${limit}`,
  });
}
for (const tries of [1, 2, 3]) {
  for (
    const [name, steps] of Object.entries<Step[]>({
      "an error": ["SERVER_ERROR busy\r\n"],
      "a closed connection": ["CLOSE"],
      "half a reply": ["VALUE k 0 5\r\nhel", "CLOSE"],
      "a hang": ["HANG"],
      "half a reply and a hang": ["VALUE k 0 5\r\nhel", "HANG"],
    })
  ) {
    const parameters = `max_try = ${tries}\ntimeout = 1`;
    cases.push({
      name: `get: ${name} once, ${tries} tries`,
      script: firstThen(steps, good),
      parameters,
    });
    cases.push({
      name: `get: ${name} always, ${tries} tries`,
      script: always(...steps),
      parameters,
    });
    cases.push({
      name: `delete: ${name} once, ${tries} tries`,
      script: firstThen(steps, "DELETED\r\n"),
      parameters,
      args: ["-d", "k"],
    });
    cases.push({
      name: `set: ${name} once, ${tries} tries`,
      script: ({ connection, line }) =>
        line.startsWith("get")
          ? ["END\r\n"]
          : connection === 0
          ? steps
          : ["STORED\r\n"],
      parameters: `${parameters}\nbackup = static:v`,
    });
  }
}
cases.push({
  name: "get: a hang after the data",
  script: always("VALUE k 0 5\r\nhello\r\n", "HANG"),
  parameters: "timeout = 1",
});
cases.push({
  name: "get: a hang after the data, then another key",
  script: ({ line }) => [values(line, ""), "HANG"],
  parameters: "timeout = 1",
  args: ["-q", "-"],
  stdin: "k\nl\n",
});
for (
  const reply of [
    "STORED\r\n",
    "NOT_STORED\r\n",
    "SERVER_ERROR x\r\n",
    "STORED \r\n",
    "STORED\n",
    "\r\n",
  ]
) {
  cases.push({
    name: `set: ${JSON.stringify(reply)}`,
    script: ({ line }) => line.startsWith("get") ? ["END\r\n"] : [reply],
    parameters: "max_try = 1\nbackup = static:some value\nflags = 7\nttl = 99",
  });
}
for (
  const reply of [
    "DELETED\r\n",
    "NOT_FOUND\r\n",
    "deleted\r\n",
    "ERROR\r\n",
    "NOT_FOUND\n",
    "DELETED x\r\n",
  ]
) {
  cases.push({
    name: `delete: ${JSON.stringify(reply)}`,
    script: always(reply),
    parameters: "max_try = 1",
    args: ["-d", "k"],
  });
}
cases.push({
  name: "several keys: an error in the middle",
  script: ({ line, connection }) =>
    / b( |$)/.test(line) && connection === 0 ? ["ERROR\r\n"] : [values(line)],
  args: ["-q", "-"],
  stdin: "a\nb\nc\nd\n",
});
cases.push({
  name: "several keys: always an error for one",
  script: ({ line }) => / b( |$)/.test(line) ? ["ERROR\r\n"] : [values(line)],
  args: ["-q", "-"],
  stdin: "a\nb\nc\nd\n",
});
cases.push({
  name: "several keys, a backup: always an error for one",
  script: ({ line }) =>
    line.startsWith("set")
      ? ["STORED\r\n"]
      : / b( |$)/.test(line)
      ? ["ERROR\r\n"]
      : [values(line)],
  parameters: "backup = inline:{b=of the backup}",
  args: ["-q", "-"],
  stdin: "a\nb\nc\nd\n",
});
cases.push({
  name: "a backup that fails as well",
  script: always("ERROR\r\n"),
  parameters: "max_try = 1\nbackup = fail:too",
});

async function play(
  { script, parameters, args = ["-q", "k"], stdin }: Case,
  folder: Folder,
  program: "postmap" | "cli",
  number: number,
) {
  await using server = new ScriptedServer(script);
  const file = await folder.write(
    `${program}-${number}.cf`,
    `memcache = ${server.server}\n${parameters ?? ""}\n`,
  );
  const execute = program === "cli" ? runCli : runPostmap;
  const { code, stdout } = await execute(
    ["-c", folder.path, ...args, `memcache:${file}`],
    { stdin },
  );
  // Several keys are asked in lines of their own kind: only the answers compare.
  if (stdin?.trim().includes("\n")) return { code, stdout };
  return { code, stdout, lines: server.lines, connections: server.connections };
}

Deno.test("command line bears the faults of a server as postmap does", async (t) => {
  await using folder = await Folder.make();
  await folder.mailConfiguration();
  // They wait for pauses and time-outs most of the time: many at once.
  const results: [Case, unknown, unknown][] = [];
  await atOnce(6, cases, async (one, number) => {
    const [expected, actual] = await Promise.all([
      play(one, folder, "postmap", number),
      play(one, folder, "cli", number),
    ]);
    results[number] = [one, actual, expected];
  });
  for (const [one, actual, expected] of results) {
    await t.step(one.name, () => assertEquals(actual, expected));
  }
});
