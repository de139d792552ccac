import { assertEquals, assertThrows } from "../support/assert.ts";
import { Folder } from "../support/folder.ts";
import { root, run } from "../support/processes.ts";
import {
  formatPeer,
  listenAt,
  parseListening,
  type SocketFiles,
} from "../../lib/socket/listening.ts";

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

Deno.test("formatPeer() writes an address as an endpoint", () => {
  const table: [string, string][] = [
    ["192.0.2.1", "inet:192.0.2.1:5"],
    ["::1", "inet:[::1]:5"],
    ["::ffff:192.0.2.1", "inet:192.0.2.1:5"],
    ["::ffff:c000:201", "inet:[::ffff:c000:201]:5"],
  ];
  for (const [address, peer] of table) {
    assertEquals(formatPeer(address, 5), peer);
  }
});

Deno.test("parseListening() takes any port, and says what it cannot take", () => {
  assertEquals(parseListening("inet:[::1]:0", ""), {
    transport: "tcp",
    hostname: "::1",
    port: 0,
  });
  const table: [string, string][] = [
    ["tls:a:1", "tls:a:1: no TLS here: use inet:HOST:PORT"],
    ["inet:a:smtp", 'inet:a:smtp: "smtp" is no port number'],
    ["inet:a", 'inet:a: "a" is no port number'],
    ["unix:", 'unix:: nothing after "unix:"'],
  ];
  for (const [place, message] of table) {
    const error = assertThrows(() => parseListening(place, "no TLS here"));
    assertEquals((error as Error).message, message);
  }
});

/** An error of the system. */
function failure(code: string): Error {
  return Object.assign(new Error(code), { code });
}

Deno.test("listenAt() goes on where another program removes a dead server's file first", async () => {
  // The numbers of inodes, by their paths.
  const found = new Map([["/d/s", 1]]);
  let inodes = 1;
  let isOther = true;
  const files: SocketFiles = {
    look: (path) => {
      const inode = found.get(path);
      return inode === undefined
        ? undefined
        : { isSocket: true, device: 1, inode, mode: 0o140660, modified: 0 };
    },
    connect: () => Promise.reject(failure("ECONNREFUSED")),
    link: (path, other) => {
      if (found.has(other)) throw failure("EEXIST");
      found.set(other, found.get(path)!);
    },
    rename: (path, other) => {
      if (isOther) found.delete(path);
      isOther = false;
      if (!found.has(path)) throw failure("ENOENT");
      found.set(other, found.get(path)!);
      found.delete(path);
    },
    remove: (path) => void found.delete(path),
    setMode: () => {},
    setUmask: () => undefined,
    umaskCure: "",
    mayBind: () => true,
  };
  const socket = await listenAt("/d/s", {
    mode: 0o660,
    files,
    bind: (path) => {
      found.set(path, ++inodes);
      return Promise.resolve({ close() {} });
    },
  });
  assertEquals([...found], [["/d/s", 2]]);
  assertEquals(socket.remove(), true);
  assertEquals([...found], []);
});
