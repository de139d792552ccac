import {
  assert,
  assertEquals,
  assertMatch,
  assertStringIncludes,
} from "../../support/assert.ts";
import { Authority } from "../../support/certificates.ts";
import { Folder } from "../../support/folder.ts";
import {
  accessToken,
  KvServer,
  type RequestKind,
  useAccessToken,
} from "../../support/kv_connect/server.ts";
import { Memcached } from "../../support/memcached.ts";
import { type ProgramOptions, runCli } from "../../support/processes.ts";
import { Serving } from "../../support/serving.ts";
import { RawClient } from "../../support/socketmap.ts";

useAccessToken();

const good = () => undefined;

/** A fault that leaves the exchange as it is. */
function ofData(fault: () => Response | Promise<Response>) {
  return (kind: RequestKind) => kind === "exchange" ? undefined : fault();
}

/** Runs the command line; returns how it ended, and in how many seconds. */
async function timed(args: string[], options?: ProgramOptions) {
  const start = performance.now();
  const { code, stdout, stderr } = await runCli(args, options);
  const seconds = (performance.now() - start) / 1000;
  // Deno itself tells of each try of its own.
  const said = stderr.split("\n").filter((line) =>
    line !== "" && !line.startsWith("KV Connect failed to call")
  );
  return { code, stdout, said, seconds };
}

Deno.test("kv: over the network does all that the command line offers", async () => {
  await using server = new KvServer();
  const table = `kv:${server.database().url}#aliases`;
  const commands: [string[], string, number, string][] = [
    [["-q", "alice", table], "", 1, ""],
    [["-i", table], "alice a@x\nbob b@x\ncarol c@x\n", 0, ""],
    [["-q", "Alice", table], "", 0, "a@x\n"],
    [["-q", "-", table], "bob\nnobody\nalice\n", 0, "bob\tb@x\nalice\ta@x\n"],
    [["-i", "-r", table], "bob new\n", 0, ""],
    [["-i", "-w", table], "bob newer\n", 0, ""],
    [["-d", "carol", table], "", 0, ""],
    [["-d", "-", table], "carol\nnobody\n", 1, ""],
    [["-s", table], "", 0, "alice\ta@x\nbob\tnew\n"],
    [
      ["sync", table],
      "bob new\ndave d@x\n",
      0,
      "added 1, changed 0, removed 1, kept 1\n",
    ],
    [["-j", "-s", table], "", 0, '{"bob": "new"}\n{"dave": "d@x"}\n'],
    [
      ["check", table],
      "",
      0,
      `${table}\n\n  lookup  yes\n  update  yes\n  list    yes\n\n  good\n`,
    ],
  ];
  for (const [args, stdin, code, stdout] of commands) {
    const ended = await runCli(args, { stdin });
    assertEquals(ended, { code, stdout, stderr: "" }, args.join(" "));
  }
  const again = await runCli(["-i", table], { stdin: "bob x\n" });
  assertStringIncludes(again.stderr, 'key "bob" exists: replace it with -r');
  const figures = await runCli(["stats", table]);
  assertEquals(figures.code, 1);
  assertStringIncludes(figures.stderr, "has no statistics");
});

Deno.test("kv: over the network is the backup of a memcache table", async () => {
  await using server = new KvServer();
  await using memcached = await Memcached.tcp();
  await using folder = await Folder.make();
  const file = await folder.write(
    "aliases.cf",
    `memcache = ${memcached.server}\n` +
      `backup = kv:${server.database().url}#aliases\nkey_format = a:%s\n`,
  );
  const table = `memcache:${file}`;
  const stdin = "alice a@x\nbob b@x\n";
  assertEquals((await runCli(["-i", table], { stdin })).code, 0);
  assertEquals((await runCli(["-s", table])).stdout, "alice\ta@x\nbob\tb@x\n");
  await memcached.flush();
  const warm = await runCli(["warm", table]);
  assertStringIncludes(warm.stdout, "2 entries copied");
  const checked = await runCli(["check", table]);
  assertMatch(checked.stdout, /\n {2}good\n$/);
  // What memcached has costs no question; what it lacks is never "not found".
  server.fault = () => new Response("being moved", { status: 503 });
  assertEquals((await runCli(["-q", "alice", table])).stdout, "a@x\n");
  const missed = await runCli(["-q", "nobody", table]);
  assertEquals([missed.code, missed.stdout], [1, ""]);
  assertMatch(
    missed.stderr,
    /^memcache-table: fatal: kv:\S+#aliases: the service fails \(503 Service Unavailable: being moved\): try again later\n$/,
  );
  const unhealthy = await runCli(["check", table]);
  assertEquals(unhealthy.code, 1);
  assertStringIncludes(unhealthy.stdout, "lookup  no: its backup fails");
});

