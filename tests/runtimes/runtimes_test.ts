import { DatabaseSync } from "node:sqlite";
import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
} from "../support/assert.ts";
import { Authority } from "../support/certificates.ts";
import { CuttingRelay } from "../support/cutting_relay.ts";
import { Folder } from "../support/folder.ts";
import { latin1 } from "../support/latin1.ts";
import { ForeignSocket, resetConnections } from "../support/foreign_socket.ts";
import { KvServer, useAccessToken } from "../support/kv_connect/server.ts";
import { KvLock } from "../support/kv_lock.ts";
import { freePort, Memcached } from "../support/memcached.ts";
import { root, run, runCli, runPostmap } from "../support/processes.ts";
import { oddStreams, runWithOddStreams } from "../support/odd_streams.ts";
import { ScriptedServer } from "../support/scripted_server.ts";
import { Serving } from "../support/serving.ts";
import { samples } from "../support/metrics.ts";
import { netstring, RawClient } from "../support/socketmap.ts";
import { OpensslServer } from "../support/tls_servers.ts";
import {
  docExample,
  lookupWorker,
  plainWorker,
  readmeWorker,
  replaced,
} from "../support/readme.ts";
import { MemcacheTable, openTable } from "../../mod.ts";
import { leastNode } from "../package/build.ts";
import { Installed, longest } from "./installed.ts";
import type { Outcome, Runtime } from "./requirements.ts";
import { Stage } from "./stage.ts";
import { Workerd } from "./workerd.ts";

// The last one that is too old; the first that is not is the package's own.
const oldNode = "18.20.8";

/** Runs the requirements: in Deno from the sources, elsewhere from the package. */
async function hold(
  runtime: Runtime,
  command: string,
  scripts: { program: string; worker: string },
  installed: Installed,
): Promise<Outcome[]> {
  await using stage = await Stage.set(runtime);
  const world = JSON.stringify(stage.world);
  if (runtime === "workerd") return await holdWorker(scripts.worker, world);
  const program = runtime === "deno"
    ? [
      ...["run", "-A", "--no-prompt", `--config=${root}deno.json`],
      `${root}tests/runtimes/program.ts`,
    ]
    : [scripts.program];
  return JSON.parse(await installed.must(command, [...program, world]));
}

async function holdWorker(
  script: string,
  world: string,
): Promise<Outcome[]> {
  await using workerd = await Workerd.run(script);
  const response = await fetch(workerd.url, {
    method: "POST",
    body: world,
    signal: AbortSignal.timeout(longest),
  });
  const text = await response.text();
  assert(response.ok, text);
  return JSON.parse(text);
}

const cases: [string, (installed: Installed) => Promise<void>][] = [];

function works(name: string, test: (installed: Installed) => Promise<void>) {
  cases.push([name, test]);
}

works("the command line runs on Node and Bun as on Deno", async (installed) => {
  const programs: [string, string[]][] = [
    ["node", [installed.tool("memcache-table")]],
    [installed.node(leastNode), [installed.tool("memcache-table")]],
    [installed.tool("bun"), [installed.tool("memcache-table")]],
  ];
  const questions = (table: string): [string[], string][] => [
    [["-i", table], "alice one\nbob  two words\n# no entry\nkäse three\n"],
    [["-q", "Alice", table], ""],
    [["-q", "nobody", table], ""],
    [["-q", "-", table], "bob\nnobody\nKÄSE\n"],
    [["-q", "-", table], "bob\nalice\n".repeat(20000)],
    [["-j", "-q", "bob", table], ""],
    [["-s", table], ""],
    [["-s", "inline:{a=b, c=d}"], ""],
    [["-d", "bob", table], ""],
    [["-d", "-", table], "alice\nkäse\nbob\n"],
    [["-q", "k", "memcache:/nonexistent.cf"], ""],
    [["-q", "k", "nonexistent:t"], ""],
    [["-q", "k", "memcache:{memcache=inet:127.0.0.1:1}"], ""],
    [["-z"], ""],
    [["--version"], ""],
    [["-V"], ""],
    [["help"], ""],
    [["help", "check"], ""],
    [["--help", "tables"], ""],
    [["chek", table], ""],
    [["check", "--jsno", table], ""],
    [["hash:/nonexistent"], ""],
    [["static:v", "-q", "k"], ""],
    [["-q", "k", "memcahe:/nonexistent"], ""],
    [["-vv", "-q", "k", "static:v"], ""],
  ];
  const answers = async (
    name: string,
    ask: (args: string[], stdin: string) => Promise<
      { code: number; stdout: string; stderr: string }
    >,
  ) => {
    await using memcached = await Memcached.tcp();
    const configuration = `memcache=${memcached.server}\n`;
    const path = await installed.write(`${name}.cf`, configuration);
    const all = [];
    for (const [args, stdin] of questions(`memcache:${path}`)) {
      const { code, stdout, stderr } = await ask(args, stdin);
      // What the system calls a refused connection is each runtime's own.
      const said = stderr.replaceAll(path, "t.cf").split("\n").filter((line) =>
        line.startsWith("memcache-table: ")
      ).map((line) => line.replace(/(\(is it running there\?\)).*/, "$1"));
      assert(!/^\s+at /m.test(stderr), stderr);
      const asked = args.map((arg) => arg.replace(path, "t.cf"));
      // Only the package is built from a commit.
      const printed = stdout.replace(/ \([0-9a-f]{10}[^)]*\)$/m, "");
      all.push({ asked, code, stdout: printed, said });
    }
    return all;
  };
  // They wait for postmap most of the time.
  const [expected, ...others] = await Promise.all([
    answers("deno", (args, stdin) => runCli(args, { stdin })),
    ...programs.map(([program, first], at) =>
      answers(
        `${at}`,
        (args, stdin) => installed.run(program, [...first, ...args], stdin),
      )
    ),
  ]);
  assertEquals(expected[1].stdout, "one\n");
  for (const [at, [program]] of programs.entries()) {
    assertEquals(others[at], expected, program);
  }
  assertEquals(
    await installed.must("npx", ["memcache-table", "-q", "alice", "static:v"]),
    "v\n",
  );
});

