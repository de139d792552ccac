import {
  assertEquals,
  assertMatch,
  assertStringIncludes,
} from "../support/assert.ts";
import { byteText } from "../../lib/bytes/text.ts";
import { Folder } from "../support/folder.ts";
import { latin1 } from "../support/latin1.ts";
import { Memcached } from "../support/memcached.ts";
import { atOnce, root, runCli, runPostmap } from "../support/processes.ts";

/** Runs a line of bash in which `"$@"` is the command: it can type any bytes. */
async function typed(
  line: string,
  command: string[],
): Promise<{ code: number; stdout: string; stderr: string }> {
  const { code, stdout, stderr } = await new Deno.Command("bash", {
    args: ["-c", line, "bash", ...command],
    cwd: root,
    stdin: "null",
  }).output();
  return {
    code,
    stdout: latin1(stdout),
    stderr: new TextDecoder().decode(stderr),
  };
}

const ours = [Deno.execPath(), "run", "--quiet", "-A", "cli.ts"];

Deno.test("command line takes tables and keys of any bytes, as postmap does", async () => {
  await using folder = await Folder.make();
  const config = await folder.mailConfiguration();
  const lines: [string, string][] = [
    [String.raw`-u -q $'\xe9' $'inline:{\xe9=v\xe8}'`, "v\xe8\n"],
    [String.raw`-uq $'\xe9' $'inline:{\xe9=v\xe8}'`, "v\xe8\n"],
    [
      String.raw`-u -q k $'static:\xe9\ufffd' $'inline:{k=x}'`,
      "\xe9\xef\xbf\xbd\n",
    ],
    [String.raw`-u -q $'\ufffd' $'inline:{\ufffd=\xe9}'`, "\xe9\n"],
    [String.raw`-q k $'inline:{k=\xe9}'`, ""],
    [String.raw`-q k $'static:\xe9'`, ""],
    [String.raw`-q $'\ufeffk' $'inline:{\ufeffk=v}'`, "v\n"],
    [String.raw`-q k $'inline:{\ufeffk=v}'`, ""],
  ];
  await atOnce(3, lines, async ([line, stdout]) => {
    const script = `exec "$@" ${line}`;
    const expected = await typed(script, ["postmap", "-c", config]);
    assertEquals(expected.stdout, stdout, line);
    const found = await typed(script, [...ours, "-c", config]);
    assertEquals([found.code, found.stdout], [expected.code, stdout], line);
  });
});

Deno.test("command line says where a name that is not UTF-8 cannot be used", async () => {
  const lines: [string, string][] = [
    [
      String.raw`-q k $'memcache:/a\xe9'`,
      "its name is not UTF-8, and Deno can only",
    ],
    [
      String.raw`-q k $'texthash:/a\xe9'`,
      "its name is not UTF-8, and Deno can only",
    ],
    [
      String.raw`-q k $'hash:/a\xe9'`,
      "a table of this type must have a name in UTF-8",
    ],
    [
      String.raw`-c $'/a\xe9' -q k memcache:t`,
      "/main.cf: its name is not UTF-8",
    ],
    [
      String.raw`check $'memcache:/a\xe9'`,
      "its name is not UTF-8, and Deno can only",
    ],
  ];
  await atOnce(3, lines, async ([line, message]) => {
    const { code, stdout, stderr } = await typed(`exec "$@" ${line}`, ours);
    assertEquals(code, 1, line);
    assertStringIncludes(stdout + stderr, message, line);
    // Each of them shows U+FFFD in its place.
    assertMatch(stdout + stderr, /a(?:\ufffd|\xef\xbf\xbd)/, line);
  });
  const { code, stderr } = await typed(
    String.raw`MAIL_CONFIG=$'/a\xe9' exec "$@" -q k memcache:t`,
    ours,
  );
  assertEquals(code, 1);
  assertEquals(
    stderr,
    "memcache-table: fatal: the environment variable MAIL_CONFIG is not UTF-8\n",
  );
});