Deno.test("kv: over the network a command ends within ten seconds and names the cure", async () => {
  await using server = new KvServer();
  const { url } = server.database();
  const again = "try again later";
  const cases: [string, string, KvServer["fault"], string?, string?][] = [
    [
      url,
      "the access token is refused (401 Unauthorized: Invalid access token): " +
      "set DENO_KV_ACCESS_TOKEN in the environment to a token of this database",
      good,
      "wrong",
    ],
    [
      url,
      "the access token is missing or refused (401 Unauthorized: Invalid " +
      "access token): set DENO_KV_ACCESS_TOKEN in the environment to a token " +
      "of this database",
      good,
      "",
    ],
    [
      `${url}/typo`,
      "there is no database at this URL (404 Not Found: Resource not found): " +
      "check its path",
      good,
    ],
    [
      "https://kv.example.invalid/db",
      "the host kv.example.invalid is unknown: check the URL, or the network",
      good,
    ],
    [
      url,
      "what answers there is another service, for its answer is no JSON: is " +
      "this the URL of a Deno KV database?",
      () =>
        new Response("<html>", { headers: { "content-type": "text/html" } }),
    ],
    [
      url,
      `the service fails (500 Internal Server Error: out of order): ${again}`,
      () => new Response("out of order", { status: 500 }),
    ],
    [
      url,
      "the service fails (500 Internal Server Error: out of order, from " +
      `${url}/v3): ${again}`,
      ofData(() => new Response("out of order", { status: 500 })),
    ],
    [
      url,
      `the service does not answer: ${again}`,
      () => server.hang(),
    ],
    [
      url,
      `the service does not answer: ${again}`,
      ofData(() => server.hang()),
    ],
  ];
  for (const [at, message, fault, token = accessToken] of cases) {
    server.fault = fault;
    const env = { DENO_KV_ACCESS_TOKEN: token };
    const commands = [["-q", "k"], ["-q", "-"], ["-s"], ["-i"], ["check"]]
      .map((args) => [...args, `kv:${at}`]);
    // Together, since some of these last long.
    await Promise.all(commands.map(async (args) => {
      const ended = await timed(args, { env, stdin: "k v\n" });
      const what = `${args.join(" ")}: ${ended.said.join("\n")}`;
      assertEquals(ended.code, 1, what);
      assert(ended.seconds < 10, `${what}: ${ended.seconds} s`);
      if (args[0] === "check") {
        assertStringIncludes(ended.stdout, `error: kv:${at}: ${message}\n`);
        assertMatch(ended.stdout, /\n {2}not good, 1 error/);
        return;
      }
      const last = ended.said.at(-1)!.replace(
        /; it may still be written then$/,
        "",
      );
      assertEquals(last, `memcache-table: fatal: kv:${at}: ${message}`);
      assertEquals(ended.stdout, "");
    }));
    server.fault = good;
    server.release();
  }
});

Deno.test("kv: over the network names the permissions that it needs, and works with these", async () => {
  await using server = new KvServer();
  const { url } = server.database();
  const { host, port } = new URL(url);
  const lookup = (...permissions: string[]) =>
    runCli(["-q", "k", `kv:${url}`], {
      permissions: ["--unstable-kv", ...permissions],
    });
  const env = "--allow-env=DENO_KV_ACCESS_TOKEN";
  const lacking = [[], [env], [`--allow-net=${host}`]];
  for (const permissions of lacking) {
    const { code, stderr } = await lookup(...permissions);
    assertEquals(code, 1);
    assertEquals(
      stderr,
      `memcache-table: fatal: kv:${url}: no permission to use it: run Deno ` +
        `with --allow-net=${host} ${env}\n`,
    );
  }
  assertEquals(await lookup(env, `--allow-net=${host}`), {
    code: 1,
    stdout: "",
    stderr: "",
  });
  // The service may have its data elsewhere.
  server.endpoint = `http://localhost:${port}`;
  const elsewhere = await lookup(env, `--allow-net=${host}`);
  assertStringIncludes(elsewhere.stderr, `--allow-net=localhost:${port}`);
});

