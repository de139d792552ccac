import {
  checkTable,
  readStats,
  syncTable,
} from "../../../lib/maintenance/mod.ts";
import {
  ConfigError,
  MemcacheTable,
  openTable,
  type TableOptions,
  TemporaryError,
} from "../../../mod.ts";
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "../../support/assert.ts";
import { Authority } from "../../support/certificates.ts";
import { Folder } from "../../support/folder.ts";
import { freePort, Memcached } from "../../support/memcached.ts";
import { ScriptedServer } from "../../support/scripted_server.ts";

/** A memcached with TLS that wants a certificate and a log-in, and the texts. */
async function scene() {
  const folder = await Folder.make();
  const authority = await Authority.make(folder.path);
  const good = await authority.sign("good", "DNS:cache.example");
  const users = await folder.write("users", "joe:secret\n");
  const port = freePort();
  const ssl = `ssl_chain_cert=${good.cert},ssl_key=${good.key},` +
    `ssl_ca_cert=${authority.cert},ssl_verify_mode=2`;
  const more = ["-Z", "-o", ssl, "-Y", users];
  const memcached = await Memcached.tcp(port, "127.0.0.1", more);
  const options: TableOptions = {
    utf8: true,
    write: true,
    user: "joe",
    password: "secret",
    tls: {
      caCerts: await Deno.readTextFile(authority.cert),
      cert: await Deno.readTextFile(good.cert),
      key: await Deno.readTextFile(good.key),
      serverName: "cache.example",
    },
  };
  return {
    folder,
    authority,
    server: `tls:127.0.0.1:${port}`,
    options,
    file: async (text: string, name = "t.cf") =>
      `memcache:${await folder.write(name, `max_try = 1\n${text}`)}`,
    async [Symbol.asyncDispose]() {
      await memcached.stop();
      await folder[Symbol.asyncDispose]();
    },
  };
}

Deno.test("user, password and tls are options, and win over the file of the table", async () => {
  await using world = await scene();
  const { folder, server, options } = world;
  const none = `${folder.path}/none`;
  const told: string[] = [];
  const onDetail = (line: string) => told.push(line);
  const texts = [
    "",
    "user = ann\npassword = wrong\n",
    `password_file = ${none}\ntls_CAfile = ${none}\ntls_cert_file = ${none}\n` +
    `tls_key_file = ${none}\ntls_server_name = wrong\n`,
  ];
  for (const text of texts) {
    const name = await world.file(`memcache = ${server}\n${text}`);
    await using table = await openTable(name, { ...options, onDetail });
    assertEquals(await table.update("a", "one"), true);
    assertEquals(await table.lookup("a"), "one");
    const { write: _, ...reading } = options;
    assertEquals((await readStats(name, reading)).items, 1);
    const checked = await checkTable(name, reading);
    assert(checked.good, JSON.stringify(checked.problems));
    assert(!JSON.stringify(checked).includes("secret"));
  }
  assertStringIncludes(told.join("\n"), "password = (not shown)");
  assert(!told.join("\n").includes("secret"));
  assert(!told.join("\n").includes("wrong"), told.join("\n"));
});

Deno.test("MemcacheTable takes the same as parameters and as options, which win", async () => {
  await using world = await scene();
  const { server: memcache } = world;
  const { user, password, tls, ...options } = world.options;
  const access = { user, password, tls };
  const wrong = {
    user: "ann",
    password: "wrong",
    tls: { ...tls, serverName: "wrong" },
  };
  for (
    const [parameters, more] of [
      [access, {}],
      [{}, access],
      [wrong, access],
      [{ ...access, tls: { caCerts: tls!.caCerts } }, {
        tls: { cert: tls!.cert, key: tls!.key, serverName: tls!.serverName },
      }],
      [
        { ...access, tls_CAfile: "/nonexistent", tls_server_name: "wrong" },
        {},
      ],
    ]
  ) {
    await using table = new MemcacheTable({ memcache, ...parameters }, {
      ...options,
      ...more,
    });
    assertEquals(await table.update("a", "one"), true);
    assertEquals(await table.lookup("a"), "one");
  }
  await using first = new MemcacheTable({ memcache, ...access }, {
    ...options,
    tls: { serverName: "wrong" },
  });
  await assertRejects(() => first.lookup("a"), TemporaryError, "not for wrong");
});

