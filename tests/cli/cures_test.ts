import { shellWords } from "../../lib/bytes/shell_words.ts";
import { staleKeysWarning } from "../../lib/tables/memcache/stale_keys.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { Folder } from "../support/folder.ts";
import { run, runCli } from "../support/processes.ts";

/** The words that a shell reads. */
async function wordsOf(command: string): Promise<string[]> {
  const print = `printf '%s\\n' ${command}`;
  const { code, stdout, stderr } = await run("sh", ["-c", print]);
  assertEquals([code, stderr], [0, ""], command);
  return stdout.trimEnd().split("\n");
}

/** What a message says behind `before`. */
function behind(message: string, before: string, after = "\n"): string {
  const start = message.indexOf(before) + before.length;
  assert(start >= before.length, message);
  return message.slice(start, message.indexOf(after, start));
}

Deno.test("shellWords() are what a shell reads", async () => {
  const words = [
    "plain",
    "a b",
    "",
    "it's",
    "$HOME",
    "`x`",
    "{a,b}",
    "*",
    "~",
    'q"q',
    "\\",
    "-x",
    ";",
  ];
  assertEquals(await wordsOf(shellWords(...words)), words);
  assertEquals(
    shellWords("-q", "a@b", "memcache:/t.cf"),
    "-q a@b memcache:/t.cf",
  );
});

Deno.test("a command that a message tells to run can be given to a shell", async () => {
  await using folder = await Folder.make();
  const path = `${folder.path}/it's a folder`;
  await Deno.mkdir(path);
  const said = async (args: string[], permissions?: string[]) => {
    const { stdout, stderr } = await runCli(args, { permissions });
    return stdout + stderr;
  };

  const hash = await said([`hash:${path}/t`]);
  assertEquals(
    await wordsOf(behind(hash, "entries: memcache-table ", " < ")),
    ["-i", `hash:${path}/t`],
  );
  assertEquals(await wordsOf(behind(hash, " < ")), [`${path}/t`]);

  const reading = [`--allow-read=${path}/t.cf`];
  const unreadable = await said(["-q", "k", `memcache:${path}/t.cf`], []);
  assertEquals(await wordsOf(behind(unreadable, "run Deno with ")), reading);

  const unix = `memcache:{ { memcache = unix:${path}/s } }`;
  assertEquals(
    await wordsOf(behind(await said(["-q", "k", unix], []), "run Deno with ")),
    ["net=unix:", "read=", "write="].map((flag) => `--allow-${flag}${path}/s`),
  );
  const served = ["serve", "--socketmap", `unix:${path}/s`, "a=static:b"];
  assertEquals(
    await wordsOf(behind(await said(served, []), "run Deno with ")),
    ["net=unix:", "read=", "write="].map((flag) => `--allow-${flag}${path}/s`),
  );

  const kv = [`--allow-read=${path}/t`, `--allow-write=${path}/t`];
  const closed = await said(["-q", "k", `kv:${path}/t`], ["--unstable-kv"]);
  assertEquals(await wordsOf(behind(closed, "run Deno with ")), kv);

  await runCli(["-i", `kv:${path}/aliases`], { stdin: "a b\n" });
  await Deno.chmod(`${path}/aliases`, 0o644);
  for (const part of [folder.path, path]) await Deno.chmod(part, 0o755);
  const aliases = await said(["check", `kv:${path}/aliases`]);
  assertEquals(
    await wordsOf(behind(aliases, "lead: ", " unless")),
    ["chmod", "o-r", `${path}/aliases`],
  );

  await Deno.writeTextFile(`${path}/t.cf`, "user = a\npassword = b\n");
  const password = await said(["check", `memcache:${path}/t.cf`]);
  assertEquals(
    await wordsOf(behind(password, "the password in it: ")),
    ["chmod", "o-r", `${path}/t.cf`],
  );

  const table = `memcache:{ memcache = unix:${path}/s, ttl = 600 }`;
  const stale = staleKeysWarning(table, { size: 1, hasOverflowed: false }, 600);
  assertEquals(
    await wordsOf(behind(`${stale}\n`, ", run ")),
    ["memcache-table", "warm", table],
  );
});
