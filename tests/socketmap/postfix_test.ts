import { openTable } from "../../mod.ts";
import { assertStringIncludes } from "../support/assert.ts";
import { Folder } from "../support/folder.ts";
import { Memcached } from "../support/memcached.ts";
import { Postfix } from "../support/postfix.ts";
import { Serving } from "../support/serving.ts";

Deno.test("a real Postfix rewrites addresses by serve, with a backup that memcached fills from", async () => {
  await using folder = await Folder.make();
  // Postfix's services run as another user.
  await Deno.chmod(folder.path, 0o755);
  const { path } = folder;
  const backup = `kv:${path}/aliases.kv`;
  {
    await using table = await openTable(backup, { write: true, utf8: true });
    await table.update("alice@example.com", "wonder@land.example");
    await table.update("bob@example.com", "one@two.example, three@two.example");
  }
  await using memcached = await Memcached.tcp();
  const file = await folder.write(
    "aliases.cf",
    `memcache = ${memcached.server}\nkey_format = a:%s\nbackup = ${backup}\n`,
  );
  const args = [
    ...["--socketmap", `unix:${path}/s`, "--mode", "0666"],
    `aliases=memcache:${file}`,
  ];
  await using postfix = await Postfix.startMail([
    `virtual_alias_maps = socketmap:unix:${path}/s:aliases`,
    "virtual_alias_domains = example.com",
  ]);
  {
    await using _serving = await Serving.start(args);
    await postfix.send("Alice@example.com");
    assertStringIncludes(
      await postfix.logged(/to=<wonder@land.example>/),
      "orig_to=<Alice@example.com>",
    );
    await postfix.send("bob@example.com");
    await postfix.logged(/to=<one@two.example>/);
    await postfix.logged(/to=<three@two.example>/);
    await memcached.until("a:alice@example.com", "wonder@land.example");
    await postfix.send("nobody@example.com");
    assertStringIncludes(
      await postfix.logged(/to=<nobody@example.com>/),
      "User unknown",
    );
    await postfix.logged(/to=<sender@example.org>/);
  }
  // Another serve, after the first was killed, and no memcached.
  await memcached.stop();
  await using _serving = await Serving.start(args);
  await postfix.send("ALICE@example.com");
  assertStringIncludes(
    await postfix.logged(/orig_to=<ALICE@example.com>/),
    "to=<wonder@land.example>",
  );
});
