import { postfixDefaults } from "../../lib/maintenance/postfix_defaults.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { Folder } from "../support/folder.ts";
import { run } from "../support/processes.ts";

Deno.test("the defaults are those of the installed Postfix", async () => {
  await using folder = await Folder.make();
  const config = ["-c", await folder.mailConfiguration()];
  const { stdout } = await run("postconf", [...config, "-d"]);
  const installed = new Map(
    stdout.trimEnd().split("\n").map((line) => {
      const [name, ...value] = line.split(" =");
      return [name, value.join(" =").trim()] as const;
    }),
  );
  assert(installed.size > 500);
  const { proxy_read_maps, ...others } = postfixDefaults;
  for (const [name, value] of Object.entries(others)) {
    assertEquals(value, installed.get(name), name);
  }
  const own = proxy_read_maps.split(" ");
  for (const name of installed.get("proxy_read_maps")!.split(" ")) {
    assert(own.includes(name), name);
    // Those with a default that names tables are known, but for a few of no tables.
    const parameter = name.slice(1);
    const value = installed.get(parameter)!;
    const isKnown = Object.hasOwn(postfixDefaults, parameter);
    assert(
      isKnown || !/proxy:|\$\w*_(?:maps|filter|checks)\b/.test(value),
      `${parameter} = ${value}`,
    );
  }
});