works(
  "TLS and log-in are the same on Node and Bun as on Deno",
  async (installed) => {
    await using folder = await Folder.make();
    const authority = await Authority.make(folder.path);
    const names = "DNS:localhost";
    const { cert, key } = await authority.sign("good", names);
    const old = await authority.sign("old", names, -1);
    const users = await folder.write("users", "joe:secret\n");
    const start = (more: string, ...args: string[]) => {
      const port = freePort();
      const options = ["-Z", "-o", more, ...args];
      return Memcached.tcp(port, "127.0.0.1", options);
    };
    const pair = `ssl_chain_cert=${cert},ssl_key=${key}`;
    await using good = await start(pair, "-Y", users);
    await using expired = await start(
      `ssl_chain_cert=${old.cert},ssl_key=${old.key}`,
    );
    await using asking = await start(
      `${pair},ssl_ca_cert=${authority.cert},ssl_verify_mode=2`,
    );
    await using plain = await Memcached.tcp();
    await using open = await start(pair);
    const { port } = open.address as Deno.ConnectOptions;
    await using outdated = await OpensslServer.start([
      ...["-cert", cert, "-key", key],
      ...["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"],
    ]);
    await using other = await OpensslServer.start(["-cert", cert, "-key", key]);
    const place = ({ server }: Memcached) =>
      server.replace(/^.*:/, "localhost:");
    const trusted = `tls_CAfile = ${authority.cert}`;
    const joe = "user = joe\npassword = secret";
    const client = `tls_cert_file = ${cert}\ntls_key_file = ${key}`;
    const table: [string, string][] = [
      [`tls:${place(good)}\n${trusted}\n${joe}`, "v\n"],
      [`tls:${place(asking)}\n${trusted}\n${client}`, "v\n"],
      [
        `tls:${place(good)}\ntls_verify_cert = no\n${joe}`,
        "tls_verify_cert = no",
      ],
      [
        `tls:${place(good)}\n${joe}`,
        'an authority that is not trusted, "Test authority" (',
      ],
      [`tls:${place(good)}\n${joe}`, "set tls_CAfile"],
      [`tls:localhost:${outdated.port}\n${trusted}`, "no TLS 1.2 or later"],
      [`tls:${place(good)}\n${trusted}`, "set user and password"],
      [`tls:${place(good)}\n${trusted}\n${joe}r`, "refuses the log-in"],
      [`tls:${place(expired)}\n${trusted}`, "certificate has expired, at 2"],
      [
        `tls:${place(good)}\n${trusted}\ntls_server_name = other.example`,
        "its certificate is not for other.example, but for DNS:localhost",
      ],
      [`tls:${place(asking)}\n${trusted}`, "set tls_cert_file"],
      [`tls:${place(plain)}\n${trusted}`, "it does not speak TLS"],
      [`inet:${place(asking)}`, "does it expect TLS (memcache = tls:HOST:"],
      [`inet:localhost:${other.port}`, "does it expect TLS (memcache = tls:H"],
      ["inet:nohost.invalid:11211", "(unknown host)"],
    ];
    // Large: the end of a long write is what memcached may leave unread.
    const entries = Array.from(
      { length: 200 },
      (_, at) => `k${at} ${"v".repeat(at * 5)}\n`,
    ).join("") + "k v\n";
    const tool = installed.tool("memcache-table");
    const runs = [
      ["deno", (args: string[], stdin = "") => runCli(args, { stdin })],
      [
        "node",
        (args: string[], stdin = "") =>
          installed.run("node", [tool, ...args], stdin),
      ],
      [
        "bun",
        (args: string[], stdin = "") =>
          installed.run(installed.tool("bun"), [tool, ...args], stdin),
      ],
    ] as const;
    // They wait most of the time.
    await Promise.all(runs.map(async ([name, ask]) => {
      for (const [text, expected] of table) {
        const path = await installed.write(
          `${name}.cf`,
          `memcache = ${text}\n`,
        );
        const stored = await ask(["-i", `memcache:${path}`], entries);
        const found = await ask(["-q", "k", `memcache:${path}`]);
        const said = `${stored.stderr}${found.stdout}${found.stderr}`;
        assert(said.includes(expected), `${name}: ${text}: ${said}`);
        assert(!said.includes("secret"), said);
      }
      await using relay = await CuttingRelay.start(port);
      const path = await installed.write(
        `${name}-cut.cf`,
        `memcache = tls:localhost:${relay.port}\n${trusted}\ntimeout = 1\n`,
      );
      await ask(["-i", `memcache:${path}`], entries);
      for (const how of ["CLOSE", "RESET", "HANG"] as const) {
        // In the handshake, and in the middle of a record of a reply.
        relay.cutAfter(700, how);
        const { stderr } = await ask(["-q", "k", `memcache:${path}`]);
        const expected = how === "HANG"
          ? "no answer within 1 s"
          : "it closed the connection in the TLS handshake";
        assert(stderr.includes(expected), `${name}: ${how}: ${stderr}`);
        relay.cutAfter(20_000, how);
        const keys = entries.replace(/ .*/g, "");
        const { stdout } = await ask(["-q", "-", `memcache:${path}`], keys);
        // An entry without a value is none.
        const found = entries.replace("k0 \n", "").replaceAll(" ", "\t");
        assert(stdout === found, `${name}: ${how}: ${stdout.length} bytes`);
        assert(!relay.isArmed, name);
      }
    }));
  },
);

works(
  "a single lookup on Bun has sockets like all others",
  async (installed) => {
    const file = await installed.write("no-socket", "");
    const program = `${root}tests/runtimes/bun_sockets.ts`;
    const printed = await installed.must(installed.tool("bun"), [
      program,
      file,
      `${freePort()}`,
    ]);
    const [own, ofNode] = JSON.parse(printed);
    assertEquals(own, ofNode);
    assert(Object.keys(own).length >= 19);
    assertEquals(own["long writes at once, for one who reads late"], [
      true,
      "48000001 to 122",
    ]);
    assertEquals(own["it is not read, and then it is"], [true, 24_000_000]);
    assertEquals(own["the other side ends"], ["last", null, null]);
  },
);

