import {
  assert,
  assertEquals,
  assertMatch,
  assertStringIncludes,
} from "../support/assert.ts";
import { Folder } from "../support/folder.ts";
import { freePort, Memcached } from "../support/memcached.ts";
import { peakMemory } from "../support/peak_memory.ts";
import { latin1 } from "../support/latin1.ts";
import { root, runCli, runPostmap } from "../support/processes.ts";

Deno.test("command line stores, finds and deletes in a real memcached", async () => {
  await using memcached = await Memcached.tcp();
  await using folder = await Folder.make();
  const table = `memcache:${await folder.write(
    "t.cf",
    `memcache = ${memcached.server}\nkey_format = t:%s\nttl = 60\n`,
  )}`;
  const source = [
    "# aliases",
    "Alice  one",
    "bob two",
    "   words",
    "",
    "STRAßE three",
    "bob again",
  ].join("\n");
  const loaded = await runCli(["-i", table], { stdin: source });
  assertEquals(loaded, { code: 0, stdout: "", stderr: "" });
  assertEquals(await memcached.get("t:bob"), "again");
  assertEquals((await runCli(["-q", "ALICE", table])).stdout, "one\n");
  assertEquals(
    (await runCli(["-jq", "ALICE", table])).stdout,
    '{"ALICE": "one"}\n',
  );
  const all = await runCli(["-q", "-", table], {
    stdin: "alice\nnobody\nBOB\nstrasse\n\nAlice",
  });
  assertEquals(
    all.stdout,
    "alice\tone\nBOB\tagain\nstrasse\tthree\nAlice\tone\n",
  );
  assertEquals(all.code, 0);
  assertEquals(await runCli(["-q", "nobody", table]), {
    code: 1,
    stdout: "",
    stderr: "",
  });
  assertEquals(await runCli(["-d", "ALICE", table]), {
    code: 0,
    stdout: "",
    stderr: "",
  });
  assertEquals(await runCli(["-d", "alice", table]), {
    code: 1,
    stdout: "",
    stderr: "",
  });
  assertEquals(
    (await runCli(["-d", "-", table], { stdin: "x\nbob\n" })).code,
    0,
  );
  assertEquals(
    (await runCli(["-d", "-", table], { stdin: "x\nbob\n" })).code,
    1,
  );
  assertEquals((await runCli(["-q", "-", table], { stdin: "" })).code, 1);
});

Deno.test("command line asks table after table, and deletes from all", async () => {
  await using memcached = await Memcached.tcp();
  const one = `memcache:{memcache=${memcached.server} key_format=1:%s}`;
  const two = `memcache:{memcache=${memcached.server} key_format=2:%s}`;
  await memcached.set("1:a", "one");
  await memcached.set("2:a", "two");
  await memcached.set("2:b", "two");
  assertEquals((await runCli(["-q", "a", one, two])).stdout, "one\n");
  assertEquals((await runCli(["-q", "b", one, two])).stdout, "two\n");
  // As with postmap, a table that is not needed is not opened.
  assertEquals((await runCli(["-q", "a", one, "nosuch:x"])).stdout, "one\n");
  const both = await runCli(["-q", "-", one, two], { stdin: "a\nb\nc\n" });
  assertEquals(both.stdout, "a\tone\nb\ttwo\n");
  assertEquals((await runCli(["-d", "a", one, two])).code, 0);
  assertEquals(await memcached.get("1:a"), undefined);
  assertEquals(await memcached.get("2:a"), undefined);
});

Deno.test("command line stores all good lines though some are not", async () => {
  await using memcached = await Memcached.tcp();
  const table = `memcache:{memcache=${memcached.server}}`;
  const { code, stderr } = await runCli(["-i", table], {
    stdin: Uint8Array.from(
      'a 1\nwrong\nb\xff 2\nc 3\n"x y" 4\nd: 5',
      (character) => character.charCodeAt(0),
    ),
  });
  assertEquals(code, 1);
  assertEquals(await memcached.get("a"), "1");
  assertEquals(await memcached.get("c"), "3");
  assertEquals(await memcached.get("d:"), "5");
  assertEquals(
    stderr.trim().split("\n").map((line) =>
      /line (\d+)/.exec(line)?.[0] ?? line
    ),
    ["line 2", "line 3", "line 5", "line 6"],
  );
});

