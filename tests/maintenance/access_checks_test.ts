import { openTable } from "../../mod.ts";
import { checkTable } from "../../lib/maintenance/mod.ts";
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { Folder } from "../support/folder.ts";
import { CheckedFolder } from "../support/rules.ts";

Deno.test("a server elsewhere without encryption is a warning", async () => {
  await using folder = await CheckedFolder.make();
  const own = Deno.networkInterfaces().map(({ address, family }) =>
    family === "IPv6" ? `[${address}]` : address
  ).filter((address) => !address.startsWith("[fe80"));
  const here = [
    ...own,
    "localhost",
    "127.0.0.1",
    "127.9.9.9",
    "[::1]",
    "",
  ].map((host) => `inet:${host}:11211`);
  for (
    const server of [
      ...here,
      "unix:/nonexistent/s",
      "inet:no-such-host.invalid:11211",
    ]
  ) {
    const table = `memcache = ${server}\n`;
    assertEquals(await folder.said({ main: "", table }), [], server);
  }
  for (const host of ["192.0.2.77", "[2001:db8::77]"]) {
    if (own.includes(host)) continue;
    const table = `\nmemcache = inet:${host}:11211\n`;
    const [warning, ...others] = await folder.said({ main: "", table });
    assertEquals(others, []);
    assertMatch(
      warning,
      /^warning: DIR\/t.cf, line 2: memcache = inet:\S+: the server is not on this host, and nothing is encrypted/,
    );
    const encrypted = await folder.said({
      main: "",
      table: `memcache = tls:${host}:11211\n`,
    });
    assert(!encrypted.join().includes("nothing is encrypted"));
  }
});

Deno.test("what Postfix cannot use is an error where Postfix has it", async () => {
  await using folder = await CheckedFolder.make();
  const tables = [
    "memcache = tls:localhost:1\n",
    "user = joe\n",
    "user = joe\npassword_file = /nonexistent\n",
  ];
  for (const table of tables) {
    for (
      const [main, severity] of [
        ["", "warning"],
        ["other_backup = TABLE\n", "warning"],
        ["virtual_alias_maps = TABLE\n", "error"],
      ]
    ) {
      const said = await folder.said({ main, table });
      const found = said.filter((line) => line.includes("Postfix itself"));
      assertEquals(found.length, 1, `${table}${said}`);
      assertMatch(
        found[0],
        new RegExp(
          `^${severity}: .*offer the table with "memcache-table serve"`,
        ),
      );
    }
  }
});

Deno.test("aliases that everybody can read are worth a note", async () => {
  await using folder = await Folder.make();
  const configDirectory = await folder.mailConfiguration(
    `virtual_alias_maps = memcache:${folder.path}/t.cf\n`,
  );
  const path = `${folder.path}/db`;
  await folder.write("t.cf", `backup = kv:${path}\n`);
  await folder.write("u.cf", `backup = kv:${path}\n`);
  {
    await using table = await openTable(`kv:${path}`, { write: true });
    await table.update("a", "b");
  }
  const noted = async (name: string) => {
    const { backup, problems } = await checkTable(name, {
      configDirectory,
      connect: () => Promise.reject(new Error("none")),
    });
    const notes = [...problems, ...backup?.problems ?? []].filter((
      { severity },
    ) => severity === "note");
    for (const note of notes) {
      assertEquals(note.file, path);
      assertMatch(note.message, /every user of this machine can read it/);
    }
    return notes.length === 1;
  };
  const [used, unused] = ["t", "u"].map((name) =>
    `memcache:${folder.path}/${name}.cf`
  );
  for (
    const [folderMode, mode, expected] of [
      [0o755, 0o644, true],
      [0o755, 0o640, false],
      [0o750, 0o644, false],
      [0o711, 0o604, true],
    ] as const
  ) {
    await Deno.chmod(folder.path, folderMode);
    await Deno.chmod(path, mode);
    assertEquals(await noted(used), expected, `${folderMode} ${mode}`);
    assertEquals(await noted(unused), false);
    assertEquals(await noted(`kv:${path}`), false);
    assertEquals(await noted(`kv:${path}#Aliases`), expected);
  }
});