works("a single lookup on Bun ends as on Node", async (installed) => {
  await using folder = await Folder.make();
  await Deno.chmod(folder.path, 0o777);
  const value = "0123456789".repeat(20_000);
  await using tcp = await Memcached.tcp();
  await using unix = await Memcached.unix(`${folder.path}/mc.sock`);
  for (const memcached of [tcp, unix]) await memcached.set("long", value);
  await using server = new ScriptedServer(({ line }) => {
    const how = line.split(" ")[1];
    if (how === "late") {
      return ["VALUE late 0 4\r\n", "v\r", "\nw", "\r\nEND\r\n"];
    }
    if (how === "part") return ["VALUE part 0 40\r\nv", "CLOSE"];
    return how === "hang" ? ["HANG"] : ["CLOSE"];
  });
  const scripted = `memcache = ${server.server}, timeout = 1, retry_pause = 0`;
  const questions = [
    ["long", `memcache = ${tcp.server}`],
    ["long", `memcache = ${unix.server}`],
    ["none", `memcache = ${unix.server}`],
    ["k", `memcache = unix:${folder.path}/none`],
    ["k", `memcache = unix:${folder.path}`],
    ["k", `memcache = inet:127.0.0.1:${freePort()}`],
    ["k", "memcache = inet:nohost.invalid:11211"],
    ["k", `memcache = unix:${folder.path}/none, backup = static:b`],
    ["late", scripted],
    ["part", scripted],
    ["close", scripted],
    ["hang", scripted],
  ];
  const bin = installed.tool("memcache-table");
  for (const [key, parameters] of questions) {
    const args = [bin, "-q", key, `memcache:{ ${parameters} }`];
    const [ofNode, own] = await Promise.all([
      installed.run("node", args),
      installed.run(installed.tool("bun"), args),
    ]);
    assertEquals(own, ofNode, `${key}: ${parameters}`);
  }
});

works("Node and Bun open files of any name", async (installed) => {
  const source = `${installed.path}/source-`;
  // Deno cannot write one either.
  await installed.must("bash", [
    "-c",
    `printf 'alice one\nbob two\n' > "$0"$'\\xe9'`,
    source,
  ]);
  const configuration = [
    ...new TextEncoder().encode(
      `memcache = unix:/nonexistent\nbackup = texthash:${source}`,
    ),
    0xe9,
  ];
  const path = `${installed.path}/bytes.cf`;
  await Deno.writeFile(path, Uint8Array.from(configuration));
  const args = ["-q", "bob", `memcache:${path}`];
  for (const program of ["node", installed.tool("bun")]) {
    const first = [installed.tool("memcache-table")];
    const { code, stdout } = await installed.run(program, [...first, ...args]);
    assertEquals([code, stdout], [0, "two\n"], program);
  }
  const { code, stderr } = await runCli(args);
  assertEquals(code, 1);
  assert(stderr.includes("Deno can only open files whose name is"), stderr);
});

works("serve answers postmap on Node and Bun", async (installed) => {
  await using memcached = await Memcached.tcp();
  await memcached.set("alice", "wonder");
  for (const program of ["node", installed.tool("bun")]) {
    const path = `${installed.path}/s`;
    const start = () =>
      Serving.start([
        ...["--socketmap", `unix:${path}`, "--mode", "0600"],
        `t=memcache:{memcache=${memcached.server}}`,
      ], { command: [program, installed.tool("memcache-table")] });
    {
      await using dead = await start();
      await dead.stop("SIGKILL");
    }
    await using serving = await start();
    assertEquals((await Deno.stat(path)).mode! & 0o777, 0o600, program);
    const socketmap = `socketmap:${serving.endpoint}:t`;
    const { stdout } = await runPostmap(["-q", "-", socketmap], {
      stdin: "Alice\nbob\nALICE\n",
    });
    assertEquals(stdout, "Alice\twonder\nALICE\twonder\n");
    using client = await RawClient.connect(serving.endpoint);
    await client.send(netstring("t alice").repeat(1000) + "no netstring");
    for (let count = 0; count < 1000; count++) {
      assertEquals(await client.reply(), "OK wonder");
    }
    assertEquals((await client.reply())?.slice(0, 4), "PERM");
    assertEquals(await client.reply(), undefined);
    const second = await start().catch((error) => error.message);
    assertEquals(`${second}`.includes("already served"), true, `${second}`);
    assertEquals(serving.lines.length, 1, serving.lines.join("\n"));
    // By default SIGUSR1 starts the debugger of Node, and SIGHUP ends the program.
    serving.kill("SIGUSR1");
    serving.kill("SIGHUP");
    for (let look = 0; look < 500 && serving.lines.length < 2; look++) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    assertEquals(await serving.stop(), 0, program);
    assertEquals(
      serving.lines.slice(1),
      ["memcache-table: opened again: t"],
      program,
    );
    await assertRejects(() => Deno.lstat(path), Deno.errors.NotFound);
  }
});