Deno.test("command line prints an empty value, with a warning", async () => {
  await using memcached = await Memcached.tcp();
  await memcached.set("e", "");
  const table = `memcache:{memcache=${memcached.server}}`;
  for (
    const [args, stdin, expected] of [
      [["-q", "e"], "", "\n"],
      [["-q", "-"], "e\n", "e\t\n"],
    ] as const
  ) {
    const { code, stdout, stderr } = await runCli([...args, table], { stdin });
    assertEquals([code, stdout], [0, expected]);
    assertMatch(stderr, /warning: .*is empty/);
  }
});

Deno.test("command line escapes JSON as Postfix does", async () => {
  const { stdout } = await runCli([
    "-jq",
    'a"\\\n\t\x01\x7fé/',
    "static:{v\b\f\rx}",
  ]);
  assertEquals(
    stdout,
    latin1(
      new TextEncoder().encode(
        '{"a\\"\\\\\\n\\t\\u0001\\u007Fé/": "v\\b\\f\\rx"}\n',
      ),
    ),
  );
});

Deno.test("command line lists a table", async () => {
  const table = "inline:{a=1, {b = 2 3}}";
  assertEquals((await runCli(["-s", table])).stdout, "a\t1\nb\t2 3\n");
  assertEquals(
    (await runCli(["-sj", table])).stdout,
    '{"a": "1"}\n{"b": "2 3"}\n',
  );
  assertEquals(
    (await runCli(["-s", `memcache:{{backup = ${table}}}`])).stdout,
    "a\t1\nb\t2 3\n",
  );
  const nothing = await runCli(["-s", "memcache:{}"]);
  assertEquals([nothing.code, nothing.stdout], [0, ""]);
  assertMatch(nothing.stderr, /warning: .*backup/);
  const never = await runCli(["-s", "static:x"]);
  assertEquals(never.code, 1);
  assertMatch(never.stderr, /fatal: static:x cannot be listed/);
});

Deno.test("command line says what it does when it is asked to", async () => {
  await using memcached = await Memcached.tcp();
  const { stderr, stdout } = await runCli([
    "-v",
    "-q",
    "Key",
    `memcache:{memcache=${memcached.server} key_format=v:%s}`,
  ]);
  assertEquals(stdout, "");
  assertMatch(stderr, /info: .*ttl = 3600/);
  assertMatch(stderr, /info: .*connected to inet:127/);
  assertMatch(stderr, /info: .*lookup "key" as "v:key": not found/);
});

Deno.test("command line runs with the permissions it needs, and names the one it lacks", async () => {
  await using memcached = await Memcached.tcp();
  await using folder = await Folder.make();
  await Deno.chmod(folder.path, 0o777);
  await memcached.set("k", "v");
  const { port } = memcached.address as Deno.ConnectOptions;
  const path = await folder.write(
    "t.cf",
    `memcache = inet:127.0.0.1:${port}\n`,
  );
  const net = `--allow-net=127.0.0.1:${port}`;
  const read = `--allow-read=${folder.path}`;
  const table = `memcache:${path}`;
  const tried = async (permissions: string[], args: string[], stdin = "") => {
    const { code, stdout, stderr } = await runCli(args, { permissions, stdin });
    assert(!/\bat .*:\d+:\d+/.test(stderr), "a stack trace");
    return code === 0 ? stdout : stderr;
  };
  assertEquals(await tried([net, read], ["-q", "k", table]), "v\n");
  assertEquals(await tried([net, read], ["-q", "-", table], "k\n"), "k\tv\n");
  assertEquals(await tried([net, read], ["-i", table], "x y\n"), "");
  assertEquals(await tried([net, read], ["-d", "x", table]), "");
  assertEquals(await tried([net, read], ["-s", "inline:{a=b}"]), "a\tb\n");
  assertStringIncludes(await tried([read], ["-q", "k", table]), net);
  assertStringIncludes(
    await tried([net], ["-q", "k", table]),
    `--allow-read=${path}`,
  );
  assertStringIncludes(
    await tried([net, "--allow-net=127.0.0.1:1"], ["-q", "ä", table]),
    "--allow-read=",
  );
  const socket = `${folder.path}/mc.sock`;
  await using _unix = await Memcached.unix(socket);
  const unix = `memcache:{memcache=unix:${socket}}`;
  const said = await tried([], ["-i", unix], "k w\n");
  const flags = said.match(/--allow-\S+/g) ?? [];
  assertEquals(flags, [
    `--allow-net=unix:${socket}`,
    `--allow-read=${socket}`,
    `--allow-write=${socket}`,
  ]);
  assertEquals(await tried(flags, ["-i", unix], "k w\n"), "");
  assertEquals(await tried(flags, ["-q", "k", unix]), "w\n");
});

