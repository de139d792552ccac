import { assertEquals, assertMatch } from "../support/assert.ts";
import { Folder } from "../support/folder.ts";
import { atOnce, root } from "../support/processes.ts";
import { ScriptedServer } from "../support/scripted_server.ts";

// On many mail servers no registry can be reached. Whatever runs from a clone
// must not even try, nor say that it did: with a fresh cache, as after a clone.

interface Case {
  /** A script of a shell; `cli` is the command line, `$f` a folder. */
  script: string;
  stdout: RegExp;
  stderr?: RegExp;
  code?: number;
}

const nothing = /^$/;

const cases: Case[] = [
  { script: "cli -q alice 'inline:{alice=v}'", stdout: /^v\n$/ },
  { script: "cli -q bob 'inline:{alice=v}'", stdout: nothing, code: 1 },
  { script: "echo k | cli -q - static:v", stdout: /^k\tv\n$/ },
  { script: "cli -j -q k static:v", stdout: /^{"k": "v"}\n$/ },
  {
    script: "echo 'k v' | cli -i kv:$f/t.kv; cli -s kv:$f/t.kv; " +
      "cli -d k kv:$f/t.kv; cli -s kv:$f/t.kv",
    stdout: /^k\tv\n$/,
  },
  { script: "cli -s 'inline:{a=b}'", stdout: /^a\tb\n$/ },
  {
    script: "printf 'A: b\\n\\nc\\n' | cli -bhq - static:v",
    stdout: /^A: b\tv/,
  },
  { script: "cli check static:v", stdout: /^static:v\n[^]*good\n$/ },
  {
    script: "cli warm static:v",
    stdout: nothing,
    stderr: /^memcache-table: fatal: .*\n$/,
    code: 1,
  },
  {
    script: "cli stats memcache:{memcache=inet:127.0.0.1:1}",
    stdout: nothing,
    stderr: /^memcache-table: fatal: .*\n$/,
    code: 1,
  },
  { script: "cli --help", stdout: /^Usage: memcache-table / },
  { script: "cli help serve", stdout: /^Usage: memcache-table serve / },
  { script: "cli --version", stdout: /^memcache-table \S+\n$/ },
  {
    script: "cli --hlep",
    stdout: nothing,
    stderr: /^memcache-table: fatal: unknown option --hlep: did you.*\n$/,
    code: 1,
  },
  {
    script: "mkfifo $f/e; deno run -A cli.ts serve --socketmap unix:$f/s " +
      "a=static:v 2>$f/e & read line <$f/e; echo $line; kill $!; wait $!",
    stdout: /^memcache-table: listening on unix:.*\n$/,
  },
  {
    script: "deno task --quiet demo",
    stdout: /^A table, [^]*\$ memcache-table -js [^]*\n$/,
    stderr: /^(memcache-table: warning: .*\n)*$/,
  },
  {
    script:
      "deno install --quiet -gA --unstable-kv --root $f -n mct ./cli.ts && " +
      "cd / && $f/bin/mct -s 'inline:{a=b}' && echo k v | $f/bin/mct -i kv:$f/a && " +
      "$f/bin/mct -q k kv:$f/a && $f/bin/mct check static:v",
    stdout: /^(✅[^]*\n)?a\tb\nv\nstatic:v\n[^]*good\n$/,
    stderr: /^(.*config file will be ignored.*\n)?$/,
  },
  { script: "deno run -A mod.ts", stdout: nothing },
];

const bin = new URL(".", `file://${Deno.execPath()}`).pathname;

/** Runs a script where the registry is at that address, with nothing in the cache. */
async function runFresh(
  script: string,
  registry: string,
): Promise<Deno.CommandOutput> {
  await using folder = await Folder.make();
  const given = `f=$0; cli() { deno run -A cli.ts "$@"; }; ${script}`;
  return await new Deno.Command("timeout", {
    args: ["60", "bash", "-c", given, folder.path],
    cwd: root,
    env: {
      DENO_DIR: `${folder.path}/cache`,
      PATH: `${bin}:${Deno.env.get("PATH")}`,
      NPM_CONFIG_REGISTRY: registry,
      JSR_URL: registry,
      NO_COLOR: "1",
    },
    stdin: "null",
  }).output();
}

Deno.test("nothing that runs from a clone asks a registry", async (t) => {
  await using registry = new ScriptedServer(() => ["HANG"]);
  await atOnce(3, cases, async ({ script, stdout, stderr, code = 0 }) => {
    const output = await runFresh(
      script,
      `http://127.0.0.1:${registry.port}`,
    );
    await t.step({
      name: script,
      sanitizeOps: false,
      sanitizeResources: false,
      sanitizeExit: false,
      fn: () => {
        const text = new TextDecoder();
        assertMatch(text.decode(output.stderr), stderr ?? nothing);
        assertMatch(text.decode(output.stdout), stdout);
        assertEquals(output.code, code);
      },
    });
  });
  assertEquals(registry.connections, 0);
});
