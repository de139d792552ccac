import {
  type Instance,
  parametersOf,
  readInstances,
  readInstancesIfAny,
} from "../../lib/maintenance/instances.ts";
import { ConfigError } from "../../lib/errors.ts";
import { assertEquals, assertRejects } from "../support/assert.ts";
import { Folder } from "../support/folder.ts";
import { run } from "../support/processes.ts";

const silent = { onWarning: () => {} };

Deno.test("readInstances() reads the directories of multi_instance_directories", async () => {
  await using folder = await Folder.make();
  const { path } = folder;
  for (const name of ["a", "b", "c"]) {
    await Deno.mkdir(`${path}/${name}`);
    await folder.write(
      `${name}/main.cf`,
      `multi_instance_name = postfix-${name}\n`,
    );
  }
  await folder.write("b/master.cf", "smtp inet n - n - - smtpd\n");
  const configDirectory = await folder.mailConfiguration(
    `dir = ${path}\nmulti_instance_enable = yes\n` +
      `multi_instance_directories = $dir/a, ${path}/b,,\n  ${path}/c\n`,
  );
  const { list, files, errors } = await readInstances({
    ...silent,
    configDirectory,
  });
  assertEquals(errors, []);
  // Postmulti itself reads the directory of the system alone.
  const args = ["-c", configDirectory, "-xh", "multi_instance_directories"];
  const { stdout } = await run("postconf", args);
  assertEquals(
    list.map((instance) => instance.configDirectory),
    [path, ...stdout.split(/[, \n]+/).filter((directory) => directory)],
  );
  assertEquals(files, [
    `${path}/main.cf`,
    `${path}/a/main.cf`,
    `${path}/b/main.cf`,
    `${path}/b/master.cf`,
    `${path}/c/main.cf`,
  ]);
});

Deno.test("readInstances() reads what it can, and says what it cannot", async () => {
  await using folder = await Folder.make();
  const { path } = folder;
  await Deno.mkdir(`${path}/a`);
  await folder.write("a/main.cf", "wrong\n");
  await folder.write("master.cf", "smtp inet n - n - -\n");
  const configDirectory = await folder.mailConfiguration(
    `multi_instance_directories = ${path}/a ${path}/gone ${path}\n`,
  );
  const { list, errors } = await readInstances({ ...silent, configDirectory });
  assertEquals(list.map(({ services }) => services), [[]]);
  assertEquals(errors.map(({ file, line }) => [file, line]), [
    [`${path}/master.cf`, 1],
    [`${path}/a/main.cf`, 1],
    [`${path}/gone/main.cf`, undefined],
  ]);
  const missing = { ...silent, configDirectory: `${path}/gone` };
  await assertRejects(
    () => readInstances(missing),
    ConfigError,
    `${path}/gone/main.cf: there is no such file`,
  );
  assertEquals((await readInstancesIfAny(missing)).list, []);
});

Deno.test({
  name: "readInstances() does not ask for a permission",
  permissions: { read: ["/tmp/memcache-table-none/main.cf"], write: true },
  fn: async () => {
    const configDirectory = "/tmp/memcache-table-none";
    await Deno.mkdir(configDirectory, { recursive: true });
    const mainCf = `${configDirectory}/main.cf`;
    try {
      await Deno.writeTextFile(mainCf, "multi_instance_directories = /x\n");
      const options = { ...silent, configDirectory };
      const { list, errors } = await readInstances(options);
      assertEquals(list.length, 1);
      assertEquals(
        errors.map(({ message }) => message),
        [`${configDirectory}/master.cf`, "/x/main.cf"].map((file) =>
          `${file}: no permission to read it: run Deno with --allow-read=${file}`
        ),
      );
    } finally {
      await Deno.remove(configDirectory, { recursive: true });
    }
  },
});

Deno.test("parameters are those that postconf shows", async () => {
  await using folder = await Folder.make();
  const configDirectory = await folder.mailConfiguration(
    [
      "inner = main",
      "outer = <$inner> ${inner?{yes}:{no}} $data_directory",
      "postscreen_dnsbl_ttl = 2",
      "virtual_alias_maps = hash:$config_directory/$service_name,$outer",
      "alias_maps = $virtual_alias_maps",
      "transport_maps = proxy:hash:/t",
      "",
    ].join("\n"),
  );
  await folder.write(
    "master.cf",
    [
      "one unix - - n - - smtpd",
      "  -o inner=own -o { virtual_alias_maps = $outer, $process_name }",
      "two unix - - n - - /x/smtpd -o outer=$inner -o { alias_maps = $outer$outer }",
      "",
    ].join("\n"),
  );
  const { list: [instance] } = await readInstances({
    ...silent,
    configDirectory,
  });
  const shown = async (args: string[]) =>
    (await run("postconf", ["-c", configDirectory, ...args])).stdout.trimEnd();
  const names = [
    "virtual_alias_maps",
    "alias_maps",
    "postscreen_dnsbl_max_ttl",
    "postscreen_cache_map",
    "address_verify_map",
    "proxy_write_maps",
    "virtual_mailbox_domains",
    "local_recipient_maps",
    "address_verify_transport_maps",
    "virtual_transport",
    "mail_owner",
  ];
  for (const name of names) {
    // In main.cf there is no service; postconf has its own name there.
    assertEquals(
      instance.parameters.value(name).trim(),
      (await shown(["-xh", name])).replace("/postconf,", "/,"),
      name,
    );
  }
  const lines = (await shown(["-Px"])).split("\n").filter((line) => line);
  assertEquals(
    lines.sort(),
    ownOf(instance).map((line) => line.replaceAll(/ +/g, " ")).sort(),
  );
});

/** What the services set, as `postconf -Px` prints it. */
function ownOf(instance: Instance): string[] {
  return parametersOf(instance, "smtpd").flatMap((parameters) => {
    const { name, type, overrides } = parameters.service!;
    return [...overrides.keys()].map((parameter) =>
      `${name}/${type}/${parameter} = ${parameters.value(parameter)}`
    );
  });
}
