import {
  assert,
  assertEquals,
  assertMatch,
  assertStringIncludes,
} from "../support/assert.ts";
import { Folder } from "../support/folder.ts";
import { latin1 } from "../support/latin1.ts";
import { atOnce, root, runCli } from "../support/processes.ts";
import { ScriptedServer } from "../support/scripted_server.ts";

// Each gives one clear line on standard error, exit status 1, and nothing is sent.

interface Case {
  args: string[];
  stdin?: string | Uint8Array;
  message: string;
}

Deno.test("command line meets bad input with one clear line", async (t) => {
  await using folder = await Folder.make();
  await using server = new ScriptedServer(() => ["END\r\n"]);
  await folder.mailConfiguration();
  const file = async (name: string, more: string) =>
    `memcache:${await folder.write(
      name,
      `memcache = ${server.server}\n${more}\n`,
    )}`;
  const good = await file("good.cf", "");
  const unreadable = await folder.write("unreadable.cf", "");
  const injection = "k\r\nset x 0 0 1\r\n1\r\n";
  const long = "k".repeat(300);

  const cases: Case[] = [
    {
      args: ["-q", "k", await file("1.cf", "ttl = soon")],
      message: "1.cf, line 2: ttl = soon",
    },
    {
      args: ["-q", "k", await file("2.cf", "max_try = 0")],
      message: "2.cf, line 2: max_try = 0",
    },
    {
      args: ["-q", "k", await file("3.cf", "key_format = a%")],
      message: "3.cf, line 2: memcache:",
    },
    {
      args: ["-q", "k", await file("4.cf", "key_digest = rot13")],
      message: 'unknown digest "rot13"',
    },
    {
      args: ["-q", "k", await file("5.cf", "nonsense")],
      message: "5.cf, line 2: ",
    },
    {
      args: ["-q", "k", await file("6.cf", "backup = nosuch:x")],
      message: '6.cf, line 2: backup: nosuch:x: unknown table type "nosuch"',
    },
    {
      args: ["-q", "k", await file("8.cf", "backup = /etc/aliases")],
      message: "8.cf, line 2: backup: need type:name",
    },
    {
      args: ["-q", "k", await file("9.cf", "domain = a.com nosuch:x")],
      message: '9.cf, line 2: domain: nosuch:x: unknown table type "nosuch"',
    },
    {
      args: ["-q", "k", await file("10.cf", "domain = !")],
      message: "10.cf, line 2: domain: domain list: no pattern",
    },
    {
      args: ["-q", "k", await file("7.cf", "domain = /no/file")],
      message: "7.cf, line 2: domain: /no/file: there is no such file",
    },
    {
      args: ["-q", "k", await file("11.cf", "backup = texthash:/no/file")],
      message: "11.cf, line 2: backup: /no/file: there is no such file",
    },
    {
      args: [
        "-q",
        "k",
        await file("12.cf", "user=u\npassword_file = /no/file"),
      ],
      message: "12.cf, line 3: password_file: /no/file: there is no such file",
    },
    {
      args: [
        "-q",
        "k",
        `memcache:${await folder.write(
          "13.cf",
          "memcache = tls:localhost:1\ntls_CAfile = /no/file\n",
        )}`,
      ],
      message: "13.cf, line 2: tls_CAfile: /no/file: there is no such file",
    },
    {
      args: ["-q", "k", `memcache:${folder.path}/missing.cf`],
      message: "missing.cf: there is no such file",
    },
    {
      args: ["-q", "k", `memcache:${folder.path}`],
      message: "this is a directory",
    },
    { args: ["-q", "k", "nosuch:x"], message: 'unknown table type "nosuch"' },
    { args: ["-q", "k", "noname"], message: "need type:name" },
    {
      args: ["-q", "k", "memcache:{memcache=localhost}"],
      message: "no transport",
    },
    {
      args: ["-q", "k", "memcache:{memcache=inet:localhost:0}"],
      message: "port 0",
    },
    {
      args: ["-q", "k", "memcache:{memcache=inet:localhost:99999}"],
      message: "port 99999",
    },
    {
      args: ["-q", "k", "memcache:{memcache=inet:localhost:}"],
      message: "no port",
    },
    { args: ["-q", long, good], message: "set key_digest" },
    { args: ["-d", long, good], message: "set key_digest" },
    { args: ["-i", good], stdin: `${long} value\n`, message: "set key_digest" },
    {
      args: ["-i", good],
      stdin: "key\n",
      message: 'standard input, line 1: need "key white-space value"',
    },
    {
      args: ["-i", good],
      stdin: "# x\n\nkey \n",
      message: "standard input, line 3: ",
    },
    { args: ["-i", good], stdin: '"key value\n', message: "unbalanced" },
    {
      args: ["-i", good],
      stdin: "  key value\n",
      message: "line 1: a line that continues nothing",
    },
    {
      args: ["-i", good],
      stdin: Uint8Array.of(0x6b, 0xff, 0x20, 0x76, 10),
      message: "line 1: it is not UTF-8",
    },
    { args: ["-i", good], stdin: '"a b" value\n', message: "white space" },
    { args: ["-i", good], stdin: "key value\0more\n", message: "null byte" },
    {
      args: ["-q", "a", "-d", "b", good],
      message: "only one of -q, -d, -i and -s",
    },
    { args: ["-is", good], message: "only one of -q, -d, -i and -s" },
    {
      args: ["-d", "k", good, "nosuch:x"],
      message: 'unknown table type "nosuch"',
    },
    { args: ["-d", "k", "inline:{k=v}"], message: "read-only" },
    { args: ["-i", "inline:{k=v}"], stdin: "k v\n", message: "read-only" },
    { args: ["-q", "k"], message: "no table" },
    { args: ["-Z", "k", good], message: "unknown option -Z" },
    {
      args: ["-c", "/no/such/dir", "-q", "ä", "memcache:{ttl=x}"],
      message: "ttl = x",
    },
    {
      args: ["-q", "-", good],
      stdin: "x".repeat(3_000_000),
      message: "a line is longer than",
    },
  ];
  await atOnce(4, cases, async ({ args, stdin, message }) => {
    const { code, stdout, stderr } = await runCli(args, { stdin });
    await t.step({
      name: `${args.join(" ").slice(0, 60)} ${message}`,
      sanitizeOps: false,
      sanitizeResources: false,
      sanitizeExit: false,
      fn: () => {
        assertEquals([code, stdout], [1, ""]);
        assertMatch(stderr, /^memcache-table: (fatal|warning): [^\n]*\n$/);
        assertStringIncludes(stderr, message);
      },
    });
  });

  const streams = await new Deno.Command("bash", {
    args: [
      "-c",
      '"$0" run -A cli.ts -q - static:x </tmp; "$0" run -A cli.ts -q k static:x >/dev/full',
      Deno.execPath(),
    ],
    cwd: root,
  }).output();
  assertMatch(
    latin1(streams.stderr),
    /^memcache-table: fatal: standard input: .*\nmemcache-table: fatal: standard output: .*\n$/,
  );

  // A person without the right to read a file.
  await Deno.chmod(unreadable, 0);
  if (Deno.uid() !== 0) {
    const { stderr } = await runCli(["-q", "k", `memcache:${unreadable}`]);
    assertStringIncludes(stderr, "does not let you read it");
  }

  // A key that would be a command is not found, and says nothing.
  for (const args of [["-q", injection, good], ["-d", injection, good]]) {
    const { code, stdout, stderr } = await runCli(args);
    assertEquals([code, stdout, stderr], [1, "", ""]);
  }
  const verbose = await runCli(["-v", "-q", injection, good]);
  assertStringIncludes(verbose.stderr, "white space or a control character");
  assert(!verbose.stderr.includes("\r"));
  assertEquals(server.lines, []);
});

