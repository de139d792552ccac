import { openTable } from "../../mod.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { Folder } from "../support/folder.ts";
import { Memcached } from "../support/memcached.ts";
import { Postfix } from "../support/postfix.ts";
import { Serving } from "../support/serving.ts";

const keys = Array.from({ length: 50 }, (_, at) => `user${at}@example.com`);

/** Makes a kv file whose values name its generation. */
async function makeBackup(path: string, generation: number): Promise<void> {
  await using table = await openTable(`kv:${path}`, {
    write: true,
    utf8: true,
  });
  const entries = keys.map((key) => ({ key, value: `${generation} ${key}` }));
  for await (const _ of table.updateMany(entries));
}

Deno.test("a Postfix that goes on asking gets no wrong and no deferred answer, whatever happens to serve's tables", async () => {
  await using folder = await Folder.make();
  // Postfix's services run as another user.
  await Deno.chmod(folder.path, 0o755);
  const { path } = folder;
  await makeBackup(`${path}/aliases.kv`, 0);
  let memcached = await Memcached.tcp();
  const { port } = memcached.address as Deno.ConnectOptions;
  try {
    const file = await folder.write(
      "aliases.cf",
      `memcache = ${memcached.server}\nkey_format = a:%s\nttl = 60\n` +
        `timeout = 1\nbackup = kv:${path}/aliases.kv\n`,
    );
    await using serving = await Serving.start([
      ...["--socketmap", `unix:${path}/s`, "--mode", "0666"],
      `aliases=memcache:${file}`,
    ]);
    const name = `socketmap:unix:${path}/s:aliases`;
    await using postfix = await Postfix.start(() => [`proxy:${name}`]);
    // A daemon of Postfix asks, over a connection that stays.
    await using table = await openTable(`proxy:${name}`, {
      configDirectory: postfix.configDirectory,
      utf8: true,
    });
    let generation = 0;
    let lookups = 0;
    let isOver = false;
    const asking = (async () => {
      while (!isOver) {
        const key = keys[lookups % keys.length];
        const value = await table.lookup(key);
        const [, of, asked] = /^(\d+) (.*)$/.exec(`${value}`) ?? [];
        // memcached may have a value of an earlier file.
        assert(asked === key && Number(of) <= generation, `${key}: ${value}`);
        lookups++;
      }
    })();
    /** Waits until every key was asked for again. */
    const round = async () => {
      const until = lookups + 2 * keys.length;
      while (lookups < until) {
        await Promise.race([
          asking,
          new Promise((resolve) => setTimeout(resolve, 5)),
        ]);
      }
    };
    await round();
    const reload = async () => {
      const before = serving.lines.length;
      serving.kill("SIGHUP");
      while (serving.lines.length === before) {
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    };
    for (let turn = 0; turn < 2; turn++) {
      await reload();
      await round();
      // An outage: it is gone, and comes back empty.
      await memcached.stop();
      await round();
      memcached = await Memcached.tcp(port);
      await round();
      // It hangs, then goes on.
      await memcached.signal("SIGSTOP");
      // One of them waits for the time-out.
      await round();
      await memcached.signal("SIGCONT");
      await round();
      // Another file takes the place of the backup, and what was cached goes.
      await makeBackup(`${path}/next.kv`, ++generation);
      await Deno.rename(`${path}/next.kv`, `${path}/aliases.kv`);
      await round();
      await memcached.flush();
      await round();
      await reload();
      await round();
      await memcached.flush();
      await round();
      assertEquals(await table.lookup(keys[0]), `${generation} ${keys[0]}`);
    }
    assertEquals(await table.lookup("nobody@example.com"), undefined);
    isOver = true;
    await asking;
  } finally {
    await memcached[Symbol.asyncDispose]();
  }
});
