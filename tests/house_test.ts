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
    "lib/cli/terminal.ts",
    "lib/socket/deno.ts",
    "lib/socket/deno_listener.ts",
    "lib/files.ts",
    "lib/tables/kv.ts",
    "lib/programs.ts",
    "lib/runtime.ts",
  ];
  for await (const [path, text] of sources("lib")) {
    if (allowed.includes(path)) continue;
    assert(!/\bDeno\b/.test(code(text)), path);
  }
});

// What they are given of Node is theirs: the rest runs on the edge as it is.
const ofNode: Record<string, string[]> = {
  "lib/cli/node_terminal.ts": ["node:fs", "node:module", "node:process"],
  "lib/files.ts": ["node:fs"],
  "lib/key/key_digest.ts": ["node:crypto"],
  "lib/node_programs.ts": ["node:child_process"],
  "lib/socket/node.ts": ["node:net"],
  "lib/socket/node_listener.ts": ["node:fs/promises", "node:fs", "node:net"],
  "lib/socket/cloudflare.ts": ["cloudflare:sockets"],
};

Deno.test("only the adapters import what one runtime has", async () => {
  for await (const [path, text] of sources("lib")) {
    const imports = code(text).matchAll(
      /(?:from|import\() ?"((?:node|cloudflare|bun):[^"]+)"/g,
    );
    const used = new Set([...imports].map(([, specifier]) => specifier));
    assertEquals([...used], ofNode[path] ?? [], path);
  }
});

Deno.test("the library imports nothing from outside, and each room what it may", async () => {
  const rooms: Record<string, string[]> = {
    config: ["config", "errors.ts", "files.ts"],
    key: ["key", "config", "errors.ts"],
    maintenance: [
      "maintenance",
      "tables",
      "config",
      "key",
      "memcache",
      "socket",
      "errors.ts",
      "files.ts",
      "table.ts",
      "clock.ts",
      "open.ts",
    ],
    memcache: [
      "memcache",
      "socket",
      "key",
      "errors.ts",
      "clock.ts",
      "events.ts",
    ],
    message: ["message", "errors.ts"],
    proxymap: ["proxymap", "socket", "errors.ts", "clock.ts"],
    socket: ["socket", "errors.ts", "runtime.ts"],
    socketmap: [
      "socketmap",
      "socket",
      "key",
      "errors.ts",
      "clock.ts",
      "runtime.ts",
    ],
    tables: [
      "tables",
      "config",
      "key",
      "memcache",
      "socket",
      "errors.ts",
      "files.ts",
      "table.ts",
      "clock.ts",
      "events.ts",
      "kv_database.ts",
      "programs.ts",
      "proxymap",
      "runtime.ts",
    ],
  };
  for await (const [path, text] of sources("lib")) {
    if (path.startsWith("lib/cli/")) continue;
    const room = path.split("/")[1];
    for (
      const [, specifier] of code(text).matchAll(
        /(?:from|import\() ?"([^"]+)"/g,
      )
    ) {
      if (ofNode[path]?.includes(specifier)) continue;
      assert(specifier.startsWith("."), `${path} imports ${specifier}`);
      const target =
        new URL(specifier, `file:///${path}`).pathname.split("/")[2];
      assert(
        !(room in rooms) || rooms[room].includes(target),
        `${path} imports ${specifier}`,
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
  const visible = [...tops].filter((name) => !name.startsWith(".")).sort();
  assertEquals(visible, [
    "LICENSE",
    "README.md",
    "cli.ts",
    "deno.json",
    "deno.lock",
    "lib",
    "mod.ts",
    "tests",
  ]);
});
