import { openTable } from "../../mod.ts";
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { Folder } from "../support/folder.ts";
import { Memcached } from "../support/memcached.ts";
import { Serving } from "../support/serving.ts";
import { netstring, RawClient } from "../support/socketmap.ts";

const anywhere = ["--socketmap", "inet:127.0.0.1:0"];

/** Waits for a line of what a server says. */
async function said(serving: Serving, line: RegExp): Promise<void> {
  for (let look = 0; look < 500; look++) {
    if (serving.lines.some((one) => line.test(one))) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assertMatch(serving.lines.join("\n"), line);
}

Deno.test("serve opens its tables again at SIGHUP, and loses no request", async () => {
  await using folder = await Folder.make();
  const { path } = folder;
  await folder.write("source", "k old\n");
  await folder.write("main.cf", "named_backup = inline:{k=old}\n");
  await using memcached = await Memcached.tcp();
  const main = (value: string) =>
    `named_memcache = ${memcached.server}\nnamed_key_format = ${value}:%s\n` +
    `named_backup = inline:{k=${value}}\n`;
  await folder.write("main.cf", main("old"));
  await using serving = await Serving.start([
    ...["-c", path],
    ...anywhere,
    `text=texthash:${path}/source`,
    "named=memcache:named",
    "same=static:v",
  ]);
  const replies = new Set<string | undefined>();
  let isOver = false;
  const begun = Promise.withResolvers<void>();
  const asking = Array.from({ length: 4 }, async () => {
    using client = await RawClient.connect(serving.endpoint);
    while (!isOver) {
      await client.send(netstring("text k") + netstring("named k"));
      replies.add(await client.reply());
      replies.add(await client.reply());
      begun.resolve();
    }
  });
  await begun.promise;
  await folder.write("source", "k new\n");
  await folder.write("main.cf", main("new"));
  serving.kill("SIGHUP");
  await said(serving, /^memcache-table: opened again: .*$/);
  for (let more = 0; more < 20; more++) serving.kill("SIGHUP");
  using client = await RawClient.connect(serving.endpoint);
  assertEquals(await client.ask("text k"), "OK new");
  assertEquals(await client.ask("named k"), "OK new");
  assertEquals(await client.ask("same k"), "OK v");

  // What cannot be opened any more stays as it was.
  await folder.write("main.cf", `${main("new")}named_ttl = soon\n`);
  serving.kill("SIGHUP");
  await said(
    serving,
    /^memcache-table: warning: not opened again, and as before: named$/,
  );
  await said(
    serving,
    /^memcache-table: warning: .* "?soon"?.*stays as it was$/,
  );
  assertEquals(await client.ask("named k"), "OK new");
  isOver = true;
  await Promise.all(asking);
  assertEquals([...replies].sort(), ["OK new", "OK old"]);
  assertEquals(await serving.stop(), 0);
});

Deno.test("serve opens its tables again at SIGHUP when nobody asks", async () => {
  await using folder = await Folder.make();
  const file = await folder.write("source", "k v\n");
  await using serving = await Serving.start([
    ...anywhere,
    `t=texthash:${file}`,
    "u=static:v",
  ]);
  serving.kill("SIGUSR1");
  serving.kill("SIGHUP");
  await said(serving, /^memcache-table: opened again: (t, u|u, t)$/);
  await Deno.remove(file);
  for (let time = 1; time <= 2; time++) {
    serving.kill("SIGHUP");
    for (let look = 0; look < 500; look++) {
      const kept = serving.lines.filter((line) => line.endsWith("before: t"));
      if (kept.length === time) break;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
  const reasons = serving.lines.filter((line) => line.includes("no such file"));
  assertEquals(reasons.length, 2, serving.lines.join("\n"));
  assertEquals(await serving.stop(), 0);
});

Deno.test("serve listens at several places at once", async () => {
  await using folder = await Folder.make();
  const places = ["a", "b"].map((name) => `unix:${folder.path}/${name}`);
  const where = places.flatMap((place) => ["--socketmap", place]);
  {
    await using serving = await Serving.start([
      ...anywhere,
      ...where,
      "t=static:v",
    ]);
    await said(serving, /listening on unix:.*\/b$/);
    for (const place of [serving.endpoint, ...places]) {
      using client = await RawClient.connect(place);
      assertEquals(await client.ask("t k"), "OK v", place);
    }
    assertEquals(await serving.stop(), 0);
  }
  assertEquals([...Deno.readDirSync(folder.path)], []);
  // Where one place is taken, it does not stay at the others.
  await folder.write("b", "a file of somebody else\n");
  let message = "";
  await Serving.start([...where, "t=static:v"]).catch((error) =>
    message = error.message
  );
  assertMatch(message, /fatal: .*\/b/);
  assertEquals([...Deno.readDirSync(folder.path)].map(({ name }) => name), [
    "b",
  ]);
});

Deno.test("serve refuses to start where its tables need a permission", async () => {
  await using folder = await Folder.make();
  await using memcached = await Memcached.tcp();
  const table = `memcache:{ memcache=${memcached.server}, timeout=1 }`;
  const start = (host: string, served: string) =>
    Serving.start([...anywhere, `t=${served}`], {
      permissions: [`--allow-net=${host}`, "--allow-read"],
    });
  {
    await using database = await openTable(`kv:${folder.path}/t.kv`, {
      write: true,
    });
    await database.update("k", "v");
  }
  const refused: [string, RegExp][] = [
    [table, /fatal: no permission to connect to 127.*--allow-net=127/],
    [`kv:${folder.path}/t.kv`, /fatal: kv:.*permission.*--allow-write=/],
  ];
  for (const [served, said] of refused) {
    let message = "";
    await start("127.0.0.1:0", served).catch((error) =>
      message = error.message
    );
    assertMatch(message, said);
  }
  // A server that is down, or silent, may come back.
  await memcached.signal("SIGSTOP");
  await using silent = await start("127.0.0.1", table);
  assertEquals(await silent.stop(), 0);
  await memcached.stop();
  await using down = await start("127.0.0.1", table);
  using client = await RawClient.connect(down.endpoint);
  assert((await client.ask("t k"))?.startsWith("TEMP "));
  assertEquals(await down.stop(), 0);
});
