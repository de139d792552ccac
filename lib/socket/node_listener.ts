import { lstat, rm } from "node:fs/promises";
import { chmodSync } from "node:fs";
import { type AddressInfo, createConnection, createServer } from "node:net";
import { cannotListen, codeOf, makeWay } from "./listening.ts";
import { NodeSocket } from "./node.ts";
import type { Endpoint, Listener, Socket } from "./socket.ts";

type Server = ReturnType<typeof createServer>;

class NodeListener implements Listener {
  readonly endpoint: Endpoint;
  #server: Server;
  #waiting: Socket[] = [];
  #wake: (() => void) | undefined;
  #closed = false;

  constructor(endpoint: Endpoint, server: Server) {
    this.endpoint = endpoint;
    this.#server = server;
    server.on("connection", (connection) => {
      connection.setNoDelay(true);
      this.#waiting.push(new NodeSocket(connection));
      this.#wake?.();
    });
    // What cannot be accepted for the moment can be later.
    server.on("error", () => {});
  }

  async accept(): Promise<Socket | null> {
    while (this.#waiting.length === 0) {
      if (this.#closed) return null;
      await new Promise<void>((resolve) => this.#wake = resolve);
      this.#wake = undefined;
    }
    return this.#waiting.shift()!;
  }

  /** Node and Bun remove the file. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#server.close();
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
    if (endpoint.transport === "unix") await clear(endpoint.path);
    // A client that has sent all of its requests still wants the replies.
    const server = createServer({ allowHalfOpen: true });
    await listen(server, endpoint);
    if (endpoint.transport === "tcp") {
      const { port } = server.address() as AddressInfo;
      return new NodeListener({ ...endpoint, port }, server);
    }
    const listener = new NodeListener(endpoint, server);
    try {
      if (mode !== undefined) chmodSync(endpoint.path, mode);
    } catch (error) {
      listener.close();
      throw error;
    }
    return listener;
  } catch (error) {
    throw cannotListen(endpoint, error);
  }
}

function listen(server: Server, endpoint: Endpoint): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(
      endpoint.transport === "unix"
        ? { path: endpoint.path }
        : { host: endpoint.hostname, port: endpoint.port },
      () => {
        server.off("error", reject);
        resolve();
      },
    );
  });
}

async function clear(path: string): Promise<void> {
  await makeWay(path, {
    kind: async () => {
      try {
        return (await lstat(path)).isSocket() ? "socket" : "other";
      } catch (error) {
        if (codeOf(error) === "ENOENT") return "nothing";
        throw error;
      }
    },
    tryOut: () =>
      new Promise<void>((resolve, reject) => {
        const connection = createConnection({ path });
        connection.on("connect", () => {
          connection.destroy();
          resolve();
        });
        connection.on("error", reject);
      }),
    remove: () => rm(path),
  });
}
