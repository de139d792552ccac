import { openTable } from "../../../mod.ts";
import { assertEquals, assertMatch } from "../../support/assert.ts";
import { Memcached } from "../../support/memcached.ts";
import { Postfix } from "../../support/postfix.ts";
import { CheckedFolder } from "../../support/rules.ts";

const backup = "proxy:btree:/x/t";
const table = `backup = ${backup}\n`;
const lookup = "virtual_alias_maps = TABLE\n";
const cache = "postscreen_cache_map = TABLE\n" +
  "postscreen_cache_cleanup_interval = 0\n";

/** What a check says of lists: the names of those that lack the backup. */
async function lacking(
  folder: CheckedFolder,
  main: string,
  master?: string,
): Promise<string[]> {
  const said = await folder.said({ main, master, table });
  return said.flatMap((line) =>
    /^error: DIR\/t.cf, line 1: backup = \S+: it is not in (.*) of DIR\/main.cf,/
      .exec(line)?.[1] ?? []
  );
}

Deno.test("a proxy: backup is in the list of its use", async () => {
  await using folder = await CheckedFolder.make();
  const read = `proxy_read_maps = ${backup}\n`;
  const write = `proxy_write_maps = ${backup}\n`;
  const cases: [main: string, missing: string[]][] = [
    [lookup, ["proxy_read_maps"]],
    [lookup + read, []],
    [lookup + write, ["proxy_read_maps"]],
    [cache, ["proxy_write_maps"]],
    [cache + write, []],
    [cache + read, ["proxy_write_maps"]],
    // The whole name: without proxy: it is another one.
    [`${lookup}proxy_read_maps = btree:/x/t, proxy:btree:/x\n`, [
      "proxy_read_maps",
    ]],
    [`${lookup}proxy_read_maps = $mine, hash:/y\nmine = proxy:${backup}\n`, []],
    [`${lookup}proxy_read_maps = unionmap:{${backup}}\n`, []],
    // By default, what other parameters name.
    [`${lookup}transport_maps = ${backup}\n`, []],
    [`${lookup}sender_canonical_maps = hash:/y ${backup}\n`, []],
    [`${lookup}some_parameter = ${backup}\n`, ["proxy_read_maps"]],
    [
      `${lookup}smtpd_restriction_classes = mine\n` +
      `mine = check_client_access ${backup}\n`,
      [],
    ],
    [`${cache}address_verify_map = ${backup}\n`, []],
    // Inside of proxymap, the backup needs no list.
    ["virtual_alias_maps = proxy:TABLE\n", []],
    // Nobody knows how a table is used that nobody names.
    ["", ["proxy_read_maps or proxy_write_maps"]],
    [read, []],
    [write, []],
    // It is used through another parameter, which says how.
    [`${cache.replace("TABLE", "$mine")}mine = TABLE\n${write}`, []],
    [`some_parameter = TABLE\n`, []],
  ];
  for (const [main, missing] of cases) {
    assertEquals(await lacking(folder, main), missing, main);
  }
});

Deno.test("the lists of master.cf are those of their own proxymap", async () => {
  await using folder = await CheckedFolder.make();
  const service = (name: string, option: string) =>
    `${name} unix - - n - - proxymap -o ${option}=${backup}\n`;
  const cases: [main: string, master: string, missing: string[]][] = [
    [lookup, service("proxymap", "proxy_read_maps"), []],
    [lookup, service("proxywrite", "proxy_read_maps"), ["proxy_read_maps"]],
    [cache, service("proxywrite", "proxy_write_maps"), []],
    [cache, service("proxymap", "proxy_write_maps"), ["proxy_write_maps"]],
    [
      `${lookup}proxy_read_maps = ${backup}\n`,
      "proxymap unix - - n - - proxymap -o proxy_read_maps=hash:/x\n",
      ["proxy_read_maps"],
    ],
  ];
  for (const [main, master, missing] of cases) {
    assertEquals(await lacking(folder, main, master), missing, main + master);
  }
});

Deno.test("each instance has lists of its own", async () => {
  await using folder = await CheckedFolder.make();
  await Deno.mkdir(`${folder.path}/two`);
  const read = `proxy_read_maps = ${backup}\n`;
  const main = `${lookup}${read}multi_instance_directories = DIR/two\n`;
  await folder.write("two/main.cf", lookup + read);
  assertEquals(await folder.said({ main, table }).then(ofLists), []);
  await folder.write("two/main.cf", lookup);
  const said = await folder.said({ main, table }).then(ofLists);
  assertEquals(said.length, 1);
  assertMatch(said[0], /it is not in proxy_read_maps of DIR\/two\/main.cf/);
  await folder.write("two/main.cf", "");
  assertEquals(await folder.said({ main, table }).then(ofLists), []);
});

function ofLists(said: string[]): string[] {
  return said.filter((line) => line.includes("_maps"));
}

Deno.test("proxymap does refuse what is not in its list", async () => {
  await using memcached = await Memcached.tcp();
  await using postfix = await Postfix.start((data) => [
    `proxy:btree:${data}/t`,
    `btree:${data}/other`,
  ]);
  const { dataDirectory: data, configDirectory } = postfix;
  const options = { utf8: true, configDirectory, onWarning: () => {} };
  for (const name of ["t", "other"]) {
    await postfix.make(`btree:${data}/${name}`, "alice one\n");
  }
  const through = (name: string) =>
    `memcache:{memcache=${memcached.server} key_format=${name}:%s ` +
    `backup=proxy:btree:${data}/${name}}`;
  const lookUp = async (name: string) => {
    await using opened = await openTable(through(name), options);
    return await opened.lookup("alice").catch(({ message }) => message);
  };
  assertEquals(await lookUp("t"), "one");
  assertMatch(await lookUp("other"), /list proxy:btree:\S+ in proxy_read_maps/);
  await postfix.logged(/request for unapproved table: "btree:.*other"/);
});
