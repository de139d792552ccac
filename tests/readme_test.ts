import { install } from "./package/install.ts";
import { assert, assertEquals } from "./support/assert.ts";
import { Folder } from "./support/folder.ts";
import { Memcached } from "./support/memcached.ts";
import { root, run } from "./support/processes.ts";
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
  for (const name of ["etc/postfix", "var", "tmp", "home"]) {
    await Deno.mkdir(`${home}/${name}`, { recursive: true });
  }
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  const here = (text: string) =>
    text.replaceAll(/(?<=^|[\s:=<'"])\/(etc|var|tmp)\//gm, `${home}/$1/`)
      .replaceAll("inet:localhost:11211", memcached.server)
      .replaceAll("127.0.0.1:10027", `127.0.0.1:${port}`);
  await install({ prefix: `${home}/usr`, deno: Deno.execPath() });
  await Deno.writeTextFile(
    `${home}/etc/postfix/main.cf`,
    `compatibility_level = 3.6\nvirtual_alias_maps = hash:${home}/etc/postfix/virtual\n`,
  );
  await Deno.writeTextFile(`${home}/etc/postfix/master.cf`, "");
  await Deno.writeTextFile(
    `${home}/etc/postfix/virtual`,
    "alice@example.com alice@mx.example.net\n" +
      "bob@example.com bob@mx.example.net, carol@mx.example.net\n",
  );
  const env = {
    HOME: `${home}/home`,
    MAIL_CONFIG: `${home}/etc/postfix`,
    PATH: `${home}/usr/bin:${Deno.env.get("PATH")}:/usr/sbin:/sbin`,
    NO_COLOR: "1",
  };
  const postmap = await run("postmap", [`hash:${home}/etc/postfix/virtual`], {
    env,
  });
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
    } else {
      const { stdout } = await new Deno.Command("bash", {
        args: ["-c", `exec 2>&1; ${command}`],
        env,
        cwd: root,
        stdin: "null",
      }).output();
      output = new TextDecoder().decode(stdout);
    }
    const expected = here(shown.output);
    assert(
      isAsShown(output, expected),
      `$ ${command}\n${output}README has:\n${expected}`,
    );
  }
  assert(commands > 0);
});