works("serve shows metrics on Node and Bun", async (installed) => {
  await using memcached = await Memcached.tcp();
  await memcached.set("alice", "wonder");
  for (const program of ["node", installed.tool("bun")]) {
    await using serving = await Serving.start([
      ...["--socketmap", "inet:127.0.0.1:0", "--log-clients"],
      ...["--metrics", "inet:127.0.0.1:0"],
      `t=memcache:{memcache=${memcached.server}}`,
    ], { command: [program, installed.tool("memcache-table")] });
    const { metrics = "" } = serving;
    using client = await RawClient.connect(serving.endpoint);
    assertEquals(await client.ask("t alice"), "OK wonder");
    await client.ask("nosuch k");
    // These send nothing, half a request, or none of HTTP.
    const place = metrics.replace("http://", "inet:");
    using silent = await RawClient.connect(place);
    for (const sent of ["GET /", "1:a,"]) {
      using other = await RawClient.connect(place);
      await other.send(sent);
    }
    const health = await fetch(`${metrics}/healthz`);
    assertEquals([health.status, await health.text()], [200, "ok\n"], program);
    const all = samples(await (await fetch(`${metrics}/metrics`)).text());
    const value = (name: string) => all[`memcache_table_${name}`];
    assertEquals(value('requests_total{table="t",reply="ok"}'), 1, program);
    assertEquals(value('hits_total{table="t"}'), 1, program);
    assertEquals(value(`clients{place="${serving.endpoint}"}`), 1, program);
    assert(all["process_resident_memory_bytes"] > 1e7, program);
    assertEquals(await serving.stop(), 0, program);
    await silent.ended();
    const { port } = client.connection.localAddr as Deno.NetAddr;
    assertEquals(serving.lines, [
      `memcache-table: warning: client inet:127.0.0.1:${port} was refused: ` +
      `no table "nosuch": there are t`,
    ], program);
  }
});

works(
  "serve on Node and Bun removes only what it made, and takes over only from the dead",
  async (installed) => {
    for (const program of ["node", installed.tool("bun")]) {
      await using folder = await Folder.make();
      const path = `${folder.path}/s`;
      const start = (table: string) =>
        Serving.start(["--socketmap", `unix:${path}`, table], {
          command: [program, installed.tool("memcache-table")],
        });
      for (const kind of ["full", "datagram", "sequenced"] as const) {
        await using _ = await ForeignSocket.make(kind, path);
        await assertRejects(() => start("t=static:v"), Error, "already served");
        assertEquals([...Deno.readDirSync(folder.path)].length, 1, kind);
        await Deno.remove(path);
      }
      await using _ = await ForeignSocket.make("dead", path);
      {
        await using serving = await start("t=static:v");
        await Deno.remove(path);
        await Deno.writeTextFile(path, "precious");
        assertEquals(await serving.stop(), 0);
        assertEquals(await Deno.readTextFile(path), "precious");
        await Deno.remove(path);
      }
      await using old = await start("t=static:old");
      await Deno.remove(path);
      await using next = await start("t=static:new");
      assertEquals(await old.stop(), 0);
      using client = await RawClient.connect(`unix:${path}`);
      assertEquals(await client.ask("t k"), "OK new");
      assertEquals(await next.stop(), 0);
      assertEquals([...Deno.readDirSync(folder.path)], []);
    }
  },
);

works(
  "serve on Node and Bun bears resets and clients that do not read, and follows files",
  async (installed) => {
    const long = "v".repeat(60_000);
    await using memcached = await Memcached.tcp();
    await memcached.set("k", long);
    for (const program of ["node", installed.tool("bun")]) {
      await using folder = await Folder.make();
      const source = await folder.write("source", "k old\n");
      await using serving = await Serving.start([
        ...["--socketmap", "inet:127.0.0.1:0", `s=texthash:${source}`],
        `t=memcache:{memcache=${memcached.server}, data_size_limit=100000}`,
      ], { command: [program, installed.tool("memcache-table")] });
      serving.kill("SIGSTOP");
      await resetConnections(serving.endpoint, 100);
      serving.kill("SIGCONT");
      using client = await RawClient.connect(serving.endpoint);
      assertEquals(await client.ask("s k"), "OK old");
      using stack = new DisposableStack();
      for (let count = 0; count < 20; count++) {
        const greedy = stack.use(await RawClient.connect(serving.endpoint));
        await greedy.send(netstring("t k").repeat(200));
      }
      const over = netstring("t " + "x".repeat(102_399)) + netstring("t k");
      await client.send(over);
      assertEquals(await client.reply(), "NOTFOUND ");
      assertEquals(await client.reply(), `OK ${long}`);
      await folder.write("source", "k new\n");
      while (await client.ask("s k") !== "OK new");
      assertEquals(await serving.stop(), 0);
      assertEquals(serving.lines.length, 1, serving.lines.join("\n"));
    }
  },
);

works("the command line ends when its reader does", async (installed) => {
  for (const program of ["", `${installed.tool("bun")} `]) {
    const { code, stderr } = await installed.run("bash", [
      "-c",
      `set -o pipefail; yes k | ${program}${
        installed.tool("memcache-table")
      } -q - static:v | head -n 1`,
    ]);
    assertEquals([code, stderr], [141, ""], program);
  }
});

works(
  "odd standard streams are met on Node and Bun as on Deno",
  async (installed) => {
    const bin = installed.tool("memcache-table");
    for (const program of ["node", installed.tool("bun")]) {
      const outcomes = await runWithOddStreams([program, bin]);
      for (
        const [name, { code, stdout, stderr }] of Object.entries(oddStreams)
      ) {
        assertEquals(
          outcomes[name],
          { code, stdout, stderr },
          `${program}: ${name}`,
        );
      }
    }
  },
);

works("the package asks no registry", async (installed) => {
  await using registry = new ScriptedServer(() => ["HANG"]);
  const url = `http://127.0.0.1:${registry.port}`;
  // Where no node_modules is near: Bun installs what it does not find then.
  await using folder = await Folder.make();
  const place = "node_modules/@postmaps/memcache-table";
  await installed.must("cp", ["-rL", place, `${folder.path}/package`]);
  const script = `${folder.path}/package/bin/memcache-table.cjs`;
  for (const program of ["node", installed.tool("bun")]) {
    for (
      const [args, code] of [
        [["-q", "k", "static:v"], 0],
        [["--help"], 0],
        [["check", "static:v"], 0],
        [["-q", "k", `kv:${folder.path}/t.kv`], 1],
        [["-s", `kv:${folder.path}/t.kv`], 1],
      ] as const
    ) {
      const output = await new Deno.Command(program, {
        args: [script, ...args],
        cwd: folder.path,
        env: { NPM_CONFIG_REGISTRY: url, BUN_CONFIG_REGISTRY: url },
        stdin: "null",
        signal: AbortSignal.timeout(longest),
      }).output();
      const stderr = new TextDecoder().decode(output.stderr);
      assertEquals(output.code, code, stderr);
      assertEquals(stderr === "", code === 0, stderr);
      assertEquals(registry.connections, 0, `${program} ${args.join(" ")}`);
    }
  }
});

