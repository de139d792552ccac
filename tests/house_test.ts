import { version } from "../lib/cli/help.ts";
import configuration from "../deno.json" with { type: "json" };
import { assert, assertEquals } from "./support/assert.ts";
import { root } from "./support/processes.ts";

async function* sources(folder: string): AsyncGenerator<[string, string]> {
  for await (const { name, isDirectory } of Deno.readDir(root + folder)) {
    const path = `${folder}/${name}`;
    if (isDirectory) yield* sources(path);
    else if (name.endsWith(".ts")) {
      yield [path, await Deno.readTextFile(root + path)];
    }
  }
}

/** The code of a module, without comments. */
function code(text: string): string {
  return text.replace(/\/\*[^]*?\*\/|^\s*\/\/.*$/gm, "");
}

Deno.test("only the files that may name Deno do", async () => {
  const allowed = [
    // Texts about it.
    "lib/cli/help.ts",
    "lib/cli/reference/databases.ts",
    "lib/cli/reference/differences.ts",
    "lib/cli/reference/permissions.ts",
    "lib/cli/terminal.ts",
    "lib/socket/deno.ts",
    "lib/socket/deno_listener.ts",
    "lib/system/file_system.ts",
    "lib/system/files.ts",
    "lib/system/hosts.ts",
    "lib/system/programs.ts",
    "lib/system/runtime.ts",
    "lib/tables/kv/open_kv.ts",
    "lib/tables/kv/remote_service.ts",
  ];
  for await (const [path, text] of sources("lib")) {
    if (allowed.includes(path)) continue;
    assert(!/\bDeno\b/.test(code(text)), path);
  }
});

// The modules of Node are named in types alone: bundlers for the edge would look for
// what an import names.
const ofRuntimes: Record<string, string[]> = {
  "lib/socket/cloudflare.ts": ["cloudflare:sockets"],
};

Deno.test("only the adapters import what one runtime has", async () => {
  for await (const [path, text] of sources("lib")) {
    const imports = code(text).replace(/typeof import\("[^"]+"\)/g, "")
      .replace(/(?<=[:=] |\| )import\("node:[^"]+"\)\.\w+/g, "")
      .matchAll(/(?:from|import\() ?"((?:node|cloudflare|bun):[^"]+)"/g);
    const used = new Set([...imports].map(([, specifier]) => specifier));
    assertEquals([...used], ofRuntimes[path] ?? [], path);
  }
});

/** The rooms that lib/README.md lists, from top to bottom; those of a row are equals. */
async function rooms(): Promise<string[][]> {
  const map = await Deno.readTextFile(`${root}lib/README.md`);
  const rows = map.split("<!-- rooms: from top to bottom -->")[1].trim()
    .split("\n").slice(2).map((row) => row.split("|")[1]);
  return rows.map((row) =>
    [...row.matchAll(/`([^`]+)`/g)].map(([, name]) => name)
  );
}

/** The room of a file: the longest name that its path begins with. */
function roomOf(path: string, names: readonly string[]): string | undefined {
  const inLib = path.replace(/^lib\//, "");
  return names.filter((name) => inLib.startsWith(name))
    .sort((one, two) => two.length - one.length)[0];
}

Deno.test("the library imports nothing from outside, and no room one above it or beside it", async () => {
  const floors = await rooms();
  const names = floors.flat();
  const floorOf = (room: string) =>
    floors.findIndex((row) => row.includes(room));
  for await (const [path, text] of sources("lib")) {
    const room = roomOf(path, names);
    assert(room !== undefined, `${path} is in no room of lib/README.md`);
    for (
      const [, specifier] of code(text).matchAll(
        /(?:from|import\() ?"([^"]+)"/g,
      )
    ) {
      if (ofRuntimes[path]?.includes(specifier)) continue;
      // A type.
      if (specifier.startsWith("node:")) continue;
      assert(specifier.startsWith("."), `${path} imports ${specifier}`);
      const target = roomOf(
        new URL(specifier, `file:///${path}`).pathname.slice(1),
        names,
      );
      assert(
        target === room ||
          target !== undefined && floorOf(target) > floorOf(room),
        `${path} imports ${specifier}`,
      );
    }
  }
});

