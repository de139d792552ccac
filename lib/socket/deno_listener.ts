import { ConfigError } from "../errors.ts";
import { DenoSocket } from "./deno.ts";
import { allowing, formatEndpoint } from "./endpoint.ts";
import {
  cannotListen,
  formatPeer,
  listenAt,
  type ListeningSocket,
  type SocketFiles,
} from "./listening.ts";
import type {
  Endpoint,
  Listener,
  Socket,
  TcpEndpoint,
  UnixEndpoint,
} from "./socket.ts";

// Small, because there may be many clients, and their requests are short.
const bufferSize = 16384;

type AnyListener = Deno.Listener<Deno.TcpConn> | Deno.UnixListener;

class DenoListener implements Listener {
  readonly endpoint: Endpoint;
  #listener: AnyListener;
  #file: ListeningSocket<Deno.UnixListener> | undefined;
  #closed = false;
  #endAccept: (() => void) | undefined;

  /** Takes over a listener; `file` is that of a UNIX-domain socket. */
  constructor(
    endpoint: Endpoint,
    listener: AnyListener,
    file?: ListeningSocket<Deno.UnixListener>,
  ) {
    this.endpoint = endpoint;
    this.#listener = listener;
    this.#file = file;
  }

  accept(): Promise<Socket | null> {
    if (this.#closed) return Promise.resolve(null);
    return new Promise((resolve, reject) => {
      this.#endAccept = () => resolve(null);
      this.#listener.accept().then((connection) => {
        if (this.#closed) connection.close();
        else resolve(this.#take(connection));
      }).catch((error) => {
        if (!this.#closed) reject(error);
      });
    });
  }

  #take(connection: Deno.TcpConn | Deno.UnixConn): Socket {
    try {
      return new DenoSocket(connection, bufferSize, peerOf(connection));
    } catch (error) {
      // The client has already left.
      connection.close();
      throw error;
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#endAccept?.();
    if (this.#file?.remove() ?? true) this.#listener.close();
    else this.#leaveOpen();
  }

  /**
   * Closing the listener makes Deno remove the file at its path, which is another
   * one now. So the listener stays open until the program ends, and rejects clients.
   */
  async #leaveOpen(): Promise<void> {
    this.#listener.unref();
    try {
      for await (const connection of this.#listener) connection.close();
    } catch {
      // A listener that cannot accept rejects clients too.
    }
  }
}

function peerOf({ remoteAddr }: Deno.Conn): string | undefined {
  return remoteAddr.transport === "tcp"
    ? formatPeer(remoteAddr.hostname, remoteAddr.port)
    : undefined;
}

/**
 * Listens with `Deno.listen`. Needs `--allow-net=HOST:PORT`; a UNIX-domain socket
 * needs `--allow-net=unix:PATH`, `--allow-read=PATH` and `--allow-write=PATH`.
 * Throws {@linkcode ConfigError}, with the cure.
 *
 * With just these permissions, Deno would remove the file at the path of the socket
 * on close, even if another program has replaced it. Then the listener stays open
 * until the program ends, which must happen by `Deno.exit`.
 */
export async function listenDeno(
  endpoint: Endpoint,
  { mode }: { mode?: number },
): Promise<Listener> {
  try {
    return endpoint.transport === "unix"
      ? await listenUnix(endpoint, mode)
      : listenTcp(endpoint);
  } catch (error) {
    throw error instanceof Deno.errors.NotCapable
      ? notCapable(endpoint, error)
      : cannotListen(endpoint, error);
  }
}

function listenTcp({ transport, hostname, port }: TcpEndpoint): Listener {
  const listener = Deno.listen({ hostname, port });
  const actual = { transport, hostname, port: listener.addr.port };
  return new DenoListener(actual, listener);
}

async function listenUnix(
  endpoint: UnixEndpoint,
  mode: number | undefined,
): Promise<Listener> {
  const { transport, path } = endpoint;
  const socket = await listenAt(path, {
    mode,
    files,
    // deno-lint-ignore require-await -- an exception must become a rejection
    bind: async (path) => Deno.listen({ transport, path }),
  });
  return new DenoListener(endpoint, socket.handle, socket);
}

const files: SocketFiles = {
  look(path) {
    try {
      const { isSocket, dev, ino, mode, mtime } = Deno.lstatSync(path);
      return {
        isSocket: isSocket === true,
        device: dev,
        inode: ino,
        mode: mode ?? 0,
        modified: mtime?.getTime() ?? 0,
      };
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    }
  },
  async connect(path) {
    try {
      (await Deno.connect({ transport: "unix", path })).close();
    } catch (error) {
      // Deno gives this error no code.
      const isOfOtherKind = /wrong type for socket/.test(`${error}`);
      throw isOfOtherKind
        ? Object.assign(error as Error, { code: "EPROTOTYPE" })
        : error;
    }
  },
  link: (path, other) => Deno.linkSync(path, other),
  rename: (path, other) => Deno.renameSync(path, other),
  remove: (path) => Deno.removeSync(path),
  setMode: (path, mode) => Deno.chmodSync(path, mode),
  setUmask: (mask) =>
    isGranted({ name: "sys", kind: "umask" }) ? Deno.umask(mask) : undefined,
  // Deno does not accept --allow-sys=umask.
  umaskCure: "run Deno with --allow-sys",
  mayBind: (path) =>
    path.startsWith("/") &&
    isGranted({ name: "net", host: `unix:${path}` }) &&
    isGranted({ name: "read", path }) && isGranted({ name: "write", path }),
};

/** Whether a permission is granted, without a prompt. */
function isGranted(permission: Deno.PermissionDescriptor): boolean {
  return Deno.permissions.querySync(permission).state === "granted";
}

function notCapable(endpoint: Endpoint, cause: unknown): ConfigError {
  const place = formatEndpoint(endpoint);
  return new ConfigError(
    `no permission to listen on ${place}: run Deno with ${
      allowing(place.replace(/^inet:/, ""), endpoint)
    }`,
    { cause },
  );
}