Deno.test("the secrets of a table go to no other server that it names", async () => {
  await using folder = await Folder.make();
  await using server = new ScriptedServer(({ line }) =>
    line.startsWith("set ") ? ["STORED\r\n"] : ["END\r\n"]
  );
  const inner = `memcache:${await folder.write(
    "inner.cf",
    `memcache = ${server.server}\nmax_try = 1\nbackup = inline:{k@x=v}\n`,
  )}`;
  const options: TableOptions = {
    utf8: true,
    user: "joe",
    password: "secret",
    tls: { serverName: "x" },
    onWarning: () => {},
  };
  const nobody = `tls:127.0.0.1:${freePort()}`;
  const parameters = {
    memcache: nobody,
    backup: inner,
    domain: `${inner}, static:all`,
    max_try: 1,
  };
  const text = Object.entries(parameters).map(([name, value]) =>
    `${name} = ${value}\n`
  ).join("");
  const name = `memcache:${await folder.write("outer.cf", text)}`;
  {
    await using table = await openTable(name, options);
    assertEquals(await table.lookup("k@x"), "v");
    await using object = new MemcacheTable(parameters, {
      ...options,
      openTable: (inner, given) => {
        assertEquals("password" in given || "tls" in given, false);
        return openTable(inner, given);
      },
    });
    assertEquals(await object.lookup("k@x"), "v");
  }
  await checkTable(name, options);
  const backed = `memcache:${await folder.write(
    "backed.cf",
    `memcache = ${server.server}\nmax_try = 1\nbackup = kv:${folder.path}/t.kv\n`,
  )}`;
  const top = `memcache:${await folder.write(
    "top.cf",
    `memcache = ${nobody}\nmax_try = 1\nbackup = ${backed}\n`,
  )}`;
  await syncTable(top, [{ key: "a", value: "b" }], options);
  assert(server.lines.some((line) => line.startsWith("get ")));
  assert(server.lines.some((line) => line.startsWith("set a ")));
  const log = server.lines.join("\n");
  assert(!/log-in|joe|secret/.test(log), log);
});

Deno.test("an access option that is not of its type is a TypeError that shows no secret", async () => {
  const texts = "caCerts, cert, key, serverName, verify";
  const table: [Record<string, unknown>, string][] = [
    [{ user: 1 }, "user must be a string: number"],
    [{ password: ["secret"] }, "password must be a string: array"],
    [{ password: null }, "password must be a string: null"],
    [{ tls: true }, `tls must be an object with ${texts}: boolean`],
    [{ tls: "secret" }, `tls must be an object with ${texts}: string`],
    [
      { tls: { caCert: "secret" } },
      "There is no tls.caCert: did you mean tls.caCerts?",
    ],
    [{ tls: { servername: "x" } }, "did you mean tls.serverName?"],
    [{ tls: { ca: "secret" } }, "did you mean tls.caCerts?"],
    [{ tls: { rejectUnauthorized: true } }, "did you mean tls.verify?"],
    [{ tls: { nonsense: 1 } }, `There is no tls.nonsense: there are ${texts}`],
    [{ tls: { key: new Uint8Array(3) } }, "tls.key must be a string: object"],
    [{ tls: { verify: "no" } }, "tls.verify must be a boolean: string"],
    [{ tls: { cert: "secret" } }, "There is tls.cert: set tls.key too"],
    [{ tls: { key: "secret" } }, "There is tls.key: set tls.cert too"],
    [{ pasword: "secret" }, 'did you mean "password"?'],
  ];
  for (const [options, message] of table) {
    const failures = [
      await assertRejects(
        () => openTable("memcache:{}", options as TableOptions),
        TypeError,
      ),
      await assertRejects(
        () => readStats("memcache:{}", options as TableOptions),
        TypeError,
      ),
      assertThrows(() => new MemcacheTable({}, options), TypeError),
    ];
    if ("tls" in options) {
      const parameters = options as { tls: Record<string, string> };
      failures.push(
        assertThrows(() => new MemcacheTable(parameters), TypeError),
      );
    }
    for (const error of failures) {
      assertStringIncludes(error.message, message);
      assert(!error.message.includes("secret"), error.message);
    }
  }
});

Deno.test("access options that cannot be used are a ConfigError, which says why", async () => {
  const memcache = "tls:127.0.0.1:1";
  const table: [string, TableOptions, string][] = [
    [
      "inet:127.0.0.1:1",
      { tls: {} },
      "there is the option tls, and memcache = inet:127.0.0.1:1 is not encrypted: use tls:HOST:PORT",
    ],
    ["unix:/x", { tls: { verify: true } }, "is not encrypted"],
    [
      memcache,
      { tls: { caCerts: "secret" } },
      "the option tls.caCerts has no certificate in PEM format",
    ],
    [
      memcache,
      { tls: { cert: "secret", key: "secret" } },
      "the option tls.cert has no certificate",
    ],
    [
      memcache,
      { tls: { cert: "-----BEGIN CERTIFICATE-----\n", key: "secret" } },
      "the option tls.key has no private key in PEM format",
    ],
    [
      memcache,
      { tls: { caCerts: "-----BEGIN CERTIFICATE-----\\nMII" } },
      "the option tls.caCerts has no certificate in PEM format",
    ],
    [memcache, { user: "joe" }, "there is a user, and no password"],
    [memcache, { password: "secret" }, "there is a password, and no user"],
    [memcache, { user: "joe", password: "secret\n" }, "it must be one line"],
  ];
  for (const [memcache, options, message] of table) {
    const error = await assertRejects(
      () => openTable(`memcache:{memcache=${memcache}}`, options),
      ConfigError,
    );
    assertStringIncludes(error.message, message);
    assert(!error.message.includes("secret"), error.message);
    await using object = new MemcacheTable({ memcache }, options);
    await assertRejects(() => object.lookup("a"), ConfigError, message);
  }
  const warnings: string[] = [];
  await using given = new MemcacheTable({ memcache, tls: { verify: false } }, {
    onWarning: (line) => warnings.push(line),
  });
  await given.open();
  assertStringIncludes(warnings.join(), "the server is not verified");
});
