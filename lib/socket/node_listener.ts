import { loadNodeModule } from "../system/runtime.ts";
import { connectBun } from "./bun_connect.ts";
import {
  cannotListen,
  codeOf,
  formatPeer,
  listenAt,
  type ListeningSocket,
  type SocketFiles,
} from "./listening.ts";
import { NodeSocket } from "./node.ts";
import type { Endpoint, Listener, Socket } from "./socket.ts";

type Files = typeof import("node:fs");
type Net = typeof import("node:net");
type AddressInfo = import("node:net").AddressInfo;
type Server = import("node:net").Server;
type Process = {
  platform: string;
  versions: { bun?: string };
  umask(mask: number): number;
};

/** What Node offers for it. */
interface Node {
  readonly fs: Files;
  readonly net: Net;
  readonly process: Process;
}

// Not at the top of the module: the built program has all modules in one file,
// and Deno would spend a short command's time on loading its copy of Node's.
async function loadNode(): Promise<Node> {
  const fs = (await loadNodeModule("node:fs"))!;
  const net = (await loadNodeModule("node:net"))!;
  const { process } = globalThis as unknown as { process: Process };
  return { fs, net, process };
}

class NodeListener implements Listener {
  readonly endpoint: Endpoint;
  #server: Server;
  #file: ListeningSocket<Server> | undefined;
  #accepted: Socket[] = [];
  #error: Error | undefined;
  #wake: (() => void) | undefined;
  #closed = false;

  /** Takes over a server; `file` is that of a UNIX-domain socket. */
  constructor(
    endpoint: Endpoint,
    server: Server,
    file?: ListeningSocket<Server>,
  ) {
    this.endpoint = endpoint;
    this.#server = server;
    this.#file = file;
    server.on("connection", (connection) => {
      if (this.#closed) return void connection.destroy();
      connection.setNoDelay(true);
      // There may be many clients: read ahead as little as possible.
      this.#accepted.push(new NodeSocket(connection, 0, peerOf(connection)));
      this.#wake?.();
    });
    // After an error the server still listens, and can accept the next client.
    server.on("error", (error) => {
      this.#error = error;
      this.#wake?.();
    });
  }

  async accept(): Promise<Socket | null> {
    while (this.#accepted.length === 0) {
      if (this.#closed) return null;
      const error = this.#error;
      this.#error = undefined;
      if (error !== undefined) throw error;
      await new Promise<void>((resolve) => this.#wake = resolve);
      this.#wake = undefined;
    }
    return this.#accepted.shift()!;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    // Closing would remove another program's file: then the server stays open until
    // the program ends, and rejects clients.
    if (this.#file?.remove() ?? true) this.#server.close();
    else this.#server.unref();
    for (const socket of this.#accepted.splice(0)) socket.close();
    this.#wake?.();
  }
}

/** Who has connected; unknown with a UNIX-domain socket, and if it has left again. */
function peerOf(
  { remoteAddress, remotePort }: {
    remoteAddress?: string;
    remotePort?: number;
  },
): string | undefined {
  return remoteAddress === undefined || remotePort === undefined
    ? undefined
    : formatPeer(remoteAddress, remotePort);
}

/**
 * Listens with `node:net`, on Node and Bun. Throws {@linkcode ConfigError}, with
 * the cure.
 */
export async function listenNode(
  endpoint: Endpoint,
  { mode }: { mode?: number },
): Promise<Listener> {
  try {
    const node = await loadNode();
    if (endpoint.transport === "unix") {
      const bind = (path: string) => listen(node.net, { path });
      const files = socketFiles(node);
      const socket = await listenAt(endpoint.path, { mode, files, bind });
      return new NodeListener(endpoint, socket.handle, socket);
    }
    const { hostname: host, port } = endpoint;
    const server = await listen(node.net, { host, port });
    const address = server.address() as AddressInfo;
    return new NodeListener({ ...endpoint, port: address.port }, server);
  } catch (error) {
    throw cannotListen(endpoint, error);
  }
}

function listen(
  { createServer }: Net,
  place: { path: string } | { host: string; port: number },
): Promise<Server> {
  // A client that ends its side after its last request still reads the replies.
  const server = createServer({ allowHalfOpen: true });
  return new Promise<Server>((resolve, reject) => {
    server.once("error", reject);
    server.listen(place, () => {
      server.off("error", reject);
      resolve(server);
    });
  });
}

function socketFiles({ fs, net, process }: Node): SocketFiles {
  return {
    look(path) {
      try {
        const found = fs.lstatSync(path);
        return {
          isSocket: found.isSocket(),
          device: found.dev,
          inode: found.ino,
          mode: found.mode,
          modified: found.mtimeMs,
        };
      } catch (error) {
        if (codeOf(error) === "ENOENT") return undefined;
        throw error;
      }
    },
    async connect(path) {
      if (process.versions.bun !== undefined && process.platform === "linux") {
        return connectBun(path);
      }
      await new Promise<void>((resolve, reject) => {
        const connection = net.createConnection({ path });
        connection.on("connect", () => {
          connection.destroy();
          resolve();
        });
        connection.on("error", reject);
      });
    },
    link: (path, other) => fs.linkSync(path, other),
    rename: (path, other) => fs.renameSync(path, other),
    remove: (path) => fs.unlinkSync(path),
    setMode: (path, mode) => fs.chmodSync(path, mode),
    setUmask(mask) {
      try {
        return process.umask(mask);
      } catch {
        // Only the main thread can set the umask.
        return undefined;
      }
    },
    umaskCure: "listen in the main thread",
    mayBind: () => true,
  };
}
