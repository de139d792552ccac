import { checkTable, readStats } from "../../../lib/maintenance/mod.ts";
import { connectDeno } from "../../../lib/socket/deno.ts";
import { formatEndpoint, parseServer } from "../../../lib/socket/endpoint.ts";
import { explained } from "../../../lib/socket/node_tls.ts";
import { serveSocketmap } from "../../../lib/socketmap/server.ts";
import {
  ConfigError,
  type Endpoint,
  MemcacheTable,
  type MemcacheTableParameters,
  openTable,
  TemporaryError,
} from "../../../mod.ts";
import { MemcacheLookup } from "../../../lib/tables/memcache/memcache_lookup.ts";
import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "../../support/assert.ts";
import { Authority, type Certificate } from "../../support/certificates.ts";
import { Folder } from "../../support/folder.ts";
import { freePort, Memcached } from "../../support/memcached.ts";
import { runCli } from "../../support/processes.ts";
import { ScriptedServer } from "../../support/scripted_server.ts";
import { NodeTlsServer, OpensslServer } from "../../support/tls_servers.ts";

/** An authority, and a memcached with TLS for each set of its options. */
async function scene() {
  const folder = await Folder.make();
  const authority = await Authority.make(folder.path);
  const running: Memcached[] = [];
  return {
    folder,
    authority,
    async start(
      { cert, key }: Certificate,
      { port = freePort(), options = "", args = [] as string[] } = {},
    ) {
      const ssl = `ssl_chain_cert=${cert},ssl_key=${key}${options}`;
      const more = ["-Z", "-o", ssl, ...args];
      const memcached = await Memcached.tcp(port, "127.0.0.1", more);
      running.push(memcached);
      return { port, memcached };
    },
    async file(text: string): Promise<string> {
      return `memcache:${await folder.write("t.cf", `max_try = 1\n${text}`)}`;
    },
    async [Symbol.asyncDispose]() {
      for (const memcached of running) await memcached.stop();
      await folder[Symbol.asyncDispose]();
    },
  };
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

const names = "DNS:localhost,IP:127.0.0.1";

Deno.test("whatever speaks to memcached does so by TLS, and logs in", async () => {
  await using world = await scene();
  const { authority, folder } = world;
  const users = await folder.write("users", "joe:secret\n");
  const good = await authority.sign("good", names);
  const { port } = await world.start(good, { args: ["-Y", users] });
  for (const host of ["localhost", "127.0.0.1"]) {
    const name = await world.file(
      `memcache = tls:${host}:${port}\ntls_CAfile = ${authority.cert}\n` +
        "user = joe\npassword = secret\n",
    );
    await using table = await openTable(name, { utf8: true, write: true });
    assertEquals(await table.update("a", "one"), true);
    assertEquals(await table.lookup("a"), "one");
    const keys = Array.from({ length: 3000 }, (_, at) => `k${at}`);
    const long = "x".repeat(1000);
    const entries = keys.map((key) => ({ key, value: `${key}${long}` }));
    const stored = await collect(table.updateMany(entries));
    assert(stored.every((one) => one.stored));
    assertEquals(await collect(table.lookupMany(keys)), entries);
    assertEquals(
      await Promise.all(keys.slice(0, 50).map((key) => table.lookup(key))),
      entries.slice(0, 50).map(({ value }) => value),
    );
    assertEquals(await table.delete("a"), true);
    assertEquals((await readStats(name, { utf8: true })).items, 3000);
    const checked = await checkTable(name, { utf8: true });
    assert(checked.good, JSON.stringify(checked));
    assertEquals(checked.server?.endpoint, `tls:${host}:${port}`);
    const said = checked.problems.map(({ message }) => message).join("\n");
    assertStringIncludes(said, "Postfix itself has no TLS");
    assert(!said.includes("without encryption"), said);
    assertEquals(
      await runCli(["-q", "k7", name], {
        permissions: [
          `--allow-net=${host}:${port}`,
          `--allow-read=${folder.path}`,
        ],
      }),
      { code: 0, stdout: `k7${long}\n`, stderr: "" },
    );
  }
});

Deno.test("a TLS server that cannot be trusted is a TemporaryError that names the cure", async () => {
  await using world = await scene();
  const { authority, folder } = world;
  const good = await authority.sign("good", names);
  const { port } = await world.start(good);
  const other = await world.start(
    await authority.sign("other", "DNS:other.example"),
  );
  const old = await world.start(await authority.sign("old", names, -1));
  const yesterday = new Date(Date.now() - 86400_000).toISOString().slice(0, 10);
  const nameless = await world.start(
    await authority.sign("nameless", "email:a@b.c"),
  );
  const asking = await world.start(good, {
    options: `,ssl_ca_cert=${authority.cert},ssl_verify_mode=2`,
  });
  await using plain = await Memcached.tcp();
  const trusted = `tls_CAfile = ${authority.cert}\n`;
  const table: [string, string][] = [
    [
      `tls:localhost:${port}`,
      'is by an authority that is not trusted, "Test authority" (',
    ],
    [`tls:localhost:${port}`, "set tls_CAfile"],
    [
      `tls:localhost:${other.port}\n${trusted}`,
      "its certificate is not for localhost, but for DNS:other.example: " +
      "set tls_server_name",
    ],
    [
      `tls:localhost:${port}\n${trusted}tls_server_name = wrong.example`,
      "its certificate is not for wrong.example",
    ],
    [
      `tls:localhost:${old.port}\n${trusted}`,
      `its certificate has expired, at ${yesterday}`,
    ],
    [
      `tls:localhost:${nameless.port}\n${trusted}`,
      "its certificate is not for localhost, but for email:a@b.c: set",
    ],
    [`tls:localhost:${asking.port}\n${trusted}`, "set tls_cert_file"],
    [`tls:${plain.server.slice("inet:".length)}`, "it does not speak TLS"],
    [
      `inet:localhost:${port}`,
      "does it expect TLS (memcache = tls:HOST:PORT)?",
    ],
    ["tls:nohost.invalid:11211", "(unknown host)"],
    ["inet:nohost.invalid:11211", "(unknown host)"],
    [`tls:localhost:${freePort()}`, "is it running there?"],
  ];
  for (const [text, message] of table) {
    const name = await world.file(`memcache = ${text}\n`);
    await using opened = await openTable(name, { utf8: true, write: true });
    await assertRejects(() => opened.lookup("a"), TemporaryError, message);
    await assertRejects(() => opened.update("a", "b"), TemporaryError, message);
    await assertRejects(
      () => collect(opened.lookupMany(["a"])),
      TemporaryError,
      message,
    );
    const { problems } = await checkTable(name, { utf8: true });
    const errors = problems.filter(({ severity }) => severity === "error");
    assertStringIncludes(
      errors.map((one) => one.message).join(),
      text.startsWith("inet:localhost") ? "does it expect TLS" : message,
    );
    const backed = await world.file(
      `memcache = ${text}\nbackup = static:kept\n`,
    );
    const warnings: string[] = [];
    await using behind = await openTable(backed, {
      utf8: true,
      onWarning: (line) => warnings.push(line),
    });
    assertEquals(await behind.lookup("a"), "kept");
    assertStringIncludes(warnings.join(), message);
  }
  const client = `tls_cert_file = ${good.cert}\ntls_key_file = ${good.key}\n`;
  const works = [
    `tls:localhost:${other.port}\n${trusted}tls_server_name = other.example`,
    `tls:localhost:${asking.port}\n${trusted}${client}`,
  ];
  for (const text of works) {
    const name = await world.file(`memcache = ${text}\n`);
    await using opened = await openTable(name, { utf8: true });
    assertEquals(await opened.lookup("a"), undefined, text);
  }
  const unverified = await world.file(
    `memcache = tls:localhost:${other.port}\ntls_verify_cert = no\n`,
  );
  const { code, stderr } = await runCli(["-q", "a", unverified], {
    permissions: ["--allow-net", `--allow-read=${folder.path}`],
  });
  assertEquals(code, 1);
  assertEquals(stderr.match(/warning: .*tls_verify_cert = no/g)?.length, 1);
  assertEquals(stderr.trim().split("\n").length, 1, stderr);
});

Deno.test("certificates are read again for a new connection", async () => {
  await using world = await scene();
  const { authority, folder } = world;
  const good = await authority.sign("good", names);
  const { port, memcached } = await world.start(good);
  await using elsewhere = await Folder.make();
  const stranger = await Authority.make(elsewhere.path);
  const path = await folder.write("trusted.pem", "");
  await Deno.copyFile(stranger.cert, path);
  const name = await world.file(
    `memcache = tls:localhost:${port}\ntls_CAfile = ${path}\n`,
  );
  await using table = await openTable(name, { utf8: true, write: true });
  await assertRejects(() => table.lookup("a"), TemporaryError, "not trusted");
  await Deno.copyFile(authority.cert, path);
  assertEquals(await table.update("a", "one"), true);
  await memcached.stop();
  await world.start(await authority.sign("renewed", names), { port });
  assertEquals(await table.lookup("a"), undefined);
  await table.update("a", "two");
  assertEquals(await table.lookup("a"), "two");
});

Deno.test("what TLS parameters cannot be is a ConfigError when the table is opened", async () => {
  await using folder = await Folder.make();
  const empty = await folder.write("empty", "nothing\n");
  const memcache = "tls:localhost:11211";
  for (
    const [parameters, message] of [
      [{ tls_verify_cert: "maybe" }, "tls_verify_cert = maybe: need yes or no"],
      [{ tls_cert_file: empty }, "set tls_key_file too"],
      [{ tls_key_file: empty }, "set tls_cert_file too"],
      [{ tls_CAfile: `${folder.path}/none` }, "there is no such file"],
      [{ tls_CAfile: empty }, "the file has no certificate in PEM format"],
    ] as const
  ) {
    await using table = new MemcacheTable({ memcache, ...parameters });
    await assertRejects(() => table.open(), ConfigError, message);
  }
  await using plain = new MemcacheTable({ tls: { verify: false } });
  await assertRejects(() => plain.lookup("a"), ConfigError, "not encrypted");
  const name = `memcache:${await folder.write(
    "t.cf",
    `tls_CAfile = ${empty}`,
  )}`;
  const { problems } = await checkTable(name, { utf8: true });
  assertStringIncludes(
    problems[0].message,
    "tls_CAfile: it has no effect, for nothing is encrypted: " +
      "set memcache = tls:HOST:PORT",
  );
});

Deno.test("certificates and a key that cannot be used are told when the table is opened", async () => {
  await using world = await scene();
  const { authority, folder } = world;
  const { cert, key } = await authority.sign("client", names);
  const other = await authority.sign("other", names);
  const damaged = async (path: string) => {
    const lines = (await Deno.readTextFile(path)).split("\n");
    return await folder.write("damaged.pem", lines.toSpliced(2, 5).join("\n"));
  };
  const secret = await folder.write(
    "secret.key",
    (await Deno.readTextFile(key)).replaceAll("PRIVATE", "ENCRYPTED PRIVATE"),
  );
  // The pair in one file, in any order, can be used.
  const both = await folder.write(
    "both.pem",
    await Deno.readTextFile(key) + await Deno.readTextFile(cert),
  );
  const table: [string, string, string, RegExp | undefined][] = [
    [authority.cert, cert, key, undefined],
    [authority.cert, both, both, undefined],
    [
      authority.cert,
      cert,
      other.key,
      /t.cf, line 5: .*tls_key_file = \S+other.key: it is not the key of the cert/,
    ],
    [
      authority.cert,
      cert,
      secret,
      /line 5: .*tls_key_file = .*: its key has a passphrase: store it without/,
    ],
    [
      authority.cert,
      cert,
      await damaged(key),
      /line 5: .*tls_key_file = .*: its key cannot be read \(.+\)$/,
    ],
  ];
  const files = async (ca: string, cert: string, key: string) =>
    await world.file(
      `memcache = tls:localhost:1\ntls_CAfile = ${ca}\n` +
        `tls_cert_file = ${cert}\ntls_key_file = ${key}\n`,
    );
  for (const [ca, cert, key, message] of table) {
    const open = async () => {
      await using table = await openTable(await files(ca, cert, key));
      return table.name;
    };
    if (message === undefined) await open();
    else assertMatch((await assertRejects(open, ConfigError)).message, message);
  }
  // The last ones need a file of their own.
  const noCert = await damaged(cert);
  for (
    const [ca, certificate, line] of [
      [noCert, cert, 3],
      [authority.cert, noCert, 4],
    ] as const
  ) {
    const name = await files(ca, certificate, key);
    const { message } = await assertRejects(() => openTable(name), ConfigError);
    assertMatch(message, /: its certificate cannot be read \(.+\)$/);
    assertStringIncludes(message, `t.cf, line ${line}: `);
  }
  const tls = {
    cert: await Deno.readTextFile(cert),
    key: await Deno.readTextFile(other.key),
  };
  await assertRejects(
    () => openTable("memcache:{memcache=tls:localhost:1}", { tls }),
    ConfigError,
    "the option tls.key: it is not the key of the certificate",
  );
});

Deno.test("a renewal that has written only the certificate costs a lookup nothing: the backup answers", async () => {
  await using world = await scene();
  const { authority, folder } = world;
  const { port } = await world.start(await authority.sign("good", names));
  const first = await authority.sign("first", names);
  const second = await authority.sign("second", names);
  const cert = await folder.write("c.pem", await Deno.readTextFile(first.cert));
  const name = await world.file(
    `memcache = tls:localhost:${port}\ntls_CAfile = ${authority.cert}\n` +
      `tls_cert_file = ${cert}\ntls_key_file = ${first.key}\n` +
      "backup = inline:{a=one}\n",
  );
  const warnings: string[] = [];
  await using table = await openTable(name, {
    onWarning: (line) => warnings.push(line),
  });
  await Deno.copyFile(second.cert, cert);
  assertEquals(await table.lookup("a"), "one");
  assertMatch(warnings.join(), /it is not the key of the certificate.*backup/);
});

Deno.test("a server that speaks no TLS 1.2 is refused, with a message that says so", async () => {
  await using world = await scene();
  const { cert, key } = await world.authority.sign("good", names);
  for (const version of ["-tls1", "-tls1_1"]) {
    await using server = await OpensslServer.start([
      ...["-cert", cert, "-key", key],
      ...[version, "-cipher", "ALL:@SECLEVEL=0"],
    ]);
    const name = await world.file(
      `memcache = tls:localhost:${server.port}\n` +
        `tls_CAfile = ${world.authority.cert}\n`,
    );
    await using table = await openTable(name, { utf8: true });
    await assertRejects(
      () => table.lookup("a"),
      TemporaryError,
      "it speaks no TLS 1.2 or later, and older versions are not safe",
    );
  }
});

Deno.test("a server that closes at the first command may expect TLS, until it has answered one", async () => {
  await using world = await scene();
  const { cert, key } = await world.authority.sign("good", names);
  const hint = ": does it expect TLS (memcache = tls:HOST:PORT)?";
  const failure = async (parameters: MemcacheTableParameters) => {
    const given = { max_try: 1, ...parameters };
    await using table = new MemcacheTable(given, { write: true });
    const error = await assertRejects(() => table.lookup("a"), TemporaryError);
    await assertRejects(() => table.update("a", "b"), TemporaryError);
    return error.message;
  };
  const starts = [
    () => OpensslServer.start(["-cert", cert, "-key", key]),
    () => NodeTlsServer.start(cert, key),
  ];
  for (const start of starts) {
    await using server = await start();
    const memcache = `inet:127.0.0.1:${server.port}`;
    assertStringIncludes(
      await failure({ memcache }),
      `the server closed the connection${hint}`,
    );
    assertStringIncludes(
      await failure({ memcache, user: "joe", password: "secret" }),
      "; does it expect TLS (memcache = tls:HOST:PORT)?",
    );
    const name = await world.file(`memcache = ${memcache}\n`);
    await assertRejects(() => readStats(name, { utf8: true }), Error, hint);
  }
  // Known to be a memcached: it was stopped, or it closes what is idle.
  await using known = new ScriptedServer(({ connection, request }) =>
    connection === 0 && request === 0 ? ["END\r\n"] : ["CLOSE"]
  );
  let connections = 0;
  await using closing = new ScriptedServer(({ connection }) => {
    connections = connection;
    return connection === 0 ? ["END\r\n", "CLOSE"] : ["CLOSE"];
  });
  for (const { server: memcache } of [known, closing]) {
    await using table = new MemcacheTable({ memcache, max_try: 1 });
    assertEquals(await table.lookup("a"), undefined);
    for (const key of ["b", "c"]) {
      const error = await assertRejects(
        () => table.lookup(key),
        TemporaryError,
      );
      assert(!error.message.includes("TLS"), error.message);
    }
  }
  assert(connections > 0);
  const users = await world.folder.write("users", "joe:secret\n");
  const more = ["-Y", users];
  await using wanting = await Memcached.tcp(freePort(), "127.0.0.1", more);
  const said = await failure({ memcache: wanting.server });
  assert(!said.includes("TLS"), said);
});

Deno.test("what OpenSSL says is told without where in its source it says so", () => {
  const error = Object.assign(
    new Error(
      "80CC:error:0A00045C:SSL routines:ssl3_read_bytes:tlsv13 alert " +
        "certificate required:../deps/rec_layer_s3.c:1601:SSL alert number 116:\n",
    ),
    { code: "ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED" },
  );
  assertEquals(
    (explained(error, "localhost") as Error).message,
    "it refuses the TLS handshake (tlsv13 alert certificate required): does it " +
      "want the certificate of a client? set tls_cert_file and tls_key_file",
  );
});

Deno.test("a certificate that is not valid now is told with its time, unless it is another's fault", () => {
  const day = 86400_000;
  const at = (days: number) => new Date(Date.now() + days * day);
  const error = (code: string) => Object.assign(new Error(code), { code });
  const table: [string, { from?: Date; to?: Date }, string][] = [
    ["CERT_HAS_EXPIRED", {}, "its certificate has expired: renew it there"],
    [
      "CERT_HAS_EXPIRED",
      { to: new Date(0) },
      "its certificate has expired, at 1970-01-01 00:00:00 UTC: renew it there",
    ],
    ["CERT_HAS_EXPIRED", { to: at(1) }, "that of its authority has expired"],
    ["CERT_NOT_YET_VALID", {}, "not valid yet: is the clock right?"],
    ["CERT_NOT_YET_VALID", { from: at(-1) }, "not valid yet"],
    [
      "CERT_NOT_YET_VALID",
      { from: new Date(32503680000000) },
      "not valid before 3000-01-01 00:00:00 UTC",
    ],
  ];
  for (const [code, shown, message] of table) {
    const said = explained(error(code), "localhost", shown) as Error;
    assertStringIncludes(said.message, message);
  }
});

Deno.test("a connect that is handed in gets what is known of TLS", async () => {
  const seen: Endpoint[] = [];
  const connect = (endpoint: Endpoint) => {
    seen.push(endpoint);
    return Promise.reject(new Error("none"));
  };
  const memcache = "tls:cache.example.com:11211";
  const caCerts = "-----BEGIN CERTIFICATE-----\n";
  const tls = { caCerts, serverName: "other" };
  await using table = new MemcacheTable({ memcache, tls }, { connect });
  await using lookup = new MemcacheLookup({ memcache }, { connect });
  await assertRejects(() => table.lookup("a"), TemporaryError);
  await assertRejects(() => lookup.lookup("a"), TemporaryError);
  const place = {
    transport: "tcp",
    hostname: "cache.example.com",
    port: 11211,
  };
  assertEquals(seen as unknown[], [{ ...place, tls }, { ...place, tls: {} }]);
});

Deno.test("a server that says nothing to a TLS handshake fails within the time-out", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accepting = listener.accept();
  const { port } = listener.addr as Deno.NetAddr;
  await using table = new MemcacheTable({
    memcache: `tls:127.0.0.1:${port}`,
    timeout: 1,
  }, { connect: connectDeno });
  await assertRejects(() => table.lookup("a"), TemporaryError, "within 1 s");
  (await accepting).close();
});

Deno.test("tls:HOST:PORT is a server of a table, and no place to listen", async () => {
  for (const server of ["tls:localhost:11211", "tls:[::1]:11211"]) {
    assertEquals(formatEndpoint(parseServer(server) as Endpoint), server);
  }
  await assertRejects(
    async () => await serveSocketmap({}, { endpoint: "tls:localhost:1" }),
    Error,
    "tls:localhost:1: Postfix speaks no TLS to a socketmap",
  );
});
