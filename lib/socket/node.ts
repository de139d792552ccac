/**
 * Sockets for Node and Bun. There `openTable` and `MemcacheTable` use them by
 * default; pass {@linkcode connectNode} as the `connect` option to choose them
 * explicitly.
 *
 * @example
 * ```ts
 * import { openTable } from "@postmaps/memcache-table";
 * import { connectNode } from "@postmaps/memcache-table/node";
 *
 * await using table = await openTable("memcache:{ max_try=1 }", {
 *   connect: connectNode,
 * });
 * console.log(table.name);
 * ```
 *
 * @module
 */
import { requireEndpoint } from "../arguments.ts";
import { ConfigError } from "../errors.ts";
import { loadNodeModule } from "../system/runtime.ts";
import { ReceivedBytes } from "./received_bytes.ts";
import type {
  Endpoint,
  Socket,
  TcpEndpoint,
  TlsOptions,
  UnixEndpoint,
} from "./socket.ts";

export type { Endpoint, Socket, TcpEndpoint, TlsOptions, UnixEndpoint };

type Net = typeof import("node:net");

/** The part of a `net.Socket` that a {@linkcode NodeSocket} uses. */
export interface NodeConnection {
  /** As in `net.Socket`. */
  readonly destroyed: boolean;
  /** As in `net.Socket`. */
  on(event: "data", listener: (chunk: Uint8Array) => void): unknown;
  /** As in `net.Socket`. */
  on(event: "end" | "close", listener: () => void): unknown;
  /** As in `net.Socket`. */
  on(event: "error", listener: (error: Error) => void): unknown;
  /** As in `net.Socket`. */
  once(event: "close", listener: () => void): unknown;
  /** As in `net.Socket`. */
  off(event: "close", listener: () => void): unknown;
  /** As in `net.Socket`. */
  write(data: Uint8Array, done: (error?: Error | null) => void): unknown;
  /** As in `net.Socket`. */
  end(done: () => void): unknown;
  /** As in `net.Socket`. */
  destroy(): unknown;
  /** As in `net.Socket`. */
  pause(): unknown;
  /** As in `net.Socket`. */
  resume(): unknown;
  /** As in `net.Socket`. */
  ref(): unknown;
  /** As in `net.Socket`. */
  unref(): unknown;
}

/** A socket over a connection of Node or Bun. */
export class NodeSocket implements Socket {
  /** As in {@linkcode Socket}. */
  readonly peer?: string;
  #connection: NodeConnection;
  #received: ReceivedBytes;

  /**
   * Takes over an open connection. Reading from it pauses while more than so many
   * received bytes are unread; the default is 65,536. `peer` is who has connected.
   */
  constructor(
    connection: NodeConnection,
    readAhead?: number,
    peer?: string,
  ) {
    this.peer = peer;
    this.#connection = connection;
    const received = new ReceivedBytes(connection, readAhead);
    this.#received = received;
    connection.on("data", (chunk) => received.push(chunk));
    connection.on("end", () => received.end());
    connection.on("close", () => received.end());
    connection.on("error", (error) => received.end(error));
  }

  /** As in {@linkcode Socket}. */
  read(): Promise<Uint8Array | null> {
    return this.#received.read();
  }

  /** As in {@linkcode Socket}. */
  write(data: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      // The first error says why the connection is gone; later ones do not.
      const failed = (error: Error) => reject(this.#received.error ?? error);
      if (this.#connection.destroyed) return failed(new Error("it is closed"));
      // If the connection closes, the callback of `write` may never be called.
      const closed = () => failed(new Error("it was closed"));
      this.#connection.once("close", closed);
      this.#connection.write(data, (error) => {
        this.#connection.off("close", closed);
        if (error) failed(error);
        else resolve();
      });
    });
  }

  /** As in {@linkcode Socket}. */
  close(): void {
    this.#connection.destroy();
  }

  /** As in {@linkcode Socket}. */
  endWrite(): Promise<void> {
    return new Promise((resolve) => {
      // If the connection is gone, the callback of `end` may never be called.
      this.#connection.once("close", () => resolve());
      this.#connection.end(() => resolve());
    });
  }

  /** As in {@linkcode Socket}. */
  setBusy(busy: boolean): void {
    if (busy) this.#connection.ref();
    else this.#connection.unref();
  }
}

/**
 * Opens TCP sockets, with TCP_NODELAY, and UNIX-domain sockets with `node:net`, on
 * Node and Bun. Elsewhere it rejects with {@linkcode ConfigError}.
 */
export async function connectNode(
  endpoint: Endpoint,
  { signal }: { signal?: AbortSignal } = {},
): Promise<Socket> {
  requireEndpoint("connectNode", endpoint);
  if (endpoint.transport === "tcp" && endpoint.tls !== undefined) {
    const { connectTls } = await import("./node_tls.ts");
    return await connectTls(endpoint, { signal });
  }
  const net = await loadNet();
  signal?.throwIfAborted();
  const connection = net.createConnection(address(endpoint));
  return await new Promise<Socket>((resolve, reject) => {
    const settle = () => {
      signal?.removeEventListener("abort", abort);
      connection.off("connect", connected);
      connection.off("error", failed);
    };
    const connected = () => {
      settle();
      resolve(new NodeSocket(connection));
    };
    const failed = (error: unknown) => {
      settle();
      // A later error would have no listener, and end the program.
      connection.on("error", () => {});
      connection.destroy();
      reject(explain(error));
    };
    const abort = () => failed(signal!.reason);
    connection.on("connect", connected);
    connection.on("error", failed);
    signal?.addEventListener("abort", abort);
  });
}

async function loadNet(): Promise<Net> {
  const net = await loadNodeModule("node:net");
  if (net !== undefined) return net;
  throw new ConfigError(
    "connectNode is for Node and Bun: this runtime has no node:net",
  );
}

function address(endpoint: Endpoint): import("node:net").NetConnectOpts {
  if (endpoint.transport === "unix") return { path: endpoint.path };
  const { hostname, port } = endpoint;
  return { host: hostname, port, noDelay: true };
}

/** The first error, if a name has several addresses and all of them failed. */
function explain(error: unknown): unknown {
  const { errors, message } = error as { errors?: Error[]; message?: string };
  return message === "" && errors?.[0] !== undefined ? errors[0] : error;
}
