import { assert, assertEquals, assertMatch } from "../../support/assert.ts";
import { Folder } from "../../support/folder.ts";
import { Postfix } from "../../support/postfix.ts";
import { run } from "../../support/processes.ts";
import { CheckedFolder } from "../../support/rules.ts";

Deno.test("a memcache table may not decide over commands, files or users", async () => {
  await using folder = await CheckedFolder.make();
  const forms = [
    "TABLE",
    "hash:/etc/aliases, TABLE",
    "proxy:TABLE",
    "pipemap:{TABLE, hash:/etc/aliases}",
    "unionmap:{ hash:/etc/aliases, proxy:TABLE }",
    "$mine",
  ];
  const parameters = [
    "alias_maps",
    "alias_database",
    "mailbox_command_maps",
    "virtual_mailbox_maps",
    "virtual_uid_maps",
    "virtual_gid_maps",
  ];
  for (const parameter of parameters) {
    for (const form of forms) {
      const main = `${parameter} = ${form}\nmine = TABLE\n`;
      const [error, ...others] = await folder.said({ main });
      assertEquals(others, []);
      assertMatch(
        error,
        new RegExp(
          `^error: DIR/main.cf, line 2: ${parameter} must not have memcache:DIR/t.cf: .* whoever reaches the memcached can write the table`,
        ),
      );
    }
  }
  const outer = await folder.said(
    { main: "alias_maps = proxy:TABLE\n" },
    `proxy:${folder.table}`,
  );
  assert(outer.some((line) => line.includes("alias_maps must not have")));
});

Deno.test("a memcache table elsewhere is no security problem", async () => {
  await using folder = await CheckedFolder.make();
  const good = [
    "alias_maps = hash:/etc/aliases\nvirtual_alias_maps = TABLE\n",
    "alias_maps = memcache:/other, inline:{a=TABLE}\ntransport_maps = TABLE\n",
    "virtual_mailbox_domains = TABLE\nlocal_recipient_maps = $alias_maps TABLE\n",
    "my_alias_maps = TABLE\n",
    "#alias_maps = TABLE\n",
    "",
  ];
  for (const main of good) {
    assertEquals(await folder.said({ main }), [], main);
  }
});

Deno.test("an override counts for its own daemon alone", async () => {
  await using folder = await CheckedFolder.make();
  const service = (name: string, program: string, ...options: string[]) =>
    [`${name} unix - n n - - ${program}`, ...options].join("\n  -o ");
  const table: [main: string, master: string[], line?: string][] = [
    // Where local has its own, main.cf's does not matter to it.
    ["alias_maps = TABLE", [
      service("local", "local", "alias_maps=hash:/etc/aliases"),
    ]],
    ["alias_maps = TABLE", [
      service("local", "local", "{ alias_maps = hash:/a, hash:/b }"),
      service("local2", "local"),
    ], "main.cf, line 2"],
    ["alias_maps = hash:/a", [
      service("local", "local", "x=y", "alias_maps=$mine", "mine=proxy:TABLE"),
    ], "master.cf, line 3"],
    // Other programs do not run commands.
    ["alias_maps = hash:/a", [
      service("submission", "smtpd", "alias_maps=TABLE"),
      service("local", "local"),
    ]],
    [
      "",
      [service("virtual", "virtual", "virtual_uid_maps=TABLE")],
      "master.cf, line 2",
    ],
    ["", [service("lmtp", "lmtp", "virtual_mailbox_maps=TABLE")]],
    // Newaliases reads main.cf alone.
    ["", [service("local", "local", "alias_database=TABLE")]],
  ];
  for (const [main, master, place] of table) {
    const said = await folder.said({
      main: `${main}\n`,
      master: `${master.join("\n")}\n`,
    });
    if (place === undefined) assertEquals(said, [], main + master);
    else {
      assertEquals(said.length, 1, `${said}`);
      assert(said[0].startsWith(`error: DIR/${place}: `), said[0]);
    }
  }
});

Deno.test("what another transport delivers is a warning", async () => {
  await using folder = await CheckedFolder.make();
  const main = "virtual_mailbox_maps = TABLE\n" +
    "virtual_transport = lmtp:unix:private/dovecot-lmtp\n";
  const [warning, ...others] = await folder.said({ main });
  assertEquals(others, []);
  assertMatch(
    warning,
    /^warning: .*virtual\(8\) refuses .* delivers without it/,
  );
  const other = "virtual_mailbox_maps = TABLE\nvirtual_transport = mine:\n";
  for (
    const [program, severity] of [["virtual", "error"], ["lmtp", "warning"]]
  ) {
    const master = `mine unix - n n - - ${program}\n`;
    const [said] = await folder.said({ main: other, master });
    assert(said.startsWith(severity), said);
  }
});

Deno.test("Postfix does refuse memcache tables there", async () => {
  await using folder = await Folder.make();
  await Deno.chmod(folder.path, 0o755);
  const table = `memcache:${await folder.write(
    "t.cf",
    "key_format = no:%s\n",
  )}`;
  const maps = `unionmap:{static:x, proxy:${table}}`;
  const services = ["bounce", "trace", "defer"].map((name) =>
    `${name} unix - - n - 0 bounce`
  );
  await using postfix = await Postfix.start(() => [`proxy:${table}`], {
    main: [
      "virtual_mailbox_domains = virtual.example",
      "virtual_mailbox_base = /nonexistent",
      "virtual_uid_maps = static:65534",
      "virtual_gid_maps = static:65534",
      "transport_maps = inline:{local.example=local}",
      `virtual_mailbox_maps = ${maps}`,
      `alias_maps = ${maps}`,
      `alias_database = ${table}`,
    ],
    master: [
      "pickup unix n - n 60 1 pickup",
      "cleanup unix n - n - 0 cleanup",
      "qmgr unix n - n 300 1 qmgr",
      "rewrite unix - - n - - trivial-rewrite",
      "local unix - n n - - local",
      "virtual unix - n n - - virtual",
      ...services,
    ],
  });
  for (const domain of ["local.example", "virtual.example"]) {
    await postfix.send(`nobody@${domain}`);
  }
  await postfix.logged(/status=deferred/, 2);
  const refusals = (await postfix.log()).match(
    /(?:local|virtual)\[.*is unavailable.*not allowed for security-sensitive/g,
  );
  assert(refusals!.length >= 2, `${refusals}`);
  const config = ["-C", postfix.configDirectory];
  const { code, stderr } = await run("newaliases", config);
  assertEquals(code, 1);
  assertMatch(stderr, /memcache does not support bulk-mode creation/);
});