Deno.test("no module of what runs is from outside, wherever a registry would be", async () => {
  const entries = [
    ...Object.values(configuration.exports),
    "./tests/demo.ts",
    "./tests/package/program.ts",
  ];
  for (const entry of entries) {
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["info", "--json", entry],
      cwd: root,
    }).output();
    const { modules } = JSON.parse(new TextDecoder().decode(stdout)) as {
      modules: { specifier: string }[];
    };
    assert(modules.length > 0, entry);
    for (const { specifier } of modules) {
      assert(
        /^(file|node|cloudflare):/.test(specifier),
        `${entry} imports ${specifier}`,
      );
    }
  }
});

Deno.test("importing the module touches nothing", async () => {
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-prompt",
      "--deny-read",
      "--deny-net",
      "--deny-env",
      "--deny-sys",
      `${root}mod.ts`,
    ],
    stdout: "null",
    stderr: "piped",
  }).output();
  assertEquals([code, new TextDecoder().decode(stderr)], [0, ""]);
});

Deno.test("the version is the same everywhere", () => {
  assertEquals(version, configuration.version);
});

Deno.test("no file names a registry's host", async () => {
  const host = ["registry", "npmjs", "org"].join(".");
  const { stdout } = await new Deno.Command("git", {
    args: ["ls-files", "-co", "--exclude-standard"],
    cwd: root,
  }).output();
  for (const path of new TextDecoder().decode(stdout).trim().split("\n")) {
    const text = await Deno.readTextFile(root + path).catch(() => "");
    assert(!text.includes(host), path);
  }
});

Deno.test("the top level holds what it should, and nothing else", async () => {
  const { stdout } = await new Deno.Command("git", {
    args: ["ls-files", "-co", "--exclude-standard"],
    cwd: root,
  }).output();
  const tops = new Set(
    new TextDecoder().decode(stdout).trim().split("\n").map((path) =>
      path.split("/")[0]
    ),
  );
  assertEquals([...tops].sort(), [
    ".ci",
    ".github",
    ".gitignore",
    "LICENSE",
    "README.md",
    "cli.ts",
    "deno.json",
    "lib",
    "mod.ts",
    "tests",
  ]);
});

Deno.test("workflows and guides name tasks that deno.json has", async () => {
  const tasks = Object.keys(configuration.tasks);
  const paths = [
    "README.md",
    ".ci/run",
    ".github/CONTRIBUTING.md",
    ".github/workflows/publish.yml",
    ".github/workflows/test.yml",
  ];
  for (const path of paths) {
    const text = await Deno.readTextFile(root + path);
    const named = [...text.matchAll(/(?:deno|deno@\S+) task ([\w:]+)/g)];
    assert(named.length > 0, path);
    for (const [, task] of named) {
      assert(tasks.includes(task), `${path} has "deno task ${task}"`);
    }
  }
});

Deno.test("no modules import each other in a circle", async () => {
  const imports = new Map<string, string[]>();
  for await (const [path, text] of sources("lib")) {
    const targets = [...code(text).matchAll(/\bfrom "(\.[^"]+)"/g)];
    imports.set(
      path,
      targets.map(([, specifier]) =>
        new URL(specifier, `file:///${path}`).pathname.slice(1)
      ),
    );
  }
  const done = new Set<string>();
  const visit = (path: string, way: readonly string[]) => {
    if (done.has(path)) return;
    const at = way.indexOf(path);
    assert(at < 0, `a circle: ${[...way.slice(at), path].join(" → ")}`);
    for (const target of imports.get(path) ?? []) visit(target, [...way, path]);
    done.add(path);
  };
  for (const path of imports.keys()) visit(path, []);
});

Deno.test("nothing is exported that neither the library nor its users use", async () => {
  const entries = Object.values(configuration.exports);
  const exported: [name: string, path: string][] = [];
  const uses = new Map<string, number>();
  for await (const [path, text] of sources("lib")) {
    const own = code(text);
    for (const [word] of own.matchAll(/\w+/g)) {
      uses.set(word, (uses.get(word) ?? 0) + 1);
    }
    if (entries.includes(`./${path}`)) continue;
    const names = own.matchAll(/^export (?:abstract |async )?\w+\*? (\w+)/gm);
    for (const [, name] of names) exported.push([name, path]);
  }
  const users = code(await Deno.readTextFile(`${root}mod.ts`));
  for (const [name, path] of exported) {
    assert(
      uses.get(name)! > 1 || new RegExp(`\\b${name}\\b`).test(users),
      `${path} exports ${name} for nobody`,
    );
  }
});

Deno.test("the library has no syntax that Node 20 does not know", async () => {
  for await (const [path, text] of sources("lib")) {
    assert(!/^\s*(await )?using /m.test(code(text)), path);
  }
});
