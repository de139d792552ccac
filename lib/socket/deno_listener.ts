import { ConfigError } from "../errors.ts";
import { DenoSocket } from "./deno.ts";
import { formatEndpoint } from "./endpoint.ts";
import {
  cannotListen,
  listenAt,
  type Placed,
  type SocketFiles,
} from "./listening.ts";
import type {
  Endpoint,
  Listener,
  Socket,
  TcpEndpoint,
  UnixEndpoint,
} from "./socket.ts";

// Clients may be many, and what they send at once is short.
const bufferSize = 16384;

type AnyListener = Deno.Listener<Deno.TcpConn> | Deno.UnixListener;

class DenoListener implements Listener {
  readonly endpoint: Endpoint;
  #listener: AnyListener;
  #file: Placed<Deno.UnixListener> | undefined;
  #closed = false;
  #endAccept: (() => void) | undefined;

  /** Takes over a listener, with the file of a UNIX-domain socket. */
  constructor(
    endpoint: Endpoint,
    listener: AnyListener,
    file?: Placed<Deno.UnixListener>,
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
      return new DenoSocket(connection, bufferSize);
    } catch (error) {
      // A client that has left already.
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
   * Deno removes the file when it closes the listener, and there is another by
   * now: the listener stays open until the program ends, and takes no client.
   */
  async #leaveOpen(): Promise<void> {
    this.#listener.unref();
    try {
      for await (const connection of this.#listener) connection.close();
    } catch {
      // Nobody can connect, which is as good.
    }
  }
}

/**
 * Listens with `Deno.listen`. Needs `--allow-net=HOST:PORT`, for a UNIX-domain
 * socket `--allow-net=unix:PATH` with `--allow-read=PATH` and
 * `--allow-write=PATH`. With no more than that, a listener whose file was replaced
 * by another stays open until the program ends, and should be ended by
 * `Deno.exit`: Deno would remove the other file. Throws {@linkcode ConfigError},
 * with the cure.
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
  const placed = await listenAt(path, {
    mode,
    files,
    // deno-lint-ignore require-await -- what it throws must be a rejection
    bind: async (path) => Deno.listen({ transport, path }),
  });
  return new DenoListener(endpoint, placed.handle, placed);
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
      // One of the few errors to which Deno gives no code.
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
  // Deno takes no --allow-sys=umask.
  umaskCure: "run Deno with --allow-sys",
  mayBind: (path) =>
    path.startsWith("/") &&
    isGranted({ name: "net", host: `unix:${path}` }) &&
    isGranted({ name: "read", path }) && isGranted({ name: "write", path }),
};

/** Whether something is allowed; asks nobody. */
function isGranted(permission: Deno.PermissionDescriptor): boolean {
  return Deno.permissions.querySync(permission).state === "granted";
}

function notCapable(endpoint: Endpoint, cause: unknown): ConfigError {
  const place = formatEndpoint(endpoint);
  const flags = endpoint.transport === "unix"
    ? `--allow-net=${place} --allow-read=${endpoint.path} --allow-write=${endpoint.path}`
    : `--allow-net=${place.replace(/^inet:/, "")}`;
  return new ConfigError(
    `no permission to listen on ${place}: run Deno with ${flags}`,
    { cause },
  );
}
