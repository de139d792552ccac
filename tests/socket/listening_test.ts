import { assertEquals } from "../support/assert.ts";
import { Folder } from "../support/folder.ts";
import { root, run } from "../support/processes.ts";

// Listens, and prints which mode the socket has at first and in the end, and the
// umask after that.
const script = `
import { listenDeno } from "${root}lib/socket/deno_listener.ts";
const [path, mode] = Deno.args;
const { listen } = Deno;
const modeOf = (path) => (Deno.lstatSync(path).mode & 0o7777).toString(8);
let first;
Deno.listen = (options) => {
  const listener = listen(options);
  first = modeOf(options.path);
  return listener;
};
try {
  const listener = await listenDeno(
    { transport: "unix", path },
    { mode: parseInt(mode, 8) },
  );
  console.log(first, modeOf(path));
  listener.close();
} catch (error) {
  console.log(error.message);
}
`;

/** Runs the script in a process of its own: a umask is that of a whole process. */
async function listen(
  path: string,
  umask: string,
  mode: string,
  permissions: string[],
): Promise<string> {
  const program = [Deno.execPath(), "run", "--quiet", "--no-prompt"];
  const command = [...program, ...permissions, "-", path, mode].join(" ");
  const { stdout } = await run("sh", [
    "-c",
    `umask ${umask}; ${command} <<'END'\n${script}\nEND\n`,
  ]);
  return stdout.trim();
}

Deno.test("a listener's socket has its mode from the first moment, whatever the umask is", async () => {
  await using folder = await Folder.make();
  const path = `${folder.path}/s`;
  const cases = ["000", "022", "177"].flatMap((umask) =>
    ["600", "660", "666", "777"].map((mode) => [umask, mode])
  );
  await Promise.all(cases.map(async ([umask, mode]) => {
    const own = `${path}${umask}${mode}`;
    const made = await listen(own, umask, mode, ["-A"]);
    assertEquals(made, `${mode} ${mode}`, umask);
  }));
  assertEquals([...Deno.readDirSync(folder.path)], []);
});

Deno.test("a listener refuses a mode that it could only set too late", async () => {
  await using folder = await Folder.make();
  const path = `${folder.path}/s`;
  const permissions = [
    `--allow-net=unix:${path}`,
    `--allow-read=${path},${root}`,
    `--allow-write=${path}`,
  ];
  const refusal = (umask: string) =>
    `cannot listen on unix:${path}: the umask would let others connect before ` +
    `the mode is set: start it with umask ${umask}, or run Deno with --allow-sys`;
  const table: [string, string, string[], string][] = [
    // Less than it shall be at first lets nobody in.
    ["022", "660", permissions, "755 660"],
    ["077", "666", permissions, "700 666"],
    ["000", "660", permissions, refusal("0117")],
    ["002", "600", permissions, refusal("0177")],
    ["000", "660", [...permissions, "--allow-sys"], "660 660"],
  ];
  for (const [umask, mode, permissions, expected] of table) {
    assertEquals(await listen(path, umask, mode, permissions), expected);
    assertEquals([...Deno.readDirSync(folder.path)], []);
  }
});