Deno.test("command line keeps a byte order mark of standard input, and warns", async () => {
  await using folder = await Folder.make();
  const config = ["-c", await folder.mailConfiguration()];
  const marked = "\ufeffalice one\nbob two\n";
  const hash = `hash:${folder.path}/h`;
  await runPostmap([...config, "-i", hash], { stdin: marked });
  const listed = (await runPostmap([...config, "-s", hash])).stdout;
  const kv = `kv:${folder.path}/k`;
  const warning =
    /^memcache-table: warning: standard input, line 1: an invisible byte order mark .* "alice", .*\n$/;
  const loaded = await runCli([...config, "-i", kv], { stdin: marked });
  assertMatch(loaded.stderr, warning);
  const { stdout } = await runCli([...config, "-s", kv]);
  assertEquals(
    stdout.split("\n").toSorted(),
    listed.split("\n").toSorted(),
  );
  const keys = { stdin: "\ufeffalice\nbob\n" };
  for (const option of ["", "-u"]) {
    const options = [...config, ...(option ? [option] : []), "-q", "-"];
    const expected = await runPostmap([...options, hash], keys);
    const found = await runCli([...options, kv], keys);
    assertEquals(found.stdout, expected.stdout);
    assertEquals(found.stdout, "\xef\xbb\xbfalice\tone\nbob\ttwo\n");
    assertMatch(found.stderr, warning);
  }
  const deleted = await runCli([...config, "-d", "-", kv], keys);
  assertEquals(deleted.code, 0);
  assertMatch(deleted.stderr, warning);
  assertEquals((await runCli([...config, "-s", kv])).stdout, "");
});

Deno.test("-q - and -d - end a key at its null byte, as postmap does", async () => {
  await using folder = await Folder.make();
  for (const program of [runPostmap, runCli]) {
    const table = `hash:${await folder.write("h", "a 1\nb 2\n")}`;
    assertEquals((await runPostmap([table])).code, 0);
    const found = await program(["-q", "-", table], {
      stdin: "a\0x\n\0b\nb\0\0\nb\n",
    });
    assertEquals(found.stdout, "a\t1\nb\t2\nb\t2\n", program.name);
    const { code } = await program(["-d", "-", table], { stdin: "a\0x\n" });
    const { stdout } = await runPostmap(["-s", table]);
    assertEquals([code, stdout], [0, "b\t2\n"], program.name);
  }
});

Deno.test("-q prints a value of any bytes where smtputf8_enable is no, as postmap does", async () => {
  await using folder = await Folder.make();
  await using memcached = await Memcached.tcp();
  await memcached.set("k", byteText.encode("v\xe9"));
  const bytes = (text: string) => byteText.encode(text);
  const source = await folder.write("source", bytes("k v\xe9\n"));
  const domains = await folder.write("domains", bytes("x.example v\xe9\n"));
  const cf = async (name: string, text: string) =>
    `memcache:${await folder.write(name, text)}`;
  const down = "memcache = unix:/nonexistent\nmax_try = 1\n";
  const requests: [key: string, tables: string[]][] = [
    ["k", [`texthash:${source}`]],
    ["k", ["inline:{a=b}", `texthash:${source}`]],
    ["k", [await cf("cache.cf", `memcache = ${memcached.server}\n`)]],
    ["k", [await cf("backup.cf", `${down}backup = texthash:${source}\n`)]],
    [
      "k@x.example",
      [
        await cf(
          "domain.cf",
          `memcache = ${memcached.server}\nkey_format = %u\n` +
            `domain = texthash:${domains}\n`,
        ),
      ],
    ],
  ];
  for (const utf8 of ["yes", "no"]) {
    await using own = await Folder.make();
    const config = await own.mailConfiguration(`smtputf8_enable = ${utf8}\n`);
    await atOnce(4, requests, async ([key, tables]) => {
      for (const program of [runPostmap, runCli]) {
        const { code, stdout } = await program(
          ["-c", config, "-q", key, ...tables],
        );
        assertEquals(
          [code, stdout],
          utf8 === "no" ? [0, "v\xe9\n"] : [1, ""],
          `${program.name} ${tables} ${utf8}`,
        );
      }
    });
  }
});