Deno.test("command line refuses a key that is not UTF-8, typed or piped", async () => {
  await using folder = await Folder.make();
  await using server = new ScriptedServer(
    ({ line }) => [`VALUE ${line.slice(4)} 0 1\r\n1\r\nEND\r\n`],
  );
  const table = `memcache:${await folder.write(
    "t.cf",
    `memcache = ${server.server}\n`,
  )}`;
  await folder.mailConfiguration();
  // A shell of its own: Deno.Command takes no bytes as arguments.
  const typed = async (options: string) => {
    const script =
      `exec "$0" run -A cli.ts -c "$1" ${options} "$(printf 'a\\377')" "$2"`;
    const { code, stdout, stderr } = await new Deno.Command("bash", {
      args: ["-c", script, Deno.execPath(), folder.path, table],
    }).output();
    return {
      code,
      stdout: latin1(stdout),
      stderr: new TextDecoder().decode(stderr),
    };
  };
  for (const option of ["-q", "-d"]) {
    const { code, stdout, stderr } = await typed(option);
    assertEquals([code, stdout], [1, ""]);
    assertMatch(
      stderr,
      /^memcache-table: warning: skipping a key that is not UTF-8.*\n$/,
    );
  }
  const piped = await runCli(["-c", folder.path, "-q", "-", table], {
    stdin: Uint8Array.of(0x61, 0xff, 10),
  });
  assertEquals([piped.code, piped.stdout], [1, ""]);
  assertMatch(piped.stderr, /not UTF-8/);
  assertEquals(server.lines, []);
  assertEquals((await typed("-u -q")).stdout, "1\n");
  assertEquals((await typed("-uq")).stdout, "1\n");
  assertEquals(server.lines, ["get a\xff", "get a\xff"]);
});
