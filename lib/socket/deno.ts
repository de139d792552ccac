/**
 * Sockets for Deno. There `openTable` and `MemcacheTable` use them by default; pass
 * {@linkcode connectDeno} as the `connect` option to choose them explicitly.
 *
 * @example
 * ```ts
 * import { MemcacheTable } from "@postmaps/memcache-table";
 * import { connectDeno } from "@postmaps/memcache-table/deno";
 *
 * await using table = new MemcacheTable({}, { connect: connectDeno });
 * console.log(table.name);
 * ```
 *
 * @module
 */
import { requireEndpoint } from "../arguments.ts";
import { ConfigError } from "../errors.ts";
import { allowing, formatEndpoint } from "./endpoint.ts";
import type {
  Endpoint,
  Socket,
  TcpEndpoint,
  TlsOptions,
  UnixEndpoint,
} from "./socket.ts";

export type { Endpoint, Socket, TcpEndpoint, TlsOptions, UnixEndpoint };

const chunkSize = 65536;

type Connection = Deno.TcpConn | Deno.UnixConn;

/** The part of a Deno connection that a {@linkcode DenoSocket} uses. */
export interface DenoConnection {
  /** As in `Deno.Conn`. */
  read(buffer: Uint8Array): Promise<number | null>;
  /** As in `Deno.Conn`. */
  write(data: Uint8Array): Promise<number>;
  /** As in `Deno.Conn`. */
  closeWrite(): Promise<void>;
  /** As in `Deno.Conn`. */
  close(): void;
  /** As in `Deno.Conn`. */
  ref(): void;
  /** As in `Deno.Conn`. */
  unref(): void;
  /** As in `Deno.TcpConn`. */
  setNoDelay?(): void;
}

/** A socket over a Deno connection; TCP has TCP_NODELAY. */
export class DenoSocket implements Socket {
  /** As in {@linkcode Socket}. */
  readonly peer?: string;
  #connection: DenoConnection;
  #buffer: Uint8Array;
  #closed = false;

  /**
   * Takes over an open connection. `bufferSize` is the most bytes of one read; the
   * default is 65,536. `peer` is who has connected.
   */
  constructor(
    connection: DenoConnection,
    bufferSize: number = chunkSize,
    peer?: string,
  ) {
    this.peer = peer;
    this.#connection = connection;
    this.#buffer = new Uint8Array(bufferSize);
    connection.setNoDelay?.();
  }

  /** As in {@linkcode Socket}. */
  async read(): Promise<Uint8Array | null> {
    const length = await this.#connection.read(this.#buffer);
    return length === null ? null : this.#buffer.subarray(0, length);
  }

  /** As in {@linkcode Socket}. */
  async write(data: Uint8Array): Promise<void> {
    let sent = await this.#connection.write(data);
    while (sent < data.length) {
      sent += await this.#connection.write(data.subarray(sent));
    }
  }

  /** As in {@linkcode Socket}. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#connection.close();
  }

  /** As in {@linkcode Socket}. */
  async endWrite(): Promise<void> {
    await this.#connection.closeWrite();
  }

  /** As in {@linkcode Socket}. */
  setBusy(busy: boolean): void {
    if (busy) this.#connection.ref();
    else this.#connection.unref();
  }
}

/**
 * Opens sockets with `Deno.connect`, TCP with TCP_NODELAY. Needs
 * `--allow-net=HOST:PORT`; a UNIX-domain socket needs `--allow-net=unix:PATH`,
 * `--allow-read=PATH` and `--allow-write=PATH`. Without them it throws a
 * {@linkcode ConfigError} that names them.
 */
export async function connectDeno(
  endpoint: Endpoint,
  { signal }: { signal?: AbortSignal } = {},
): Promise<Socket> {
  requireEndpoint("connectDeno", endpoint);
  if (!("Deno" in globalThis)) {
    throw new ConfigError(
      "connectDeno is for Deno: Node and Bun have connectNode, Cloudflare connectCloudflare",
    );
  }
  if (endpoint.transport === "tcp" && endpoint.tls !== undefined) {
    const { connectTls } = await import("./node_tls.ts");
    return await connectTls(endpoint, { signal }).catch((error) => {
      throw explain(error, endpoint);
    });
  }
  let connection: Connection;
  try {
    connection = endpoint.transport === "unix"
      ? await Deno.connect({ transport: "unix", path: endpoint.path })
      : await Deno.connect({
        hostname: endpoint.hostname,
        port: endpoint.port,
        signal,
      });
  } catch (error) {
    throw explain(error, endpoint);
  }
  // Deno ignores the signal for UNIX-domain sockets.
  if (signal?.aborted) {
    connection.close();
    throw signal.reason;
  }
  return new DenoSocket(connection);
}

function explain(error: unknown, endpoint: Endpoint): unknown {
  if (error instanceof Deno.errors.NotCapable) {
    const place = formatEndpoint(endpoint).replace(/^(?:inet|tls):/, "");
    return new ConfigError(
      `no permission to connect to ${place}: run Deno with ${
        allowing(place, endpoint)
      }`,
      { cause: error },
    );
  }
  return error;
}
