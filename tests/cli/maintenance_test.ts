import { progressLine } from "../../lib/cli/progress.ts";
import { openTable } from "../../mod.ts";
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { Folder } from "../support/folder.ts";
import { Memcached } from "../support/memcached.ts";
import { root, runCli } from "../support/processes.ts";
import { runInTerminal, screensOf } from "../support/terminal.ts";

const day = 86400;
const seconds = Math.floor(Date.now() / 1000);
const old = `${seconds - 8 * day};1;1;1;1`;
const fresh = `${seconds + day};1;1;1;1`;
const noMainCf = ["-c", "/nonexistent"];

/** A kv backup, two of three of its entries expired, behind a real memcached. */
async function expiring(folder: Folder, memcached: Memcached, count: number) {
  const backup = `kv:${folder.path}/t.kv`;
  const lines = Array.from(
    { length: count },
    (_, at) => `10.0.${at >> 8}.${at & 255} ${at % 3 === 0 ? fresh : old}\n`,
  );
  const loaded = await runCli(["-i", backup], { stdin: lines.join("") });
  assertEquals([loaded.code, loaded.stderr], [0, ""]);
  const table = `memcache:${await folder.write(
    "t.cf",
    `memcache = ${memcached.server}\nbackup = ${backup}\ntimeout = 60\n`,
  )}`;
  return { backup, table, fresh: Math.ceil(count / 3) };
}

async function countOf(table: string, value: string): Promise<number> {
  const { stdout } = await runCli(["-s", table]);
  return stdout.split("\n").filter((line) => line.endsWith(value)).length;
}

Deno.test("warm and cleanup say what they did, on one line", async () => {
  await using memcached = await Memcached.tcp();
  await using folder = await Folder.make();
  const { table, backup } = await expiring(folder, memcached, 300);
  const warmed = await runCli(["warm", ...noMainCf, table]);
  assertEquals([warmed.code, warmed.stderr], [0, ""]);
  assertMatch(
    warmed.stdout,
    /^memcache:\S+: 300 entries copied, 0 left out, in \d+\.\d seconds\n$/,
  );
  assertEquals(await memcached.get("10.0.0.3"), fresh);
  await runCli(["-i", backup], { stdin: "odd one\n" });

  const args = ["cleanup", "--postscreen", ...noMainCf];
  const dry = await runCli([...args, "--dry-run", table]);
  const lines = dry.stdout.trimEnd().split("\n");
  assertEquals([dry.code, lines.length], [0, 201]);
  assertMatch(lines[0], /^10\.0\.0\.1\tgreeting test expired 20\S+Z$/);
  assertEquals(lines.at(-1), 'odd\tmalformed: "one"');
  assertMatch(
    dry.stderr,
    /^memcache-table: memcache:\S+: 301 entries, 201 to be removed \(1 malformed\), in /,
  );
  assertEquals(await countOf(table, old), 200);

  const cleaned = await runCli([...args, "-v", table]);
  assertEquals(cleaned.code, 0);
  assertMatch(
    cleaned.stdout,
    /^memcache:\S+: 301 entries, 201 removed \(1 malformed\), in \d+\.\d seconds\n$/,
  );
  assertMatch(
    cleaned.stderr,
    /warning: .*removing key "odd": malformed: "one"\n/,
  );
  assertMatch(cleaned.stderr, /info: .*removing key "10\.0\.0\.1": greeting/);
  assertEquals(await countOf(table, old), 0);
  assertEquals(await countOf(table, fresh), 100);
  const aged = await runCli([...args, "--older-than", "1s", table]);
  assertMatch(aged.stdout, /: 100 entries, 0 removed \(0 malformed\)/);
});

