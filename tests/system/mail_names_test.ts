import { mailDefaults } from "../../lib/system/mail_system.ts";
import { expandMailValue } from "../../lib/system/mail_names.ts";
import {
  assertEquals,
  assertStringIncludes,
  assertThrows,
} from "../support/assert.ts";
import { Folder } from "../support/folder.ts";
import { atOnce, runCli, runPostmap } from "../support/processes.ts";

const names = "[$myhostname][$mydomain][$myorigin][$mydestination]";

Deno.test("expandMailValue() makes the names of a host and its domain of each other", () => {
  const table: [host: string, set: Record<string, string>, string, string][] = [
    ["vm", {}, "vm.localdomain", "localdomain"],
    ["vm.a.b", {}, "vm.a.b", "a.b"],
    ["vm", { mydomain: "a.b" }, "vm.a.b", "a.b"],
    ["vm.x.y", { mydomain: "a.b" }, "vm.x.y", "a.b"],
    ["vm", { myhostname: "mx.a.b" }, "mx.a.b", "a.b"],
    ["vm", { myhostname: "mx" }, "mx", "localdomain"],
    ["vm", { myhostname: "mx.$d", d: "c.d" }, "mx.c.d", "c.d"],
    ["vm", { myhostname: "h.$mydomain", mydomain: "c.d" }, "h.c.d", "c.d"],
  ];
  for (const [host, set, name, domain] of table) {
    const values = (name: string) =>
      Object.hasOwn(set, name) ? set[name] : mailDefaults[name];
    assertEquals(
      expandMailValue(names, values, host),
      `[${name}][${domain}][${name}][${name}, localhost.${domain}, localhost]`,
    );
  }
  const circle = (name: string) =>
    name === "myhostname" ? "h.$mydomain" : undefined;
  assertThrows(
    () => expandMailValue("$mydomain", circle, "vm"),
    RangeError,
    "mydomain is empty",
  );
  assertEquals(
    expandMailValue("x$mydomain$myhostname", () => undefined, undefined),
    "x",
  );
});

Deno.test("main.cf knows the names of this host as postmap does", async () => {
  const table = [
    "",
    "myhostname = mx.example.com\n",
    "myhostname = mx\n",
    "mydomain = example.org\n",
    "x = a.b\nmydomain = $x\nmyhostname = host.$mydomain\n",
    "myhostname = host.$mydomain\n",
    "mydestination =\nmyorigin = $mydomain\n",
  ];
  await atOnce(4, table, async (set) => {
    await using folder = await Folder.make();
    const config = await folder.mailConfiguration(
      set + "t_memcache = unix:/nonexistent\n" +
        `t_backup = static:${names}[$mail_name][$alias_database]\n` +
        "t_domain = $mydestination $mydomain\n",
    );
    const keys = ["localhost", "localdomain", "mx.example.com", "a.b", "x"];
    const stdin = keys.map((domain) => `k@${domain}\n`).join("");
    const args = ["-c", config, "-q", "-", "memcache:t"];
    const expected = await runPostmap(args, { stdin });
    const actual = await runCli(args, { stdin });
    assertEquals(
      [actual.code, actual.stdout],
      [expected.code, expected.stdout],
      set,
    );
  });
});

Deno.test("main.cf is refused where the name of the host is needed and not allowed", async () => {
  await using folder = await Folder.make();
  const config = await folder.mailConfiguration(
    "t_memcache = unix:/nonexistent\nt_backup = static:x\n" +
      "t_key_format = $mydomain:%s\n",
  );
  const { code, stdout, stderr } = await runCli(
    ["-c", config, "-q", "k", "memcache:t"],
    { permissions: [`--allow-read=${config}`] },
  );
  assertEquals([code, stdout], [1, ""]);
  assertStringIncludes(stderr, "line 4: t_key_format: it needs myhostname");
  assertStringIncludes(stderr, "set myhostname, or allow --allow-sys=hostname");
});
