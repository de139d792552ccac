/**
 * Sockets for Cloudflare Workers: pass {@linkcode connectCloudflare} as the
 * `connect` option.
 *
 * In Workers a socket belongs to the request that opened it. Therefore make a table
 * in each request and close it at the end, which costs one connection. A
 * module-wide table fails in the second request. There are no UNIX-domain sockets
 * and no files: pass the parameters as an object. A server `tls:HOST:PORT` is verified
 * by its host name and Cloudflare's own authorities; there are no TLS options.
 *
 * @example A Worker
 * ```ts ignore
 * import { MemcacheTable } from "@postmaps/memcache-table";
 * import { connectCloudflare } from "@postmaps/memcache-table/cloudflare";
 *
 * export default {
 *   async fetch(request: Request): Promise<Response> {
 *     await using table = new MemcacheTable(
 *       { memcache: "inet:cache.example.com:11211", key_format: "aliases:%s" },
 *       { connect: connectCloudflare },
 *     );
 *     const key = new URL(request.url).pathname.slice(1);
 *     const value = await table.lookup(key);
 *     return new Response(value, { status: value === undefined ? 404 : 200 });
 *   },
 * };
 * ```
 *
 * @module
 */
import { ConfigError, reasonOf } from "../errors.ts";
import type {
  Endpoint,
  Socket,
  TcpEndpoint,
  TlsOptions,
  UnixEndpoint,
} from "./socket.ts";

export type { Endpoint, Socket, TcpEndpoint, TlsOptions, UnixEndpoint };

/** The part of a socket of `cloudflare:sockets` that is used here. */
interface WorkersSocket {
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Uint8Array>;
  readonly opened: Promise<unknown>;
  readonly closed: Promise<unknown>;
  close(): Promise<void>;
}

type WorkersConnect = (
  address: { hostname: string; port: number },
  options: { secureTransport: "off" | "on"; allowHalfOpen: boolean },
) => WorkersSocket;

const nothing = () => {};

class CloudflareSocket implements Socket {
  #socket: WorkersSocket;
  #reader: ReadableStreamDefaultReader<Uint8Array>;
  #writer: WritableStreamDefaultWriter<Uint8Array>;
  #closed = false;

  constructor(socket: WorkersSocket) {
    this.#socket = socket;
    this.#reader = socket.readable.getReader();
    this.#writer = socket.writable.getWriter();
    // Reads and writes report these failures.
    this.#reader.closed.catch(nothing);
    this.#writer.closed.catch(nothing);
  }

  async read(): Promise<Uint8Array | null> {
    const { value } = await this.#reader.read();
    return value ?? null;
  }

  write(data: Uint8Array): Promise<void> {
    return this.#writer.write(data);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    // Without this, a pending read would keep the request waiting.
    this.#reader.cancel().catch(nothing);
    this.#socket.close().catch(nothing);
  }
}

/**
 * Opens TCP sockets with `connect` of `cloudflare:sockets`. Throws
 * {@linkcode ConfigError} for a UNIX-domain socket, for TLS options, and in other
 * runtimes.
 */
export async function connectCloudflare(
  endpoint: Endpoint,
  { signal }: { signal?: AbortSignal } = {},
): Promise<Socket> {
  if (endpoint.transport === "unix") {
    throw new ConfigError(
      `unix:${endpoint.path}: Cloudflare's Workers have no UNIX-domain ` +
        `sockets: let memcached listen on TCP, and use inet:HOST:PORT`,
    );
  }
  const { tls } = endpoint;
  if (tls !== undefined && Object.keys(tls).length > 0) {
    throw new ConfigError(
      `Cloudflare's Workers have no TLS options: leave out ${Object.keys(tls)}`,
    );
  }
  const connect = await loadConnect();
  signal?.throwIfAborted();
  const socket = connect(addressOf(endpoint), {
    secureTransport: tls ? "on" : "off",
    allowHalfOpen: false,
  });
  socket.closed.catch(nothing);
  let abort = nothing;
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal!.reason);
    signal?.addEventListener("abort", abort);
  });
  try {
    await Promise.race([socket.opened, aborted]);
  } catch (error) {
    socket.close().catch(nothing);
    if (!tls || signal?.aborted) throw error;
    const { hostname } = endpoint;
    // A Worker is not told more.
    throw new Error(
      `${
        reasonOf(error)
      }: does Cloudflare trust its certificate for ${hostname}?`,
      { cause: error },
    );
  } finally {
    signal?.removeEventListener("abort", abort);
  }
  return new CloudflareSocket(socket);
}

function addressOf({ hostname, port }: TcpEndpoint) {
  return {
    hostname: hostname.includes(":") ? `[${hostname}]` : hostname,
    port,
  };
}

async function loadConnect(): Promise<WorkersConnect> {
  try {
    // @ts-ignore: this module has types on Cloudflare only
    const { connect } = await import("cloudflare:sockets");
    return connect;
  } catch (cause) {
    throw new ConfigError(
      "connectCloudflare is for Cloudflare's Workers: this runtime has no cloudflare:sockets",
      { cause },
    );
  }
}
