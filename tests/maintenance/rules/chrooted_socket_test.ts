import { assert, assertEquals, assertMatch } from "../../support/assert.ts";
import { Folder } from "../../support/folder.ts";
import { Memcached } from "../../support/memcached.ts";
import { Postfix } from "../../support/postfix.ts";
import { CheckedFolder } from "../../support/rules.ts";

const service = (name: string, chroot: string, program: string, more = "") =>
  `${name} unix - - ${chroot} - 0 ${program} ${more}\n`;

Deno.test("a service in a chroot finds the socket", async () => {
  await using folder = await CheckedFolder.make();
  await Deno.chmod(folder.path, 0o755);
  const path = `${folder.path}/s`;
  using _socket = Deno.listen({ transport: "unix", path });
  await Deno.chmod(path, 0o777);
  const table = `memcache = unix:${path}\n`;
  const queue = "queue_directory = DIR/queue\n";
  const maps = "virtual_alias_maps = TABLE\n";
  const override = "-o virtual_alias_maps=TABLE";
  const cases: [main: string, master: string, service?: string][] = [
    [maps, service("cleanup", "y", "cleanup"), "cleanup"],
    [maps, service("cleanup", "n", "cleanup")],
    [maps, service("cleanup", "-", "cleanup")],
    [maps, service("smtp", "y", "smtpd")],
    [maps, service("mine", "y", "/x/cleanup"), "mine"],
    [maps, service("cleanup", "y", "cleanup", "-o virtual_alias_maps=hash:/x")],
    ["", service("cleanup", "y", "cleanup", override), "cleanup"],
    [
      "",
      service("cleanup", "n", "cleanup", override) +
      service("other", "y", "cleanup"),
    ],
    [
      "smtpd_recipient_restrictions = check_client_access TABLE\n",
      service("smtp", "y", "smtpd"),
      "smtp",
    ],
    ["virtual_alias_maps = proxy:TABLE\n", service("cleanup", "y", "cleanup")],
    [
      "virtual_alias_maps = proxy:TABLE\n",
      service("proxymap", "y", "proxymap"),
      "proxymap",
    ],
    ["some_parameter = TABLE\n", service("cleanup", "y", "cleanup")],
  ];
  for (const [main, master, name] of cases) {
    const said = await folder.said({ main: queue + main, master, table });
    assertEquals(said.length, name === undefined ? 0 : 1, `${master}${said}`);
    if (name === undefined) continue;
    assertMatch(said[0], /^error: DIR\/t.cf, line 1: memcache = unix:DIR\/s: /);
    assert(said[0].includes(`the service ${name} (`), said[0]);
    assert(said[0].includes("where that is DIR/queueDIR/s,"), said[0]);
  }
  // A socket that is in the chroot too, as by a mount.
  await Deno.mkdir(`${folder.path}/queue${folder.path}`, { recursive: true });
  await Deno.writeTextFile(`${folder.path}/queue${path}`, "");
  const [main, master] = cases[0];
  assertEquals(await folder.said({ main: queue + main, master, table }), []);
});

Deno.test("Postfix does not find the socket in its chroot", async () => {
  await using folder = await Folder.make();
  await Deno.chmod(folder.path, 0o777);
  const path = `${folder.path}/mc.sock`;
  await using memcached = await Memcached.unix(path);
  const file = await folder.write("t.cf", `memcache = ${memcached.server}\n`);
  await using postfix = await Postfix.start(() => ["hash:/x"], {
    main: [`virtual_alias_maps = memcache:${file}`],
    master: [
      "pickup unix n - n 60 1 pickup",
      "cleanup unix n - y - 0 cleanup",
      "qmgr unix n - n 300 1 qmgr",
      "rewrite unix - - n - - trivial-rewrite",
    ],
  });
  await postfix.send("nobody@example.com");
  await postfix.logged(/connect to \S+mc.sock: No such file or directory/);
});