Deno.test("warm and cleanup say what is wrong, and do nothing", async () => {
  const table: [string[], string][] = [
    [["warm"], "no table: name one, as in memcache-table warm memcache:"],
    [["warm", "a:1", "b:2"], "warm takes one table, not 2: a:1 b:2"],
    [["warm", "memcache:{}"], 'add a "backup"'],
    [["warm", "kv:/nonexistent"], "no cache to fill"],
    [["warm", "--dry-run", "kv:"], "unknown option --dry-run"],
    [["cleanup", "kv:x"], "give --postscreen or --verify"],
    [
      ["cleanup", "--older-than", "7d", "kv:x"],
      "give --postscreen or --verify",
    ],
    [["cleanup", "--verify", "--postscreen", "kv:x"], "give only one of"],
    [["cleanup", "--verify"], "no table: name one"],
    [["cleanup", "--verify", "--older-than", "7", "kv:x"], "such as 7d"],
    [["cleanup", "--verify", "--older-than=0d", "kv:x"], "such as 7d"],
    [["cleanup", "--verify", "--older-than", "soon", "kv:x"], "such as 7d"],
    [["cleanup", "--verify", "memcache:{}"], "memcached cannot list its keys"],
    [["cleanup", "--verify", "inline:{a=1}"], "is read-only"],
  ];
  for (const [args, message] of table) {
    const { code, stdout, stderr } = await runCli([...args, ...noMainCf]);
    assertEquals([code, stdout], [1, ""], args.join(" "));
    assert(stderr.startsWith("memcache-table: fatal: "), stderr);
    assert(stderr.includes(message), `${args}: ${stderr}`);
  }
});

Deno.test("cleanup of a table that does not exist yet warns, and creates nothing", async () => {
  await using folder = await Folder.make();
  await using config = await Folder.make();
  const ofMail = ["-c", await config.mailConfiguration()];
  for (const type of ["hash", "kv"]) {
    const table = `${type}:${folder.path}/none`;
    const args = ["cleanup", "--verify", ...ofMail, table];
    const { code, stdout, stderr } = await runCli(args);
    assertEquals(code, 0, stderr);
    assertMatch(stdout, /: 0 entries, 0 removed \(0 malformed\)/);
    assertMatch(
      stderr,
      /^memcache-table: warning: \S+: no such database yet: there is no file .*\n$/,
    );
    assertEquals([...Deno.readDirSync(folder.path)], []);
  }
});

Deno.test("cleanup that is killed has lost nothing, and can be done again", async () => {
  await using memcached = await Memcached.tcp();
  await using folder = await Folder.make();
  const count = 3000;
  const { backup, table, fresh: kept } = await expiring(
    folder,
    memcached,
    count,
  );
  await memcached.signal("SIGSTOP");
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      `${root}cli.ts`,
      "cleanup",
      "--postscreen",
      ...noMainCf,
      table,
    ],
    stdout: "null",
    stderr: "null",
  }).spawn();
  await using open = await openTable(backup, { utf8: true });
  // It waits for memcached when the first are gone from the backup.
  const first = `10.0.0.1`;
  while (await open.lookup(first) !== undefined) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  child.kill("SIGKILL");
  await child.status;
  await memcached.signal("SIGCONT");
  assertEquals(await countOf(backup, fresh), kept);
  // It removes 256 entries before memcached has to answer, in two commits: it may be
  // killed between them.
  const left = await countOf(backup, old);
  const gone = count - kept - left;
  assert(gone > 0 && gone <= 256, `${gone} entries are gone`);
  const again = await runCli(["cleanup", "--postscreen", ...noMainCf, table]);
  assertMatch(
    again.stdout,
    new RegExp(`: ${kept + left} entries, ${left} removed`),
  );
  assertEquals(await countOf(backup, fresh), kept);
  assertEquals(await countOf(backup, old), 0);
});

Deno.test("progressLine() never fills the terminal's line", () => {
  const whole = "1,234,567 entries, 246,913 a second, 5 s";
  assertEquals(progressLine(1234567, 5, 80), whole);
  assertEquals(progressLine(1234567, 5, 80, 0.1), `${whole}, 45 s left`);
  assertEquals(progressLine(1234567, 5, 80, 1.1), `${whole}, 0 s left`);
  for (const columns of [41, 40, 10, 2, 1]) {
    const line = progressLine(1234567, 5, columns);
    assertEquals(line, whole.slice(0, columns - 1));
  }
});

