import { assert, assertEquals, assertMatch } from "../../support/assert.ts";
import { Folder } from "../../support/folder.ts";
import { freePort, Memcached } from "../../support/memcached.ts";
import { Postfix } from "../../support/postfix.ts";
import { CheckedFolder, type Configuration } from "../../support/rules.ts";

const postscreen = "postscreen_cache_map = TABLE\n";
const verify = "address_verify_map = TABLE\n";
const noCleanup = "postscreen_cache_cleanup_interval = 0\n" +
  "address_verify_cache_cleanup_interval = 0\n";

Deno.test("a cache without a backup must not be cleaned", async () => {
  await using folder = await CheckedFolder.make();
  const table = "ttl = 0\n";
  for (
    const [cache, interval] of [
      [postscreen, "postscreen_cache_cleanup_interval"],
      [verify, "address_verify_cache_cleanup_interval"],
    ]
  ) {
    const [unset, ...others] = await folder.said({ main: cache, table });
    assertEquals(others, []);
    assertMatch(
      unset,
      new RegExp(
        `^error: DIR/main.cf, line 2: ${interval} = 12h \\(the default\\): .*: set ${interval} = 0$`,
      ),
    );
    for (const time of ["1", "1s", "12h", "$mine"]) {
      const main = `${cache}mine = 1d\n${interval} = ${time}\n`;
      const said = await folder.said({ main, table });
      assertEquals(said.length, 1);
      assert(said[0].startsWith("error: DIR/main.cf, line 4: "), said[0]);
    }
    for (const zero of ["0", "0s", "0h", "00d"]) {
      const main = `${cache}${interval} = ${zero}\n`;
      assertEquals(await folder.said({ main, table }), [], zero);
    }
    const wrong = await folder.said({
      main: `${cache}${interval} = soon\n`,
      table,
    });
    assertMatch(wrong.join(), /line 3: .* = soon: need a time such as 12h/);
  }
});

Deno.test("an interval of master.cf counts for its own daemon", async () => {
  await using folder = await CheckedFolder.make();
  const table = "ttl = 0\n";
  const daemon = (program: string, options = "") =>
    `smtp inet n - y - 1 ${program} ${options}\n`;
  const off = "-o postscreen_cache_cleanup_interval=0";
  const on = "-o postscreen_cache_cleanup_interval=1d";
  const map = "-o postscreen_cache_map=TABLE";
  const other = "postscreen_cache_map = btree:/x\n";
  const cases: [main: string, master: string, place?: string][] = [
    [postscreen, daemon("postscreen", off)],
    [postscreen + noCleanup, daemon("postscreen", on), "master.cf, line 1"],
    [postscreen + noCleanup, daemon("smtpd", on)],
    [postscreen, daemon("smtpd"), "main.cf, line 2"],
    [other, daemon("postscreen", `${map} ${off}`)],
    [other, daemon("postscreen", map), "master.cf, line 1"],
    [other, daemon("smtpd", map)],
    [postscreen, daemon("postscreen", "-o postscreen_cache_map=btree:/x")],
  ];
  for (const [main, master, place] of cases) {
    const said = await folder.said({ main, master, table });
    if (place === undefined) assertEquals(said, [], main + master);
    else {
      assertEquals(said.length, 1, `${said}`);
      assert(said[0].startsWith(`error: DIR/${place}: `), said[0]);
    }
  }
});

Deno.test("without a backup, ttl is at least the longest lifetime", async () => {
  await using folder = await CheckedFolder.make();
  const deep = ["pipelining", "non_smtp_command", "bare_newline"].map((test) =>
    `postscreen_${test}_enable = yes\n`
  ).join("");
  const day = 86400;
  const cases: [main: string, ttl: string, said?: RegExp][] = [
    // 30 days is the longest default.
    [postscreen, `ttl = ${30 * day}`],
    [postscreen, "ttl = 0"],
    [postscreen + deep, `ttl = ${30 * day}`],
    [
      postscreen + deep,
      `ttl = ${30 * day - 1}`,
      /^error: DIR\/t.cf, line 1: ttl = 2591999: .* postscreen_pipelining_ttl = 30d \(the default\), 2592000 seconds: set ttl = 2592000$/,
    ],
    // Of the default tests, only one is on.
    [postscreen, `ttl = ${day}`, /^warning: .* that test is off now/],
    [
      postscreen,
      `ttl = ${day - 1}`,
      /^error: .* postscreen_greet_ttl = 1d \(the default\), 86400 seconds/,
    ],
    [
      postscreen,
      "",
      /^error: ttl = 3600 \(the default\): .*: set ttl = 86400$/,
    ],
    [
      `${postscreen}postscreen_dnsbl_sites = x.example\npostscreen_dnsbl_max_ttl = 2d\n`,
      `ttl = ${day}`,
      /^error: .* postscreen_dnsbl_max_ttl = 2d, 172800 seconds/,
    ],
    [
      `${postscreen}postscreen_dnsbl_sites = x.example\npostscreen_dnsbl_ttl = 25\n`,
      `ttl = ${day}`,
      /^error: .* postscreen_dnsbl_max_ttl = 25h \(the default\), 90000 sec/,
    ],
    [
      `${postscreen}postscreen_greet_ttl = 60s\npostscreen_pipelining_ttl=60s\n` +
      "postscreen_non_smtp_command_ttl = 1m\npostscreen_bare_newline_ttl = 1m\n",
      `ttl = ${3600}`,
    ],
    // Verify keeps what is deliverable longer than a ttl can be.
    [
      verify,
      `ttl = ${30 * day}`,
      /^error: .* address_verify_positive_expire_time = 31d \(the default\), 2678400 seconds: set ttl = 0, which is no limit/,
    ],
    [verify, "ttl = 0"],
    [
      `${verify}address_verify_positive_expire_time = 30d\n`,
      `ttl = ${30 * day}`,
    ],
    [
      `${verify}address_verify_positive_expire_time = 1d\n`,
      `ttl = ${2 * day}`,
      /^error: .* address_verify_negative_expire_time = 3d/,
    ],
    // With a backup, memcached may forget.
    [postscreen, "backup = btree:/nonexistent/x"],
    [verify, "ttl = 60\nbackup = btree:/nonexistent/x"],
    // What no daemon has as its cache.
    [postscreen.replace("TABLE", "btree:/x"), "ttl = 60"],
    ["virtual_alias_maps = TABLE\n", "ttl = 60"],
  ];
  for (const [main, table, expected] of cases) {
    const files: Configuration = {
      main: main + noCleanup,
      table: `${table}\n`,
    };
    const said = (await folder.said(files)).filter((line) =>
      /set ttl =|clean/.test(line)
    );
    assertEquals(
      said.length,
      expected === undefined ? 0 : 1,
      `${table} ${said}`,
    );
    if (expected !== undefined) assertMatch(said[0], expected);
  }
  // Above 30 days it is a date, whatever it is used for.
  const [date, cure] = await folder.said({
    main: verify + noCleanup,
    table: `ttl = ${31 * day}\n`,
  });
  assertMatch(date, /^error: .* ttl = 2678400: above 2592000 \(30 days\)/);
  assertMatch(cure, /set ttl = 0, which is no limit/);
  const absolute = await folder.said({
    main: postscreen + noCleanup,
    table: "ttl = 4102444800\n".replace("4102444800", "2147483647"),
  });
  assertEquals(absolute.length, 1);
  assertMatch(absolute[0], /^warning: .* it is a Unix time, here 2038/);
});

