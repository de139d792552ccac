import { checkTable, readStats } from "../../../lib/maintenance/mod.ts";
import { logIn } from "../../../lib/memcached/log_in.ts";
import { openCacheAndBackup } from "../../../lib/open.ts";
import { connectDeno } from "../../../lib/socket/deno.ts";
import { type Clock, systemClock } from "../../../lib/system/clock.ts";
import { MemcacheLookup } from "../../../lib/tables/memcache/memcache_lookup.ts";
import {
  ConfigError,
  MemcacheTable,
  type MemcacheTableParameters,
  openTable,
  type TableOptions,
  TemporaryError,
} from "../../../mod.ts";
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "../../support/assert.ts";
import { Folder } from "../../support/folder.ts";
import { freePort, Memcached } from "../../support/memcached.ts";
import { runCli } from "../../support/processes.ts";
import { ScriptedServer, type Step } from "../../support/scripted_server.ts";

const user = "joe";
const password = "a-secret:with,ä=and%more";

/** A memcached that wants a log-in, and table files for it. */
async function scene() {
  const folder = await Folder.make();
  await Deno.chmod(folder.path, 0o755);
  const users = await folder.write("users", `ann:other\n${user}:${password}\n`);
  const port = freePort();
  const start = () => Memcached.tcp(port, "127.0.0.1", ["-Y", users]);
  let memcached = await start();
  const server = `inet:127.0.0.1:${port}`;
  const file = async (text: string, name = "t.cf") =>
    `memcache:${await folder.write(name, `memcache = ${server}\n${text}`)}`;
  return {
    folder,
    server,
    file,
    good: await file(`user = ${user}\npassword = ${password}\n`, "good.cf"),
    async restart() {
      await memcached.stop();
      memcached = await start();
    },
    async [Symbol.asyncDispose]() {
      await memcached.stop();
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** Options that tell nobody, and what would have been told. */
function listening() {
  const told: string[] = [];
  const options: TableOptions = {
    utf8: true,
    write: true,
    onWarning: (line) => told.push(`warning: ${line}`),
    onDetail: (line) => told.push(line),
    onEvent: (event) => told.push(JSON.stringify(event)),
  };
  return { told, options };
}

// Four times as fast: for servers that say nothing.
const fast: Clock = {
  now: () => systemClock.now() * 4,
  setTimer: (milliseconds, callback) =>
    systemClock.setTimer(milliseconds / 4, callback),
};

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

Deno.test("whatever speaks to memcached logs in first, and shows no password", async () => {
  await using world = await scene();
  const { told, options } = listening();
  await using table = await openTable(world.good, options);
  assertEquals(await table.update("a", "one"), true);
  assertEquals(await table.lookup("a"), "one");
  assertEquals(
    await collect(table.updateMany([{ key: "b", value: "two" }])),
    [{ key: "b", stored: true }],
  );
  assertEquals(
    await collect(table.lookupMany(["a", "b", "c"])),
    [
      { key: "a", value: "one" },
      { key: "b", value: "two" },
      { key: "c", value: undefined },
    ],
  );
  assertEquals(await table.delete("b"), true);
  assertEquals(
    await collect(table.deleteMany(["b"])),
    [{ key: "b", deleted: false }],
  );
  assertEquals((await readStats(world.good, { utf8: true })).sets, 2);
  const checked = await checkTable(world.good, { utf8: true });
  assert(checked.good, JSON.stringify(checked));
  assertEquals(checked.server?.answers, true);
  const parts = await openCacheAndBackup(
    await world.file(
      `user = ${user}\npassword = ${password}\nkey_format = x:%s\n`,
    ),
    options,
  );
  await using cache = parts.cache!;
  await cache.update("k", "v");
  const keys: string[] = [];
  await parts.listOwnKeys!((some) => {
    keys.push(...some);
    return Promise.resolve();
  });
  assertEquals(keys, ["k"]);
  const everything = [JSON.stringify(checked), ...told].join("\n");
  assertStringIncludes(everything, "user = joe");
  assertStringIncludes(everything, "password = (not shown)");
  assert(!everything.includes("secret"), everything);
});

Deno.test("each new connection logs in", async () => {
  await using world = await scene();
  const { options } = listening();
  await using table = await openTable(world.good, options);
  await table.update("a", "one");
  await world.restart();
  assertEquals(await table.lookup("a"), undefined);
  assertEquals(await table.update("a", "two"), true);
  assertEquals(await table.lookup("a"), "two");
});

Deno.test("a log-in that is refused is a ConfigError, at once, and names the cure", async () => {
  await using world = await scene();
  const message = `memcached at ${world.server} refuses the log-in of user ` +
    `"joe" (it answers "CLIENT_ERROR authentication failure"): ` +
    "set user and password as in a line of its -Y file";
  const name = await world.file("user = joe\npassword = secret-but-wrong\n");
  const { told, options } = listening();
  await using table = await openTable(name, options);
  const failures: (() => Promise<unknown>)[] = [
    () => table.lookup("a"),
    () => Promise.all(["a", "b"].map((key) => table.lookup(key))),
    () => collect(table.lookupMany(["a", "b"])),
    () => table.update("a", "b"),
    () => collect(table.updateMany([{ key: "a", value: "b" }])),
    () => table.delete("a"),
    () => readStats(name, { utf8: true }),
  ];
  for (const fail of failures) {
    const error = await assertRejects(fail, ConfigError);
    assertEquals(error.message, `${name}: ${message}`);
  }
  const { good, problems } = await checkTable(name, { utf8: true });
  assertEquals(good, false);
  const errors = problems.filter(({ severity }) => severity === "error");
  assertEquals(errors.map((one) => one.message), [`${name}: ${message}`]);
  assert(!JSON.stringify([told, problems]).includes("secret"));
  assertEquals(
    await runCli(["-q", "a", name]),
    {
      code: 1,
      stdout: "",
      stderr: `memcache-table: fatal: ${name}: ${message}\n`,
    },
  );
});

Deno.test("a log-in that is refused leaves it to the backup, with one warning", async () => {
  await using world = await scene();
  const name = await world.file(
    "user = joe\npassword = secret-but-wrong\nbackup = static:kept\n",
  );
  const { told, options } = listening();
  await using table = await openTable(name, { ...options, write: false });
  assertEquals(await table.lookup("a"), "kept");
  assertEquals(
    await collect(table.lookupMany(["a", "b"])),
    [{ key: "a", value: "kept" }, { key: "b", value: "kept" }],
  );
  const warnings = told.filter((line) => line.startsWith("warning: "));
  assertEquals(warnings, [
    `warning: ${name}: cannot connect to memcached at ${world.server}: ` +
    'it refuses the log-in of user "joe" (it answers "CLIENT_ERROR ' +
    'authentication failure"): set user and password as in a line of its -Y ' +
    "file; going on with the backup",
  ]);
  assert(!told.join("\n").includes("secret"));
});

Deno.test("a server that wants a log-in says so to who does not log in", async () => {
  await using world = await scene();
  const cure = '": set user and password';
  const name = await world.file("max_try = 1\n");
  await using table = await openTable(name, listening().options);
  for (
    const fail of [
      () => table.lookup("a"),
      () => collect(table.lookupMany(["a"])),
      () => table.update("a", "b"),
      () => readStats(name, { utf8: true }),
    ]
  ) await assertRejects(fail, TemporaryError, cure);
  const { problems } = await checkTable(name, { utf8: true });
  assertStringIncludes(problems[0].message, cure);
});

Deno.test("the password stays unknown to a server that wants none", async () => {
  await using memcached = await Memcached.tcp();
  const connect = logIn(connectDeno, { user, password });
  const parameters = { memcache: memcached.server };
  await using table = new MemcacheTable(parameters, { connect });
  assertEquals(await table.lookup("a"), undefined);
  assertEquals(await memcached.get("memcache-table-log-in"), undefined);
  const dump = await memcached.talk("lru_crawler metadump all\r\n", "END\r\n");
  assertEquals(dump, "END\r\n");
});

Deno.test("user and password come from an object too, and for lookups alone from logIn()", async () => {
  await using world = await scene();
  const parameters = { memcache: world.server };
  const credentials = { user, password };
  await using table = new MemcacheTable({ ...parameters, ...credentials }, {
    write: true,
  });
  assertEquals(await table.update("a", "one"), true);
  await using lookup = new MemcacheLookup(parameters, {
    connect: logIn(connectDeno, () => Promise.resolve(credentials)),
  });
  assertEquals(await lookup.lookup("a"), "one");
  await using wrong = new MemcacheLookup(parameters, {
    connect: logIn(connectDeno, { user, password: "secret-but-wrong" }),
  });
  const error = await assertRejects(() => wrong.lookup("a"), ConfigError);
  assertStringIncludes(error.message, "refuses the log-in");
  assert(!error.message.includes("secret"));
});

Deno.test("password_file: the first line, read again for each connection", async () => {
  await using world = await scene();
  const { folder } = world;
  for (const content of [password, `${password}\nmore\n`, `${password}\r\n`]) {
    const path = await folder.write("password", content);
    const name = await world.file(`user = joe\npassword_file = ${path}\n`);
    const files: string[] = [];
    await using table = await openTable(name, {
      ...listening().options,
      onFile: (file) => files.push(file),
    });
    assertEquals(await table.lookup("a"), undefined);
    assert(files.includes(path), files.join());
    await folder.write("password", "secret-but-wrong");
    await world.restart();
    await assertRejects(() => table.lookup("a"), ConfigError, "refuses");
    await folder.write("password", content);
    assertEquals(await table.lookup("a"), undefined);
  }
});

Deno.test("password_file = credential:NAME is a file of $CREDENTIALS_DIRECTORY", async () => {
  await using world = await scene();
  const { folder } = world;
  await folder.write("mc", `${password}\n`);
  const name = await world.file("user = joe\npassword_file = credential:mc\n");
  const env = { CREDENTIALS_DIRECTORY: folder.path };
  const found = await runCli(["-q", "a", name], { env });
  assertEquals(found, { code: 1, stdout: "", stderr: "" });
  const without = await runCli(["-q", "a", name]);
  assertStringIncludes(
    without.stderr,
    "password_file = credential:mc: there is no $CREDENTIALS_DIRECTORY, or this",
  );
});

Deno.test("a log-in that cannot be is a ConfigError when the table is opened", async () => {
  await using folder = await Folder.make();
  const empty = await folder.write("empty", "\nsecret\n");
  const table: [MemcacheTableParameters, string][] = [
    [{ user }, "there is a user, and no password"],
    [{ password }, "there is a password, and no user"],
    [{ user: "a b", password }, "no white space and no colon"],
    [{ user: "a:b", password }, "no white space and no colon"],
    [{ user, password: "secret\nsecret" }, "it must be one line"],
    [{ user, password, password_file: "/x" }, "keep one of them"],
    [{ user, password_file: `${folder.path}/none` }, "there is no such file"],
    [{ user, password_file: empty }, "its first line is empty"],
    [{ user, password_file: "credential:" }, "need credential:NAME"],
    [{ user, password_file: "credential:a/b" }, "need credential:NAME"],
  ];
  for (const [parameters, message] of table) {
    await using memcache = new MemcacheTable(parameters);
    const error = await assertRejects(() => memcache.open(), ConfigError);
    assertStringIncludes(error.message, message);
    assert(!error.message.includes("secret"), error.message);
  }
  const error = await assertRejects(
    () => openTable("memcache:{ user=joe, password=secret }"),
    ConfigError,
    "set password_file",
  );
  assert(!error.message.includes("secret"), error.message);
});

Deno.test("a refused password with blanks: memcached can have none", async () => {
  await using world = await scene();
  const name = await world.file("user = joe\npassword = a secret\n");
  await using table = await openTable(name, listening().options);
  await assertRejects(
    () => table.lookup("a"),
    ConfigError,
    "its -Y file; a password there cannot have a space",
  );
});

Deno.test("a server may answer a log-in in any way: it ends in time, and the next lookup works", async () => {
  const table: [readonly Step[], string][] = [
    [["CLOSE"], "memcached -S (SASL) does so"],
    [["RESET"], "cannot connect"],
    [["HANG"], "no answer within 2 s"],
    [["STO", "HANG"], "no answer within 2 s"],
    [["SERVER_ERROR out of memory\r\n"], 'log-in with "SERVER_ERROR out of'],
    [["HTTP/1.1 400 Bad Request\r\n\r\n"], 'the log-in with "HTTP/1.1 400'],
    [["STORED\r\nEND\r\n"], 'the log-in with "STORED??END"'],
    [["x".repeat(3000), "HANG"], 'the log-in with "xxx'],
  ];
  for (const [answer, message] of table) {
    await using server = new ScriptedServer(({ connection, line }) => {
      if (!line.startsWith("set ")) return ["END\r\n"];
      return connection === 0 ? answer : ["STO", "RED\r", "\n"];
    });
    await using memcache = new MemcacheTable(
      { memcache: server.server, user, password },
      { clock: fast },
    );
    await assertRejects(() => memcache.lookup("a"), TemporaryError, message);
    assertEquals(server.connections, 1, message);
    assertEquals(await memcache.lookup("a"), undefined, message);
    assertEquals(server.connections, 2, message);
  }
});

Deno.test("a memcached with SASL is recognised, and what to use instead is said", async () => {
  await using folder = await Folder.make();
  await Deno.chmod(folder.path, 0o755);
  const settings = await folder.write("sasl.conf", "mech_list: plain\n");
  Deno.env.set("SASL_CONF_PATH", settings);
  await using memcached = await Memcached.tcp(freePort(), "127.0.0.1", ["-S"])
    .finally(() => Deno.env.delete("SASL_CONF_PATH"));
  const text = `memcache = ${memcached.server}\ntimeout = 1\nmax_try = 1\n`;
  const name = `memcache:${await folder.write("t.cf", text)}`;
  const { good, problems } = await checkTable(name, { utf8: true });
  assertEquals(good, false);
  assertStringIncludes(
    problems.map(({ message }) => message).join("\n"),
    "start it with -Y FILE instead of -S",
  );
  const parameters = { memcache: memcached.server, user, password };
  await using table = new MemcacheTable(parameters);
  await assertRejects(
    () => table.lookup("a"),
    TemporaryError,
    "start it with -Y FILE instead",
  );
});

Deno.test("check warns of a password that others can read", async () => {
  await using world = await scene();
  const { folder } = world;
  const warnings = async (name: string) =>
    (await checkTable(name, { utf8: true })).problems.map(({ message }) =>
      message
    ).filter((message) => !message.includes("serve"));
  const file = world.good.slice("memcache:".length);
  assertEquals(await warnings(world.good), [
    `${file}, line 3: password: every user of this machine can read ${file}, ` +
    `and the password in it: chmod o-r ${file}`,
  ]);
  await Deno.chmod(file, 0o640);
  assertEquals(await warnings(world.good), []);
  const path = await folder.write("password", password);
  const name = await world.file(`user = joe\npassword_file = ${path}\n`);
  assertStringIncludes((await warnings(name)).join(), `chmod o-r ${path}`);
  await Deno.chmod(path, 0o600);
  assertEquals(await warnings(name), []);
});

Deno.test("check warns of a password that goes over the network as it is", async () => {
  const connect = () => Promise.reject(new Error("none"));
  await using folder = await Folder.make();
  const warns = async (server: string) => {
    const path = await folder.write(
      "t.cf",
      `memcache = ${server}\nuser = joe\npassword = x\n`,
    );
    const options = { utf8: true, connect };
    const { problems } = await checkTable(`memcache:${path}`, options);
    const text = problems.map(({ message }) => message).join("\n");
    assertStringIncludes(text, `offer the table with "memcache-table serve"`);
    return text.includes("without encryption");
  };
  for (
    const [server, expected] of [
      ["inet:cache.example.com:11211", true],
      ["inet:192.0.2.1:11211", true],
      ["inet:localhost:11211", false],
      ["inet:127.0.0.2:11211", false],
      ["inet:[::1]:11211", false],
      ["unix:/run/mc.sock", false],
    ] as const
  ) assertEquals(await warns(server), expected, server);
});