Deno.test("screensOf() sees what a terminal shows", () => {
  assertEquals(screensOf("ab\rc\nde", 80), [["ab"], ["cb"], ["cb", " de"]]);
  assertEquals(screensOf("abcd\r\n", 3), [["abc", "d"]]);
});

Deno.test("-i shows how far it is on a terminal, and leaves nothing there", async () => {
  await using folder = await Folder.make();
  const load = `{ seq 5000 | sed "s/$/ value/"; sleep 2; seq 5001 6000 | ` +
    `sed "s/$/ value/"; sleep 0.2; echo wrong; echo x y; } | cli -i kv:${folder.path}`;
  await Promise.all([80, 20].map(async (columns) => {
    const { code, screens } = await runInTerminal(
      `${load}/${columns}.kv`,
      columns,
    );
    assertEquals(code, 1);
    // What is drawn, and then cleared; what is said stands alone.
    const shown = screens.find((rows) => /^[56],\d{3} ent/.test(rows[0] ?? ""));
    assert(shown !== undefined, JSON.stringify(screens));
    const whole = /^[56],\d{3} entries, \d,\d{3} a second, [12] s$/;
    assertEquals(whole.test(shown[0]), columns === 80);
    assert(shown.length === 1 && shown[0].length < columns);
    const last = screens.at(-1)!.join("");
    assertMatch(
      last,
      /^memcache-table: warning: standard input, line 6001: .*: not stored$/,
    );
  }));
  // Nobody looks at a file, and a short run says nothing.
  const args = `set -e; cli -s kv:${folder.path}/80.kv`;
  assertEquals(
    (await runInTerminal(`${load}/a.kv 2>${folder.path}/said`)).screens,
    [],
  );
  const said = await Deno.readTextFile(`${folder.path}/said`);
  assertMatch(said, /^memcache-table: warning: .*: not stored\n$/);
  assertEquals((await runInTerminal(`${args} >/dev/null`)).screens, []);
});

Deno.test("-s into a pipe shows how far it is", async () => {
  await using folder = await Folder.make();
  const table = `kv:${folder.path}/t.kv`;
  const stdin = Array.from({ length: 40_000 }, (_, at) => `key${at} v\n`);
  await runCli(["-i", table], { stdin: stdin.join("") });
  const slow = "{ sleep 2; cat; }";
  const piped = await runInTerminal(`cli -s ${table} | ${slow} >/dev/null`);
  const line = /^[\d,]+ entries, [\d,]+ a second, [123] s$/;
  assert(
    piped.screens.some((rows) => rows.length === 1 && line.test(rows[0])),
    JSON.stringify(piped.screens),
  );
  assertEquals(piped.screens.at(-1), []);
});

Deno.test("warm and cleanup show how far they are", async () => {
  await using memcached = await Memcached.tcp();
  await using folder = await Folder.make();
  const { table } = await expiring(folder, memcached, 4000);
  for (
    const [command, summary] of [
      ["warm", / 4000 entries copied, 0 left out, in /],
      [
        "cleanup --postscreen",
        / 4000 entries, 2666 removed \(0 malformed\), in /,
      ],
    ] as const
  ) {
    // As slow as it takes.
    const slow =
      `{ kill -STOP ${memcached.pid}; sleep 1.5; kill -CONT ${memcached.pid}; } &`;
    const { code, screens } = await runInTerminal(
      `${slow}\ncli ${command} -c /nonexistent ${table}; status=$?; wait; exit $status`,
      200,
    );
    assertEquals(code, 0);
    assert(
      screens.some((rows) =>
        /^\d,\d{3} entries, [\d,]+ a second, [12] s$/.test(rows[0])
      ),
      JSON.stringify(screens),
    );
    const last = screens.at(-1)!;
    assertEquals(last.length, 1);
    assertMatch(last[0], summary);
  }
});
