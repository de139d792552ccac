import { assert, assertEquals, assertMatch } from "../../support/assert.ts";
import { run } from "../../support/processes.ts";
import { Random } from "../../support/random.ts";
import { CheckedFolder } from "../../support/rules.ts";
import { userNamed } from "../../../lib/system/ownership.ts";
import { fileSystem } from "../../../lib/system/file_system.ts";

const named = "virtual_alias_maps = TABLE\n";

Deno.test("the socket of a table of Postfix lets the user postfix in", async () => {
  await using folder = await CheckedFolder.make();
  const random = Random.seeded("socket access");
  const path = `${folder.path}/in/s`;
  await Deno.chmod(folder.path, 0o755);
  await Deno.mkdir(`${folder.path}/in`);
  using _socket = Deno.listen({ transport: "unix", path });
  const { id, groups } = userNamed((await fileSystem())!, "postfix")!;
  const table = `memcache = unix:${path}\n`;
  const modes = [0o000, 0o600, 0o660, 0o666, 0o002, 0o606, 0o770, 0o755];
  for (let round = 0; round < 25; round++) {
    const owner = random.pick([0, id, 65534]);
    const group = random.pick([0, groups[0], 65534]);
    const folderMode = random.pick([0o700, 0o750, 0o755, 0o711, 0o701]);
    await Deno.chown(path, random.pick([owner, 0]), random.pick([group, 0]));
    await Deno.chown(`${folder.path}/in`, owner, group);
    await Deno.chmod(path, random.pick(modes));
    await Deno.chmod(`${folder.path}/in`, folderMode);
    const asPostfix = ["--reuid=postfix", "--regid=postfix", "--init-groups"];
    const { code } = await run("setpriv", [
      ...asPostfix,
      ...["--", "test", "-w", path],
    ]);
    const said = await folder.said({ main: named, table });
    const { stdout } = await run("ls", ["-ld", `${folder.path}/in`, path]);
    assertEquals(said.length, code === 0 ? 0 : 1, `${stdout}${said}`);
    if (code !== 0) {
      assertMatch(
        said[0],
        /^error: DIR\/t.cf, line 1: memcache = unix:DIR\/in\/s: Postfix runs as the user postfix, who may not (?:write|enter the folder) DIR/,
      );
    }
  }
});

Deno.test("a socket is no problem where Postfix does not use it, or runs as another user", async () => {
  await using folder = await CheckedFolder.make();
  const path = `${folder.path}/s`;
  using _socket = Deno.listen({ transport: "unix", path });
  await Deno.chmod(path, 0o600);
  const table = `memcache = unix:${path}\n`;
  const good = [
    "",
    `${named}mail_owner = root\n`,
    `${named}mail_owner = no-such-user\n`,
    `virtual_alias_maps = hash:/x\n`,
    "other_backup = TABLE\n",
  ];
  for (const main of good) {
    assertEquals(await folder.said({ main, table }), [], main);
  }
  const [error] = await folder.said({
    main: `${named}mail_owner = nobody\n`,
    table,
  });
  assert(error.includes("the user nobody, who may not"), error);
});

Deno.test("groups count, of which /etc/group tells", async () => {
  const files = {
    ...(await fileSystem())!,
    readText: (path: string) =>
      path === "/etc/passwd"
        ? "root:x:0:0::/:/bin/sh\npostfix:x:104:107::/:/x\n"
        : "root:x:0:\npostfix:x:107:\nmemcache:x:110:a,postfix\nx:x:1:postfixx\n",
  };
  assertEquals(userNamed(files, "postfix"), { id: 104, groups: [107, 110] });
  assertEquals(userNamed(files, "nobody"), undefined);
});