works(
  "Bun keeps what it compiled, where Node keeps nothing",
  async (installed) => {
    await using folder = await Folder.make();
    const files = async (place: string) => {
      const paths: string[] = [];
      for await (const { name, isDirectory } of Deno.readDir(place)) {
        const path = `${place}/${name}`;
        paths.push(...isDirectory ? await files(path) : [path]);
      }
      return paths;
    };
    const ask = async (program: string, args: string[]) => {
      const { code, stdout, stderr } = await new Deno.Command(program, {
        args: [installed.tool("memcache-table"), ...args],
        env: { TMPDIR: folder.path },
        stdin: "null",
        signal: AbortSignal.timeout(longest),
      }).output();
      assertEquals([code, latin1(stderr)], [0, ""]);
      return latin1(stdout);
    };
    assertEquals(await ask("node", ["-q", "k", "static:v"]), "v\n");
    assertEquals(await files(folder.path), []);
    const bun = installed.tool("bun");
    assertEquals(await ask(bun, ["-q", "k", "static:v"]), "v\n");
    const kept = await files(folder.path);
    // cli.cjs, rest.cjs and bulk.cjs
    assertEquals(kept.length, 3);
    assertEquals(await ask(bun, ["-q", "k", "static:w"]), "w\n");
    for (const path of kept) {
      const bytes = await Deno.readFile(path);
      await Deno.writeFile(path, bytes.fill(0, bytes.length / 2));
    }
    assertEquals(await ask(bun, ["-q", "k", "static:x"]), "x\n");
    // In place of the folder is a file.
    await Deno.remove(`${folder.path}/node-compile-cache`, { recursive: true });
    await folder.write("node-compile-cache", "");
    assertEquals(await ask(bun, ["-q", "k", "static:y"]), "y\n");
  },
);

works("check and stats run on Node and Bun", async (installed) => {
  await using memcached = await Memcached.tcp();
  const path = await installed.write(
    "c.cf",
    `memcache=${memcached.server}\nkey_fromat=a\nbackup=texthash:/nonexistent\n`,
  );
  const steady = (text: string) => text.replace(/"roundTrip":[\d.]+/, "");
  const table = `memcache:${path}`;
  const expected = await runCli(["check", "-j", table]);
  assertEquals(expected.code, 1);
  const bin = installed.tool("memcache-table");
  for (const program of ["node", installed.tool("bun")]) {
    const checked = await installed.run(program, [bin, "check", "-j", table]);
    assertEquals(
      [checked.code, steady(checked.stdout), checked.stderr],
      [1, steady(expected.stdout), ""],
    );
    const given = ["stats", "-j", "--watch", "--interval", "0.1", table];
    const watching = new Deno.Command(program, {
      args: [bin, ...given],
      stdin: "null",
      stdout: "piped",
      signal: AbortSignal.timeout(longest),
    }).spawn();
    let printed = "";
    for await (
      const text of watching.stdout.pipeThrough(new TextDecoderStream())
    ) {
      if (printed.includes('"rates":{')) continue;
      printed += text;
      if (printed.includes('"rates":{')) watching.kill("SIGINT");
    }
    assertEquals((await watching.status).code, 0, program);
    const { hits, rates } = JSON.parse(printed.split("\n")[0]);
    assertEquals([hits, rates], [0, null]);
  }
});

works("an old Node is told so", async (installed) => {
  const message = `this is Node ${oldNode}: ` +
    "use Node 20.4 or later, Bun or Deno";
  const node = installed.node(oldNode);
  assertEquals(await installed.must(node, ["--version"]), `v${oldNode}\n`);
  for (const args of [["--version"], ["-q", "k", "static:v"]]) {
    assertEquals(
      await installed.run(node, [installed.tool("memcache-table"), ...args]),
      { code: 1, stdout: "", stderr: `memcache-table: fatal: ${message}\n` },
    );
  }
  // As a module, where a table is opened: so a program can catch and show it.
  const program = await installed.bundle("refusals", { whole: false });
  assertEquals(
    JSON.parse(await installed.must(node, [program])),
    Array.from({ length: 3 }, () => `ConfigError: ${message}`),
  );
});

works("strict TypeScript compiles with it", async (installed) => {
  for (
    const [module, resolution] of [["node16", "node16"], ["esnext", "bundler"]]
  ) {
    await installed.must(installed.tool("tsc"), [
      "--noEmit",
      "--strict",
      "--target",
      "es2022",
      "--lib",
      "es2022,dom",
      "--types",
      "",
      "--module",
      module,
      "--moduleResolution",
      resolution,
      "consumer.ts",
    ]);
  }
});

works("tools that look for faults of packages find none", async (installed) => {
  const table: ["attw" | "publint", string[]][] = [
    ["publint", [installed.tarball, "--strict"]],
    // It is for import alone; what require() would do is not looked at.
    ["attw", [installed.tarball, "--profile", "esm-only"]],
  ];
  for (const [tool, args] of table) {
    const { code, stdout, stderr } = await installed.run(
      installed.tool(tool),
      args,
    );
    assertEquals(code, 0, `${tool}: ${stdout}${stderr}`);
  }
  const manifest = JSON.parse(
    await Deno.readTextFile(
      `${installed.path}/node_modules/@postmaps/memcache-table/package.json`,
    ),
  );
  assertEquals(manifest.engines, { node: `>=${leastNode}` });
  assertEquals(manifest.man, ["man/memcache-table.1"]);
});

