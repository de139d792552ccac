import { assert, assertEquals, assertMatch } from "./support/assert.ts";
import { Folder } from "./support/folder.ts";
import { freePort, Memcached } from "./support/memcached.ts";
import { Postfix } from "./support/postfix.ts";
import { denoCache, root, run } from "./support/processes.ts";
import { isAsShown, shownInReadme } from "./support/readme_commands.ts";

// Every command of README that stands behind "$ " is run, in its order, on a machine
// of its own: other folders and ports, an installed memcache-table.

/** Runs a command that goes on until the test ends, once it has said so. */
async function start(
  command: string,
  env: Record<string, string>,
  cwd: string,
): Promise<{ output: string; child: Deno.ChildProcess }> {
  const child = new Deno.Command("bash", {
    args: ["-c", `exec ${command} 2>&1`],
    env,
    cwd,
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = child.stdout.getReader();
  let output = "";
  while (!output.includes("\n")) {
    const { done, value } = await reader.read();
    if (done) break;
    output += new TextDecoder().decode(value);
  }
  reader.releaseLock();
  return { output, child };
}

Deno.test("README's commands do what README shows", async () => {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await Folder.make());
  const memcached = stack.use(await Memcached.tcp());
  const home = folder.path;
  // Postfix's services read what is here.
  await Deno.chmod(home, 0o755);
  for (const name of ["etc/cron.d", "var/lib", "tmp", "home"]) {
    await Deno.mkdir(`${home}/${name}`, { recursive: true });
  }
  const aliases = `hash:${home}/etc/postfix/virtual`;
  const postfix = stack.use(
    await Postfix.startMail([
      `virtual_alias_maps = ${aliases}`,
      "virtual_alias_domains = example.com",
    ]),
  );
  await Deno.symlink(postfix.configDirectory, `${home}/etc/postfix`);
  await Deno.writeTextFile(
    `${home}/etc/postfix/virtual`,
    "alice@example.com alice@mx.example.net\n" +
      "bob@example.com bob@mx.example.net, carol@mx.example.net\n",
  );
  const port = freePort();
  const here = (text: string) =>
    text.replaceAll(/(?<=^|[\s:=<'"])\/(etc|var|tmp)\//gm, `${home}/$1/`)
      .replaceAll("inet:localhost:11211", memcached.server)
      .replaceAll("127.0.0.1:10027", `127.0.0.1:${port}`)
      .replaceAll("/usr/local/", `${home}/usr/`)
      .replaceAll(
        "deno task install",
        `deno task install --prefix ${home}/usr`,
      );
  const env = {
    HOME: `${home}/home`,
    DENO_DIR: denoCache,
    MAIL_CONFIG: postfix.configDirectory,
    PATH: `${home}/usr/bin:${Deno.execPath().replace(/\/[^/]*$/, "")}:${
      Deno.env.get("PATH")
    }:/usr/sbin:/sbin`,
    NO_COLOR: "1",
  };
  const postmap = await run("postmap", [aliases], { env });
  assertEquals(postmap.code, 0, postmap.stderr);
  let commands = 0;
  for (const shown of await shownInReadme()) {
    if (shown.kind === "file") {
      const path = here(shown.path);
      await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), {
        recursive: true,
      });
      await Deno.writeTextFile(path, here(shown.content));
      continue;
    }
    commands++;
    const command = here(shown.command);
    let output: string;
    if (command.endsWith(" &")) {
      const started = await start(command.slice(0, -2), env, root);
      stack.defer(async () => {
        started.child.kill("SIGTERM");
        await started.child.stdout.cancel();
        await started.child.status;
      });
      output = started.output;
    } else output = (await shell("bash", command, env)).output;
    const expected = here(shown.output);
    assert(
      isAsShown(output, expected),
      `$ ${command}\n${output}README has:\n${expected}`,
    );
  }
  assert(commands > 0);

  // Postfix uses the table, and cron's line keeps it equal to the file.
  await postfix.send("bob@example.com");
  await postfix.logged(/to=<carol@mx.example.net>/);
  const line = /^\*\/5 \* \* \* \* root (.*)\n$/.exec(
    await Deno.readTextFile(`${home}/etc/cron.d/memcache-table`),
  );
  assert(line !== null, "the line for cron");
  await Deno.writeTextFile(
    `${home}/etc/postfix/virtual`,
    "bob@example.com dave@mx.example.net\n",
  );
  // As cron does it.
  const cron = await shell("sh", line[1], {
    HOME: env.HOME,
    PATH: "/usr/bin:/bin",
  });
  assertEquals(cron, { code: 0, output: "" });
  await postfix.send("bob@example.com");
  await postfix.logged(/to=<dave@mx.example.net>/);
  // As a service. What is of the system is only told; all else is done.
  const readme = await Deno.readTextFile(`${root}README.md`);
  const service = readme.match(/^```sh\n((?:(?!```)[^])*?systemctl[^]*?)^```/m);
  assert(service !== null, "the commands for a service");
  const told = ["systemctl", "systemd-sysusers", "chown"]
    .map((name) => `${name}() { echo "${name} $*"; }; `).join("");
  const { code, output } = await shell("bash", told + here(service[1]), env);
  assertEquals(code, 0, output);
  assertEquals(output.replaceAll(home, "").split("\n"), [
    "systemd-sysusers ",
    "chown -R memcache-table: /var/lib/memcache-table",
    "systemctl enable --now memcache-table@mail",
    "systemctl reload memcache-table@mail",
    "systemctl enable --now memcache-table-cleanup@mail.timer",
    "",
  ]);
  const settings = Object.fromEntries(
    (await Deno.readTextFile(`${home}/etc/memcache-table/mail.conf`))
      .trimEnd().split("\n").map((line) => line.split(/=(.*)/)),
  );
  assertEquals(
    Object.keys(settings),
    ["TABLES", "OPTIONS", "CLEANUP"],
    "what the units need",
  );
  // The service's user writes from then on.
  assertMatch(
    await Deno.readTextFile(`${home}/etc/cron.d/memcache-table`),
    /^\*\/5 \* \* \* \* memcache-table \//,
  );
});

/** Runs a command line, with what it prints on either stream. */
async function shell(
  program: "bash" | "sh",
  command: string,
  env: Record<string, string>,
): Promise<{ code: number; output: string }> {
  const { code, stdout } = await new Deno.Command(program, {
    args: ["-c", `exec 2>&1; ${command}`],
    env,
    clearEnv: true,
    cwd: root,
    stdin: "null",
  }).output();
  return { code, output: new TextDecoder().decode(stdout) };
}
