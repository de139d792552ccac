import { openTable } from "../../mod.ts";
import { cleanUp } from "../../lib/maintenance/mod.ts";
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { Folder } from "../support/folder.ts";
import { freePort, Memcached } from "../support/memcached.ts";
import { Postfix } from "../support/postfix.ts";
import { runCli } from "../support/processes.ts";
import { smtp } from "../support/smtp.ts";

const day = 86400;
const record = "_LAST_CACHE_CLEANUP_COMPLETED_";

/** A Postfix whose postscreen and verify have their caches in memcache tables. */
class Caches implements AsyncDisposable {
  readonly port = freePort();
  readonly postscreen: string;
  readonly verify: string;
  #stack = new AsyncDisposableStack();
  memcached!: Memcached;
  postfix!: Postfix;

  private constructor(folder: Folder) {
    this.#stack.use(folder);
    this.postscreen = `memcache:${folder.path}/postscreen.cf`;
    this.verify = `memcache:${folder.path}/verify.cf`;
  }

  static async start(): Promise<Caches> {
    const folder = await Folder.make();
    await Deno.chmod(folder.path, 0o755);
    const caches = new Caches(folder);
    await caches.#start(folder);
    return caches;
  }

  async #start(folder: Folder): Promise<void> {
    this.memcached = this.#stack.use(await Memcached.tcp());
    const approved = (data: string) =>
      ["postscreen", "verify"].map((name) => `proxy:btree:${data}/${name}`);
    this.postfix = this.#stack.use(
      await Postfix.start(approved, {
        main: [
          "myhostname = mx.example.com",
          "smtpd_peername_lookup = no",
          "local_recipient_maps =",
          "relay_domains = good.example, bad.example",
          "relay_recipient_maps =",
          "transport_maps = inline:{good.example=discard:, bad.example=error:no}",
          "smtpd_relay_restrictions = reject_unauth_destination",
          "smtpd_recipient_restrictions = reject_unverified_recipient",
          "address_verify_poll_count = 20",
          "address_verify_poll_delay = 1s",
          `address_verify_map = ${this.verify}`,
          "address_verify_cache_cleanup_interval = 0",
          "postscreen_access_list =",
          "postscreen_greet_wait = 1s",
          `postscreen_cache_map = ${this.postscreen}`,
          "postscreen_cache_cleanup_interval = 0",
        ],
        master: [
          `127.0.0.1:${this.port} inet n - n - 1 postscreen`,
          "smtpd pass - - n - - smtpd",
          "verify unix - - n - 1 verify",
          "anvil unix - - n - 1 anvil",
          "pickup unix n - n 60 1 pickup",
          "cleanup unix n - n - 0 cleanup",
          "qmgr unix n - n 300 1 qmgr",
          "rewrite unix - - n - - trivial-rewrite",
          "bounce unix - - n - 0 bounce",
          "defer unix - - n - 0 bounce",
          "trace unix - - n - 0 bounce",
          "error unix - - n - - error",
          "discard unix - - n - - discard",
        ],
      }),
    );
    for (const name of ["postscreen", "verify"]) {
      await folder.write(
        `${name}.cf`,
        [
          `memcache = ${this.memcached.server}`,
          `key_format = ${name}:%s`,
          `backup = proxy:btree:${this.postfix.dataDirectory}/${name}`,
          "",
        ].join("\n"),
      );
    }
  }

  get options() {
    return {
      configDirectory: this.postfix.configDirectory,
      onWarning: (line: string) => {
        throw new Error(line);
      },
    };
  }

  async entries(table: string): Promise<Record<string, string>> {
    await using opened = await openTable(table, {
      ...this.options,
      fold: false,
    });
    const entries: Record<string, string> = {};
    for await (const { key, value } of opened) entries[key] = value;
    return entries;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

Deno.test("cleanUp() leaves what a running postscreen needs, and takes the rest", async () => {
  await using caches = await Caches.start();
  const { postfix, postscreen, port, memcached } = caches;
  const visit = (from: string) => smtp(port, from, ["QUIT"]);
  await Promise.all([visit("127.0.0.1"), visit("127.0.0.2")]);
  await postfix.logged(/PASS NEW/, 2);
  await visit("127.0.0.1");
  await postfix.logged(/PASS OLD/);

  // Who only looks at it shares the daemon's handle, and holds nothing up.
  const config = ["-c", postfix.configDirectory];
  const backup = `proxy:btree:${postfix.dataDirectory}/postscreen`;
  const asked = await runCli(["-q", "127.0.0.1", ...config, backup]);
  assertMatch(asked.stdout, /^\d+;/);
  const checked = await runCli(["check", ...config, postscreen]);
  assertEquals([checked.code, checked.stderr], [0, ""]);
  assertMatch(checked.stdout, /\n {2}good\n$/);

  const all = await runCli(["check", "--all", ...config]);
  assertEquals([all.code, all.stderr], [0, ""], all.stdout);
  assertEquals(all.stdout.match(/\n {2}good\n/g)?.length, 2);

  // Nothing is old yet.
  const args = ["cleanup", "-c", postfix.configDirectory, "--postscreen"];
  const first = await runCli([...args, postscreen]);
  assertEquals([first.code, first.stderr], [0, ""]);
  assertMatch(first.stdout, /: 2 entries, 0 removed \(0 malformed\), in /);

  // One visitor comes back after so long.
  const before = await caches.entries(postscreen);
  assertEquals(Object.keys(before), ["127.0.0.1", "127.0.0.2", record]);
  const aged = before["127.0.0.2"].replace(
    /^\d+/,
    (time) => `${Number(time) - 9 * day}`,
  );
  {
    await using table = await openTable(postscreen, {
      ...caches.options,
      write: true,
    });
    await table.update("127.0.0.2", aged);
  }
  const listed = await runCli([...args, "--dry-run", postscreen]);
  assertMatch(listed.stdout, /^127\.0\.0\.2\tgreeting test expired \S+Z\n$/);
  assertMatch(listed.stderr, /: 2 entries, 1 to be removed \(0 malformed\)/);
  assertEquals((await caches.entries(postscreen))["127.0.0.2"], aged);

  const second = await runCli([...args, postscreen]);
  assertMatch(second.stdout, /: 2 entries, 1 removed \(0 malformed\), in /);
  const after = await caches.entries(postscreen);
  assertEquals(Object.keys(after), ["127.0.0.1", record]);
  assertEquals(after["127.0.0.1"], before["127.0.0.1"]);
  assertEquals(await memcached.get("postscreen:127.0.0.2"), undefined);
  assertEquals(
    await memcached.get("postscreen:127.0.0.1"),
    before["127.0.0.1"],
  );
  assertEquals(await memcached.get(`postscreen:${record}`), after[record]);
  assert(Math.abs(Number(after[record]) - Date.now() / 1000) < 60);

  // The daemon has its backup locked, and shares it.
  await memcached.flush();
  const warmed = await runCli([
    "warm",
    "-c",
    postfix.configDirectory,
    postscreen,
  ]);
  assertEquals([warmed.code, warmed.stderr], [0, ""]);
  assertMatch(warmed.stdout, /: 2 entries copied, 0 left out, in /);
  assertEquals(
    await memcached.get("postscreen:127.0.0.1"),
    before["127.0.0.1"],
  );

  await visit("127.0.0.1");
  await postfix.logged(/PASS OLD/, 2);
  await visit("127.0.0.2");
  await postfix.logged(/PASS NEW/, 3);
  assertEquals(
    (await postfix.log()).match(/(?:warning|fatal|panic): .*/g),
    null,
  );
});

Deno.test("cleanUp() leaves what a running verify needs, and takes the rest", async () => {
  await using caches = await Caches.start();
  const { postfix, verify, port, memcached, options } = caches;
  const ask = async () => {
    const answers = await smtp(port, "127.0.0.1", [
      "EHLO client.example",
      "MAIL FROM:<>",
      "RCPT TO:<Good@good.example>",
      "RCPT TO:<bad@bad.example>",
      "QUIT",
    ]);
    return answers.slice(3, 5).map((line) => line.slice(0, 3));
  };
  assertEquals(await ask(), ["250", "450"]);
  const before = await caches.entries(verify);
  assertEquals(Object.keys(before).sort(), [
    "Good@good.example",
    "bad@bad.example",
  ]);
  const later = (days: number) => () => Date.now() + days * day * 1000;
  const clean = (days: number) =>
    cleanUp(verify, { ...options, daemon: "verify", timeOfDay: later(days) });
  const none = { removed: 0, malformed: 0, refreshed: 0 };
  assertEquals(await clean(2), { ...none, entries: 2 });
  assertEquals(await clean(4), { ...none, entries: 2, removed: 1 });
  assertEquals(await memcached.get("verify:bad@bad.example"), undefined);
  const left = await caches.entries(verify);
  assertEquals(left["Good@good.example"], before["Good@good.example"]);
  assertEquals(Object.keys(left).length, 2);

  // What is left is known, what went is probed anew.
  assertEquals(await ask(), ["250", "450"]);
  await postfix.logged(/status=deliverable/, 1);
  await postfix.logged(/status=undeliverable/, 2);
  assertEquals(await clean(32), { ...none, entries: 2, removed: 2 });
  assertEquals(Object.keys(await caches.entries(verify)), [record]);
  assertEquals(
    (await postfix.log()).match(/(?:warning|fatal|panic): .*/g),
    null,
  );
});