works(
  "npm install -g gives the command and its manual page",
  async (installed) => {
    await using folder = await Folder.make();
    const { path } = folder;
    await Deno.mkdir(`${path}/home`);
    const { code, stderr } = await run("npm", [
      ...["install", "-g", "--no-audit", "--no-fund", `--prefix=${path}`],
      installed.tarball,
    ], { env: { HOME: `${path}/home` } });
    assertEquals(code, 0, stderr);
    const command = `${path}/bin/memcache-table`;
    assertEquals(
      await run(command, ["-q", "Alice", "inline:{alice=wonderland}"]),
      { code: 0, stdout: "wonderland\n", stderr: "" },
    );
    assertMatch(
      (await run(command, ["--version"])).stdout,
      /^memcache-table \d+\.\d+\.\d+ \([0-9a-f]{10}(?:, changed)?\)\n$/,
    );
    const page = await Deno.readTextFile(
      `${path}/share/man/man1/memcache-table.1`,
    );
    assertMatch(page, /^\.TH MEMCACHE/);
  },
);

works("a Worker's bundle imports nothing of Node", async (installed) => {
  await installed.write("whole_worker.ts", await readmeWorker());
  const path = await installed.bundle("whole_worker", { whole: true });
  const text = await Deno.readTextFile(path);
  // wrangler warns of each.
  assertEquals(text.match(/(?:import\(|from )"node:[^"]*"/g), null);
});

works("lookups at the edge are a small bundle", async (installed) => {
  await installed.write("edge.ts", await lookupWorker());
  const path = await installed.bundle("edge", { whole: true, minify: true });
  const { size } = await Deno.stat(path);
  console.log(`lookups at the edge, minified: ${size} bytes`);
  assert(size <= 31 * 1024, `${size} bytes`);
  const text = await Deno.readTextFile(path);
  assert(!text.includes("node:"), "it needs something of Node");
});

works(
  "README's Worker answers from memcached without TLS, as a whole table and for lookups only",
  async (installed) => {
    await using memcached = await Memcached.tcp();
    await memcached.set("aliases:alice", "alice@mx.example.net");
    const place = memcached.server.replace("inet:", "");
    const answers = async (name: string, code: string) => {
      const here = replaced(code, "cache.example.com:11211", place);
      await installed.write(`${name}.ts`, here);
      const script = await installed.bundle(name, { whole: true });
      await using workerd = await Workerd.run(script);
      const ask = async (key: string) => {
        const response = await fetch(workerd.url + key, {
          signal: AbortSignal.timeout(longest),
        });
        return `${response.status} ${await response.text()}`;
      };
      return [await ask("alice"), await ask("ALICE"), await ask("nobody")];
    };
    const found = "200 alice@mx.example.net";
    const whole = await plainWorker();
    assertEquals(
      await Promise.all([
        answers("whole", whole),
        answers("lookups", await lookupWorker()),
      ]),
      [[found, found, "404 "], [found, found, "404 "]],
    );
  },
);

works(
  "the Workers of README and of logIn() read over TLS, with a secret from their environment",
  async (installed) => {
    await using folder = await Folder.make();
    const authority = await Authority.make(folder.path);
    const { cert, key } = await authority.sign("good", "DNS:localhost");
    const users = await folder.write("users", "worker:secret\n");
    const ssl = `ssl_chain_cert=${cert},ssl_key=${key}`;
    await using memcached = await Memcached.tcp(freePort(), "127.0.0.1", [
      ...["-Z", "-o", ssl, "-Y", users],
    ]);
    const place = memcached.server.replace("inet:127.0.0.1", "localhost");
    {
      await using table = new MemcacheTable({
        memcache: `tls:${place}`,
        key_format: "aliases:%s",
        user: "worker",
        password: "secret",
        tls: { caCerts: await Deno.readTextFile(authority.cert) },
      }, { write: true });
      assert(await table.update("alice", "alice@mx.example.net"));
    }
    const code = await docExample("lib/memcached/log_in.ts", "MemcacheLookup");
    const whole = replaced(
      replaced(
        await readmeWorker(),
        "const value =",
        "let value: string | undefined;\ntry { value =",
      ),
      "return new Response(value,",
      `} catch (error) {
  return new Response((error as Error).message, { status: 503 });
}
return new Response(value,`,
    );
    const bundle = async (name: string, code: string) => {
      const here = replaced(code, "cache.example.com:11211", place);
      await installed.write(`${name}.ts`, here);
      return await installed.bundle(name, { whole: true });
    };
    const lookups = await bundle("cloud", code);
    const table = await bundle("cloud_table", whole);
    const answers = async (
      script: string,
      options: Parameters<typeof Workerd.run>[1],
    ) => {
      await using workerd = await Workerd.run(script, options);
      const ask = async (key: string) => {
        const response = await fetch(workerd.url + key, {
          signal: AbortSignal.timeout(longest),
        });
        return `${response.status} ${await response.text()}`;
      };
      return [await ask("ALICE"), await ask("nobody")];
    };
    const secrets = { PASSWORD: "secret" };
    const wrong = { PASSWORD: "wrong" };
    const trusting = { secrets, authority: authority.cert };
    const [small, large, refused, unknown] = await Promise.all([
      answers(lookups, trusting),
      answers(table, trusting),
      answers(table, { secrets: wrong, authority: authority.cert }),
      answers(table, { secrets }),
    ]);
    const found = "200 alice@mx.example.net";
    assertEquals([small, large], [[found, "404 "], [found, "404 "]]);
    assert(refused[0].includes("refuses the log-in"), refused[0]);
    assert(unknown[0].includes("does Cloudflare trust its cert"), unknown[0]);
  },
);

works(
  "the table of @deno/kv that kvLibrary shows is that of Deno",
  async (installed) => {
    await using folder = await Folder.make();
    const path = `${folder.path}/t.kv`;
    const code = replaced(
      await docExample("lib/table.ts", "makeLimitedV8Serializer"),
      "/tmp/aliases.kv",
      path,
    );
    // As it stands it only opens the table.
    await installed.write(
      "kv_library.ts",
      `${code}
await table.update("bob", "written by node");
console.log(await table.lookup("alice"));
`,
    );
    await using table = await openTable(`kv:${path}`, { write: true });
    await table.update("alice", "written by deno");
    const program = await installed.bundle("kv_library", { whole: false });
    assertEquals(await installed.must("node", [program]), "written by deno\n");
    assertEquals(await table.lookup("bob"), "written by node");
  },
);

works(
  "kv: reads on Node and Bun what Deno wrote, and the other way",
  async (installed) => {
    await using folder = await Folder.make();
    const name = `kv:${folder.path}/t.kv#aliases`;
    const entries = [["alice", "one"], ["käse", "zwei 🧀"]];
    {
      await using table = await openTable(name, { write: true, utf8: true });
      for (const [key, value] of entries) await table.update(key, value);
    }
    const program = await installed.bundle("kv_program", {
      whole: false,
    });
    for (const command of ["node", installed.tool("bun")]) {
      const printed = await installed.must(command, [program, name, command]);
      const expected = entries.map(([key, value]) => ({ key, value }));
      assertEquals(JSON.parse(printed), expected);
      await using table = await openTable(name, { write: true, utf8: true });
      assertEquals(await table.lookup("written by"), command);
      assertEquals(await table.delete("written by"), true);
    }
  },
);

works(
  "the command line has the same kv: tables on Node and Bun as on Deno",
  async (installed) => {
    await using folder = await Folder.make();
    const table = `kv:${folder.path}/t.kv#aliases`;
    const cli = installed.tool("memcache-table");
    const deno = async (args: string[], stdin = "") => {
      const { code, stdout } = await runCli(args, { stdin });
      return [code, stdout];
    };
    // More than go into one commit of @deno/kv, and some that are there.
    const many = Array.from({ length: 250 }, (_, at) => `k${at}\tv${at}\n`);
    const all = many.toSorted().join("");
    for (const first of [[], [installed.tool("bun")]]) {
      const [program, ...rest] = [...first, cli];
      const here = async (args: string[], stdin = "") => {
        const { code, stdout, stderr } = await installed.run(
          program,
          [...rest, ...args],
          stdin,
        );
        return [code, stdout, stderr];
      };
      // To read makes no database.
      assertEquals(await here(["-q", "alice", table]), [
        1,
        "",
        `memcache-table: warning: ${table}: no such database yet: there is no ` +
        `file ${folder.path}/t.kv\n`,
      ]);
      assertEquals([...Deno.readDirSync(folder.path)], []);
      assertEquals(await deno(["-i", table], "alice one\nbob zwei\n"), [0, ""]);
      assertEquals(await here(["-q", "Alice", table]), [0, "one\n", ""]);
      assertEquals(await here(["-d", "bob", table]), [0, "", ""]);
      const [code, stdout, stderr] = await here(["-i", table], "alice two\n");
      assertEquals([code, stdout], [0, ""]);
      assert(`${stderr}`.includes('key "alice" exists'), `${stderr}`);
      assertEquals(await here(["-d", "alice", table]), [0, "", ""]);
      const some = many.slice(0, 3).join("");
      assertEquals(await deno(["-i", table], some), [0, ""]);
      assertEquals(await here(["-w", "-i", table], many.join("")), [0, "", ""]);
      assertEquals(await deno(["-s", table]), [0, all]);
      assertEquals(await here(["-s", table]), [0, all, ""]);
      assertEquals(await here(["-q", "-", table], "k7\nno\n"), [
        0,
        "k7\tv7\n",
        "",
      ]);
      const nowhere = `${folder.path}/no/t.kv`;
      for (
        const [name, reason] of [
          [
            `kv:${nowhere}`,
            `unable to open database file ${nowhere}: there is no folder ` +
            `${folder.path}/no to create it in`,
          ],
          ["kv:", "this runtime has no default database: name a file, kv:PATH"],
        ]
      ) {
        const said = name === "kv:" ? name : `${name}:`;
        assertEquals(await here(["-i", name], "a b\n"), [
          1,
          "",
          `memcache-table: fatal: ${said} ${reason}\n`,
        ]);
      }
      for (const suffix of ["", "-shm", "-wal"]) {
        await Deno.remove(`${folder.path}/t.kv${suffix}`).catch(() => {});
      }
    }
  },
);

works(
  "the command line takes the same care of kv: files on Node and Bun as on Deno",
  async (installed) => {
    const cli = installed.tool("memcache-table");
    for (const first of [[], [installed.tool("bun")]]) {
      await using folder = await Folder.make();
      const path = `${folder.path}/t.kv`;
      const [program, ...rest] = [...first, cli];
      const here = (args: string[], stdin = "") =>
        installed.run(program, [...rest, ...args], stdin);
      assertEquals((await here(["-i", `kv:${path}`], "k one\n")).code, 0);
      assertEquals((await Deno.stat(path)).mode! & 0o777, 0o640);
      // Another program's, a damaged one, and what is no file.
      const other = new DatabaseSync(`${folder.path}/other`);
      other.exec("CREATE TABLE mine (a)");
      other.close();
      const whole = await Deno.readFile(path);
      await folder.write("cut", whole.subarray(0, 9000));
      for (
        const [name, message] of [
          ["other", "of another program, with tables mine"],
          ["cut", "is damaged (it is cut off: it has 9000 of"],
          [".", "is a directory, not a file"],
        ]
      ) {
        const { code, stderr } = await here(
          ["-i", `kv:${folder.path}/${name}`],
          "k v\n",
        );
        assertEquals(code, 1);
        assert(stderr.includes(message), stderr);
      }
      assertEquals(
        (await here(["check", `kv:${folder.path}/none.kv`])).stdout
          .split("\n").at(-2),
        `  no such database yet: kv:${folder.path}/none.kv`,
      );
      // A lock, of both kinds: one would hold up the whole program.
      for (
        const commands of [
          ["BEGIN IMMEDIATE"],
          ["PRAGMA locking_mode = EXCLUSIVE", "BEGIN IMMEDIATE"],
        ]
      ) {
        await using _ = await KvLock.take(path, commands);
        const { code, stderr } = await here(["-q", "k", `kv:${path}`]);
        assertEquals(code, 1);
        assert(/waiting: another process.*\n.*no answer/.test(stderr), stderr);
      }
      // A file that takes the place of the one that is served.
      await using server = await Serving.start([
        "--socketmap=inet:127.0.0.1:0",
        `a=kv:${path}`,
      ], { command: [program, ...rest] });
      {
        using client = await RawClient.connect(server.endpoint);
        const ask = async () => {
          await client.send("3:a k,");
          return await client.reply();
        };
        assertEquals(await ask(), "OK one");
        const stored = await here(
          ["-i", `kv:${folder.path}/new.kv`],
          "k two\n",
        );
        assertEquals(stored.code, 0);
        await Deno.rename(`${folder.path}/new.kv`, path);
        const start = performance.now();
        while (await ask() !== "OK two") {
          assert(performance.now() - start < 1000, "longer than a second");
        }
      }
      assertEquals(await server.stop(), 0);
    }
  },
);

works(
  "the command line has the same kv: tables over the network on Node and Bun as on Deno",
  async (installed) => {
    useAccessToken();
    const cli = installed.tool("memcache-table");
    const bun = installed.tool("bun");
    const programs = ["node", installed.node(leastNode), bun];
    // Together, since they wait most of the time.
    await Promise.all(programs.map(async (program) => {
      await using server = new KvServer();
      const { url } = server.database();
      const table = `kv:${url}#aliases`;
      const here = (args: string[], stdin = "") =>
        installed.run(program, [cli, ...args], stdin);
      const said = async (name: string) => {
        const { code, stdout, stderr } = await here(["-q", "alice", name]);
        assertEquals([code, stdout], [1, ""]);
        const last = stderr.trim().split("\n").at(-1)!;
        return last.replace(`memcache-table: fatal: ${name}: `, "");
      };
      assertEquals(await said(table), "");
      const { code, stdout } = await runCli(["-i", table], {
        stdin: "alice one\nbob two\n",
      });
      assertEquals([code, stdout], [0, ""]);
      const found = await here(["-q", "-", table], "Bob\nno\nalice\n");
      assertEquals(found, {
        code: 0,
        stdout: "Bob\ttwo\nalice\tone\n",
        stderr: "",
      });
      assertEquals((await here(["-d", "bob", table])).code, 0);
      assertEquals((await here(["-s", table])).stdout, "alice\tone\n");
      server.expireTokens();
      assertEquals((await here(["check", table])).code, 0);
      server.delay = 20;
      const many = Array.from(
        { length: 10_000 },
        (_, at) => `k${at} v${at}\n`,
      );
      const before = { ...server.requests };
      assertEquals((await here(["-i", table], many.join(""))).code, 0);
      const listed = await here(["-s", table]);
      assertEquals(listed.stdout.trim().split("\n").length, 10_001);
      // The library for Node and Bun takes ten checks in a commit.
      const { atomic_write, snapshot_read } = server.requests;
      assert(atomic_write - before.atomic_write < 1200, `${atomic_write}`);
      assert(snapshot_read - before.snapshot_read < 60, `${snapshot_read}`);
      server.delay = 0;
      server.accessToken = "another token";
      assertEquals(
        await said(table),
        "the access token is refused (401 Unauthorized: Invalid access token): " +
          "set DENO_KV_ACCESS_TOKEN in the environment to a token of this database",
      );
      assertEquals(
        await said("kv:https://kv.example.invalid/"),
        "the host kv.example.invalid is unknown: check the URL, or the network",
      );
      const gone = `kv:http://127.0.0.1:${freePort()}/`;
      assert((await said(gone)).endsWith(": is it running there?"), gone);
      server.fault = () => server.hang();
      assertEquals(
        await said(table),
        "the service does not answer: try again later",
      );
    }));
  },
);

works(
  "without @deno/kv the command line says what to install",
  async (installed) => {
    await using folder = await Folder.make();
    const bare = await installed.bare(folder);
    for (const first of [[], [installed.tool("bun")]]) {
      const [program, ...rest] = [...first, bare];
      for (
        const args of [["-s", "kv:/tmp/t.kv#a"], ["-q", "k", "kv:/tmp/t.kv"]]
      ) {
        assertEquals(await installed.run(program, [...rest, ...args]), {
          code: 1,
          stdout: "",
          stderr: "memcache-table: fatal: kv:/tmp/t.kv: on Node and Bun this " +
            "needs @deno/kv, beside this package: npm install @deno/kv\n",
        });
      }
      assertEquals(
        await installed.must(program, [...rest, "-q", "k", "static:v"]),
        "v\n",
      );
    }
  },
);

Deno.test("in all runtimes, from the package", async (test) => {
  await using installed = await Installed.make([oldNode, leastNode]);
  const runtimes: [name: string, runtime: Runtime, command: string][] = [
    ["deno", "deno", Deno.execPath()],
    ["node", "node", "node"],
    [`node ${leastNode}`, "node", installed.node(leastNode)],
    ["bun", "bun", installed.tool("bun")],
    ["workerd", "workerd", ""],
  ];
  // Once: whoever runs one that is being written again may find it empty.
  const scripts = {
    program: await installed.bundle("program", { whole: false }),
    worker: await installed.bundle("worker", { whole: true }),
  };
  // They wait most of the time.
  const held = await Promise.allSettled(
    runtimes.map(([_, runtime, command]) =>
      hold(runtime, command, scripts, installed)
    ),
  );
  for (const [at, [name]] of runtimes.entries()) {
    await test.step(name, async (test) => {
      const outcomes = held[at];
      if (outcomes.status === "rejected") throw outcomes.reason;
      assert(outcomes.value.length >= 14);
      for (const { name, error } of outcomes.value) {
        await test.step(name, () => assertEquals(error, undefined));
      }
    });
  }
  for (const [name, work] of cases) {
    await test.step(name, () => work(installed));
  }
});