Deno.test("command line ends quietly when nobody reads its output", async () => {
  const script =
    `yes key | head -n 300000 | "$0" run -A cli.ts -q - static:value | head -n 1; echo "\${PIPESTATUS[2]}"`;
  const { stdout, stderr } = await new Deno.Command("bash", {
    args: ["-c", script, Deno.execPath()],
    cwd: root,
  }).output();
  assertEquals(latin1(stdout), "key\tvalue\n141\n");
  assertEquals(latin1(stderr), "");
});

Deno.test("command line prints nothing of a short run that fails, as postmap does", async () => {
  for (const stdin of ["a\nb\n", "a\nb", "a\n\n"]) {
    const args = ["-q", "-", "inline:{a=1}", "fail:x"];
    const { code, stdout } = await runCli(args, { stdin });
    const expected = await runPostmap(args, { stdin });
    assertEquals([code, stdout], [expected.code, expected.stdout]);
    assertEquals([code, stdout], [1, ""]);
  }
});

Deno.test("command line prints of a run that fails as many blocks as postmap does", async () => {
  await using folder = await Folder.make();
  const many = Array.from(
    { length: 2000 },
    (_, at) => `k${at} ${"v".repeat(at % 50)}x\n`,
  );
  const source = await folder.write("source", many.join(""));
  for (const count of [1, 300, 1500, 5000, 20_000]) {
    const keys = Array.from({ length: count }, (_, at) => `k${at % 2000}\n`);
    const stdin = `${keys.join("")}nosuch\n${keys[0]}`;
    const args = ["-q", "-", `texthash:${source}`, "fail:x"];
    const ours = await runCli(args, { stdin });
    const theirs = await runPostmap(args, { stdin });
    assertEquals([ours.code, theirs.code], [1, 1]);
    assertEquals(ours.stdout.length, theirs.stdout.length, `${count} keys`);
    assert(ours.stdout === theirs.stdout, `${count} keys`);
  }
});

Deno.test("command line streams: answers come before the input ends", async () => {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "cli.ts", "-q", "-", "inline:{a=1,b=2}"],
    cwd: root,
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  const reader = child.stdout.getReader();
  for (const [key, line] of [["a\n", "a\t1\n"], ["x\nb\n", "b\t2\n"]]) {
    await writer.write(new TextEncoder().encode(key));
    const { value } = await reader.read();
    assertEquals(latin1(value!), line);
  }
  await writer.close();
  assertEquals((await reader.read()).done, true);
  reader.releaseLock();
  await child.stdout.cancel();
  assertEquals((await child.status).code, 0);
});

Deno.test("command line needs no more memory for more lines", async () => {
  const peak = async (lines: number) => {
    const { peak } = await peakMemory((commandLine) =>
      `yes somebody@example.com | head -n ${lines} | ` +
      `${commandLine} -q - static:v | tail -n 1`
    );
    return peak;
  };
  // Both are past the size that the heap takes anyway.
  const few = await peak(2_000_000);
  const many = await peak(8_000_000);
  console.log(`peak memory in MiB: ${few} of 2 million lines, ${many} of 8`);
  assert(few > 20 && many < few * 1.2 + 16, `${few} MiB, then ${many} MiB`);
});

for (
  const [what, line] of [
    ["lines that may be boundaries", "--somebody@example.com"],
    ["null bytes", "somebody\\x00@example.com"],
  ]
) {
  Deno.test(`command line needs no more memory for a longer message: ${what}`, async () => {
    const peak = async (lines: number) => {
      const { peak } = await peakMemory((commandLine) =>
        `(printf 'Subject: s\\n\\n'; yes | head -n ${lines} | ` +
        `sed 's/.*/${line}/') | ` +
        `${commandLine} -b -q - static:v | tail -n 1`
      );
      return peak;
    };
    const few = await peak(1_000_000);
    const many = await peak(4_000_000);
    console.log(`peak memory in MiB: ${few} of 1 million lines, ${many} of 4`);
    assert(few > 20 && many < few * 2, `${few} MiB, then ${many} MiB`);
  });
}

Deno.test("command line goes on with the backup while memcached is down", async () => {
  const { code, stdout, stderr } = await runCli([
    "-q",
    "-",
    `memcache:{memcache=inet:127.0.0.1:${freePort()} {backup = inline:{a=1,b=2}}}`,
  ], { stdin: "a\nb\n" });
  assertEquals([code, stdout], [0, "a\t1\nb\t2\n"]);
  assertEquals(stderr.split("\n").length, 2);
});