Deno.test("check warns of a kv: table that is reached without encryption", async () => {
  const { code, stdout } = await runCli([
    "check",
    "kv:HTTP://kv.example.invalid/#a",
  ]);
  assertEquals(code, 1);
  assertStringIncludes(
    stdout,
    "warning: kv:HTTP://kv.example.invalid/#a: nothing is encrypted: whoever " +
      "is on the way to kv.example.invalid can read the access token",
  );
  const encrypted = await runCli(["check", "kv:https://kv.example.invalid/"]);
  assertMatch(encrypted.stdout, /\n {2}not good, 1 error\n$/);
});

Deno.test("kv: over the network a certificate must be trusted", async () => {
  await using folder = await Folder.make();
  const authority = await Authority.make(folder.path);
  const { cert, key } = await authority.sign("kv", "DNS:localhost");
  await using server = new KvServer({
    tls: {
      cert: await Deno.readTextFile(cert),
      key: await Deno.readTextFile(key),
    },
  });
  const table = `kv:${server.database().url}`;
  const refused = await runCli(["-q", "k", table]);
  assertEquals(refused.code, 1);
  assertMatch(
    refused.stderr,
    /: localhost:\d+ has no certificate that is trusted here \(.*\): for an authority of your own set DENO_CERT,/,
  );
  const env = { DENO_CERT: authority.cert };
  assertEquals((await runCli(["-i", table], { env, stdin: "k v\n" })).code, 0);
  assertEquals((await runCli(["-q", "k", table], { env })).stdout, "v\n");
});

Deno.test("kv: over the network is served to Postfix, and is back after an outage", async () => {
  await using server = new KvServer();
  const table = `kv:${server.database().url}`;
  await runCli(["-i", table], { stdin: "alice a@x\n" });
  await using serving = await Serving.start([
    "--socketmap",
    "inet:127.0.0.1:0",
    `aliases=${table}`,
  ]);
  using client = await RawClient.connect(serving.endpoint);
  const ask = (key: string) => client.ask(`aliases ${key}`);
  assertEquals(await ask("alice"), "OK a@x");
  assertEquals(await ask("nobody"), "NOTFOUND ");
  server.fault = () => server.hang();
  assertMatch(
    (await ask("alice"))!,
    /^TEMP kv:\S+: the service does not answer/,
  );
  assertMatch((await ask("nobody"))!, /^TEMP /);
  server.fault = good;
  server.release();
  assertEquals(await ask("alice"), "OK a@x");
});

Deno.test("kv: over the network takes ten thousand entries in three seconds, 20 ms away", async () => {
  await using server = new KvServer();
  server.delay = 20;
  const table = `kv:${server.database().url}`;
  const keys = Array.from(
    { length: 10_000 },
    (_, at) => `user${at}@example.com`,
  );
  const lines = keys.map((key) => `${key} mailbox@mx.example.com\n`).join("");
  const found = lines.replaceAll(" ", "\t");
  // -i alone asks of each key whether it is there.
  const commands: [string[], string, string][] = [
    [["-i", table], lines, ""],
    [["-i", "-r", table], lines, ""],
    [["-q", "-", table], `${keys.join("\n")}\n`, found],
    [["-s", table], "", found.trim().split("\n").sort().join("\n") + "\n"],
    [["-d", "-", table], `${keys.join("\n")}\n`, ""],
  ];
  for (const [args, stdin, stdout] of commands) {
    // Once more on a machine that was busy.
    let ended = await timed(args, { stdin });
    for (let tries = 1; tries < 3 && ended.seconds > 3; tries++) {
      ended = await timed(args, { stdin });
    }
    if (args[0] !== "-d") assertEquals(ended.code, 0);
    assertEquals(ended.stdout, stdout);
    assert(ended.seconds < 3, `${args.join(" ")}: ${ended.seconds} s`);
  }
});