Deno.test("of the instances that share a backup, one may clean it", async () => {
  await using folder = await CheckedFolder.make();
  const table = "backup = proxy:btree:/x/cache\n";
  const lists = "proxy_write_maps = proxy:btree:/x/cache\n";
  const main =
    `${postscreen}${lists}multi_instance_directories = DIR/two DIR/three\n`;
  for (const name of ["two", "three"]) {
    await Deno.mkdir(`${folder.path}/${name}`);
  }
  await folder.write("copy.cf", table);
  await folder.write("own.cf", "backup = proxy:btree:/x/own\n");
  const off = "postscreen_cache_cleanup_interval = 0\n";
  const cases: [one: string, two: string, three: string, cleaning: number][] = [
    [postscreen, postscreen, postscreen, 3],
    [postscreen, postscreen + off, postscreen, 2],
    [postscreen, postscreen + off, postscreen + off, 1],
    [postscreen + off, postscreen + off, postscreen + off, 0],
    [postscreen, "postscreen_cache_map = memcache:DIR/copy.cf\n", off, 2],
    [postscreen, "postscreen_cache_map = memcache:DIR/own.cf\n", off, 1],
    [postscreen, "postscreen_cache_map = proxy:btree:/x/cache\n", off, 2],
    [postscreen, "postscreen_cache_map = btree:/x/other\n", "", 1],
    [postscreen, "", "", 1],
  ];
  for (const [one, two, three, cleaning] of cases) {
    await folder.write("two/main.cf", two + lists);
    await folder.write("three/main.cf", three + lists);
    const said = (await folder.said({
      main: main.replace(postscreen, one),
      table,
    })).filter((line) => line.includes("clean"));
    assertEquals(said.length, Math.max(cleaning - 1, 0), `${two} ${said}`);
    for (const line of said) {
      assertMatch(
        line,
        new RegExp(`^error: .*: ${cleaning} instances \\(DIR/main.cf, DIR/`),
      );
      assertMatch(
        line,
        /set postscreen_cache_cleanup_interval = 0 in all other/,
      );
    }
  }
  // An instance without the daemon cleans nothing.
  const daemon = "smtp inet n - y - 1 postscreen\n";
  const none = "smtp inet n - y - - smtpd\n";
  const masters: [one: string, two: string, cleaning: number][] = [
    [daemon, daemon, 2],
    [daemon, none, 1],
    [none, daemon, 1],
    [none, none, 2],
  ];
  await folder.write("two/main.cf", postscreen + lists);
  await folder.write("three/main.cf", lists);
  for (const [one, two, cleaning] of masters) {
    await folder.write("two/master.cf", two);
    const said = (await folder.said({ main, master: one, table }))
      .filter((line) => line.includes("clean"));
    assertEquals(said.length, cleaning - 1, `${one}${two}${said}`);
  }
  await folder.write("two/master.cf", daemon);
  await folder.write("master.cf", daemon);
  // The cleanup of another daemon is of another cache.
  await folder.write("two/main.cf", verify + lists);
  await folder.write("three/main.cf", lists);
  assertEquals(
    (await folder.said({ main, table })).filter((line) => /clean/.test(line)),
    [],
  );
});

Deno.test("Postfix cannot clean a cache without a backup", async () => {
  await using memcached = await Memcached.tcp();
  await using folder = await Folder.make();
  await Deno.chmod(folder.path, 0o755);
  const path = await folder.write(
    "t.cf",
    `memcache = ${memcached.server}\nttl = 0\n`,
  );
  const port = freePort();
  await using postfix = await Postfix.start(() => ["hash:/x"], {
    main: [
      `postscreen_cache_map = memcache:${path}`,
      "postscreen_access_list =",
      "postscreen_cache_cleanup_interval = 1s",
    ],
    master: [
      `127.0.0.1:${port} inet n - n - 1 postscreen`,
    ],
  });
  using _visitor = await Deno.connect({ hostname: "127.0.0.1", port });
  await postfix.logged(/first\/next support requires backup database/);
});
