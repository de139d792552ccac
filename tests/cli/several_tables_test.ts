import { assertEquals } from "../support/assert.ts";
import { Folder } from "../support/folder.ts";
import { atOnce, runCli, runPostmap } from "../support/processes.ts";

const message = "From : alice\nSubject: b\n\nbody\n\0x\nlast";
const headers = "To: a,\n b\nX: y";

Deno.test("-q - asks one table behind another as postmap does", async () => {
  await using folder = await Folder.make();
  const config = await folder.mailConfiguration();
  const bad = `memcache:${folder.path}/missing.cf`;
  const some = "inline:{body=1, { To: a, = 2 }, k=3}";
  const cases: [options: string[], tables: string[], stdin: string][] = [];
  for (const stdin of ["k\nl\nm\n", "l", "", "\nk"]) {
    for (
      const tables of [
        [bad, "static:v"],
        [some, bad],
        [some, bad, "static:v"],
        ["static:v", bad],
        ["fail:x", "static:v"],
        [some, "fail:x", "static:v"],
        [some, some, "static:v"],
      ]
    ) cases.push([[], tables, stdin]);
  }
  for (const options of [["-h"], ["-b"], ["-bhm"], ["-U", "-hb"]]) {
    for (const stdin of [message, headers, "a: b\n"]) {
      cases.push([options, [some, "static:v"], stdin]);
      cases.push([options, [some, some, "static:v"], stdin]);
      cases.push([options, [bad, "static:v"], stdin]);
    }
  }
  await atOnce(6, cases, async ([options, tables, stdin]) => {
    const args = ["-c", config, ...options, "-q", "-", ...tables];
    const expected = await runPostmap(args, { stdin });
    const { code, stdout, stderr } = await runCli(args, { stdin });
    const about = JSON.stringify([options, tables, stdin]);
    assertEquals([code, stdout], [expected.code, expected.stdout], about);
    const isFatal = expected.stderr.includes("postmap: fatal: ");
    assertEquals(stderr.includes("memcache-table: fatal: "), isFatal, about);
    assertEquals(/TypeError|Uncaught/.test(stderr), false, stderr);
  });
});

Deno.test("one warning tells of a line of main.cf, however many tables read it", async () => {
  await using folder = await Folder.make();
  const tables = ["t", "u", "v"];
  const config = await folder.mailConfiguration(
    "twice = 1\ntwice = 2\n" +
      tables.map((name) =>
        `${name}_memcache = unix:/nonexistent\n${name}_backup = inline:{k=v}\n`
      ).join(""),
  );
  const names = tables.map((name) => `memcache:${name}`);
  const commands = [
    ["-q", "-", ...names],
    ["-q", "x", ...names],
    ["-q", "é", ...names],
    ["-hbq", "-", ...names],
    ["-s", names[0]],
    ["sync", "--dry-run", names[0]],
    ["warm", names[0]],
    ["stats", names[0]],
  ];
  await atOnce(4, commands, async (command) => {
    const [first, ...rest] = command;
    const args = first.startsWith("-")
      ? ["-c", config, ...command]
      : [first, "-c", config, ...rest];
    const { stderr } = await runCli(args, { stdin: "x\ny\n" });
    const told = stderr.split("\n").filter((line) =>
      line.includes('"twice = 2" replaces')
    );
    assertEquals(told.length, 1, `${command}: ${stderr}`);
  });
});
