import {
  chmodSync,
  linkSync,
  lstatSync,
  renameSync,
  unlinkSync,
} from "node:fs";
import { type AddressInfo, createConnection, createServer } from "node:net";
import { connectBun } from "./bun_connect.ts";
import {
  cannotListen,
  codeOf,
  listenAt,
  type Placed,
  type SocketFiles,
} from "./listening.ts";
import { NodeSocket } from "./node.ts";
import type { Endpoint, Listener, Socket } from "./socket.ts";

type Server = ReturnType<typeof createServer>;

const { process } = globalThis as unknown as {
  process: {
    platform: string;
    versions: { bun?: string };
    umask(mask: number): number;
  };
};

class NodeListener implements Listener {
  readonly endpoint: Endpoint;
  #server: Server;
  #file: Placed<Server> | undefined;
  #waiting: Socket[] = [];
  #error: Error | undefined;
  #wake: (() => void) | undefined;
  #closed = false;

  /** Takes over a server, with the file of a UNIX-domain socket. */
  constructor(endpoint: Endpoint, server: Server, file?: Placed<Server>) {
    this.endpoint = endpoint;
    this.#server = server;
    this.#file = file;
    server.on("connection", (connection) => {
      if (this.#closed) return void connection.destroy();
      connection.setNoDelay(true);
      // Clients may be many: nothing is read before somebody wants it.
      this.#waiting.push(new NodeSocket(connection, 0));
      this.#wake?.();
    });
    // What cannot be accepted for the moment can be later.
    server.on("error", (error) => {
      this.#error = error;
      this.#wake?.();
    });
  }

  async accept(): Promise<Socket | null> {
    while (this.#waiting.length === 0) {
      if (this.#closed) return null;
      const error = this.#error;
      this.#error = undefined;
      if (error !== undefined) throw error;
      await new Promise<void>((resolve) => this.#wake = resolve);
      this.#wake = undefined;
    }
    return this.#waiting.shift()!;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    // Else it stays open until the program ends, and takes no client.
    if (this.#file?.remove() ?? true) this.#server.close();
    else this.#server.unref();
    for (const socket of this.#waiting.splice(0)) socket.close();
    this.#wake?.();
  }
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
    if (endpoint.transport === "unix") {
      const bind = (path: string) => listen({ path });
      const placed = await listenAt(endpoint.path, { mode, files, bind });
      return new NodeListener(endpoint, placed.handle, placed);
    }
    const { hostname: host, port } = endpoint;
    const server = await listen({ host, port });
    const address = server.address() as AddressInfo;
    return new NodeListener({ ...endpoint, port: address.port }, server);
  } catch (error) {
    throw cannotListen(endpoint, error);
  }
}

function listen(
  place: { path: string } | { host: string; port: number },
): Promise<Server> {
  // A client that has sent all of its requests still wants the replies.
  const server = createServer({ allowHalfOpen: true });
  return new Promise<Server>((resolve, reject) => {
    server.once("error", reject);
    server.listen(place, () => {
      server.off("error", reject);
      resolve(server);
    });
  });
}

const files: SocketFiles = {
  look(path) {
    try {
      const found = lstatSync(path);
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
      const connection = createConnection({ path });
      connection.on("connect", () => {
        connection.destroy();
        resolve();
      });
      connection.on("error", reject);
    });
  },
  link: (path, other) => linkSync(path, other),
  rename: (path, other) => renameSync(path, other),
  remove: (path) => unlinkSync(path),
  setMode: (path, mode) => chmodSync(path, mode),
  setUmask(mask) {
    try {
      return process.umask(mask);
    } catch {
      // That is for the main thread alone.
      return undefined;
    }
  },
  umaskCure: "listen in the main thread",
  mayBind: () => true,
};
